package spec

import (
	"strings"
	"testing"
)

// TestArchivePath holds which paths of archives are refused, and what the message says to
// write.
func TestArchivePath(t *testing.T) {
	for text, want := range map[string]string{
		"dist/app.tar": "", "../out/app.tar": "", "/srv/app.tar": "", "a.b.tar": "", "./~/x.tar": "", `C:\out\x.tar`: "", "x.tar.tar": "",
		"":                  "empty",
		"a\x00.tar":         "NUL",
		"dist/app":          `such as "dist/app.tar"`,
		"dist/app/":         `such as "dist/app.tar"`,
		".tar":              "not the name of a tar",
		"dist/.tar":         "not the name of a tar",
		"layform.hcl":       "not the name of a tar",
		"x.TAR":             "not the name of a tar",
		"x.tar.gz":          `write "x.tar"`,
		"x.tgz":             `write "x.tar"`,
		"oci-archive:x.tar": "is a reference",
		"docker://h/x.tar":  "is a reference",
		"~/x.tar":           `"./~/x.tar" for a file`,
		"$HOME/x.tar":       "${var.name}",
	} {
		got := ""
		if err := archivePathProblem(text); err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
