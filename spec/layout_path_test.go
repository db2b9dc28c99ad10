package spec

import (
	"strings"
	"testing"
)

// TestLayoutPath holds which paths of layouts are refused, and what the message
// says to write.
func TestLayoutPath(t *testing.T) {
	for text, want := range map[string]string{
		"dist/app": "", "../out": "", ".": "", "/srv/layout": "", `C:\out`: "", "C:/out": "",
		"./oci:out/": "", "./~/x": "", "x.tar/": "", "app:v1/": "", "tar": "", "a.tarball": "", "x~": "", "./$HOME": "",
		"":                     "empty",
		"a\x00b":               "NUL",
		"x.tar":                `write "x". `,
		"out/X.TAR.GZ":         `write "out/X". `,
		"x.tgz":                `"x.tgz/"`,
		"oci:out":              `its path alone, "out"`,
		"oci:out/app:v1":       `its path alone, "out/app"`,
		"ocidir://out":         `its path alone, "out"`,
		"file:///srv/out":      `its path alone, "/srv/out"`,
		"oci-archive:x.tar":    `its path alone, such as "dist/app"`,
		"docker-archive:x":     "is a reference",
		"docker://h/x":         "copy it to a registry",
		"https://h/x":          "copy it to a registry",
		"localhost:5000/app":   "copy it to a registry",
		"out/app:v1":           `tags = ["v1"]`,
		"registry.io/team/a:1": `write "registry.io/team/a"`,
		"./oci:out":            `"./oci:out/"`,
		"~/x":                  `"./~/x"`,
		"~user/x":              `"./~user/x"`,
		"$HOME/x":              "${var.name}",
		`%USERPROFILE%\x`:      "${var.name}",
	} {
		got := ""
		if err := layoutPathProblem(text); err != nil {
			got = err.Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
