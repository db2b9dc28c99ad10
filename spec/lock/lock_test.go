package lock

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

var (
	digestA = digest.FromString("a")
	digestB = digest.FromString("b")
)

const written = `# Maintained by "layform lock"; keep it under version control.
lock_version = 1

base "docker.io/library/alpine:3.20" {
  digest = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
}

base "localhost:5000/team/runtime:2" {
  digest = "sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"
}

output "index.app[\"a\"]" {
  digest = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
}
`

func example() *File {
	return &File{
		Bases: map[string]Pin{
			"localhost:5000/team/runtime:2": {Digest: digestB},
			"docker.io/library/alpine:3.20": {Digest: digestA},
		},
		Outputs: map[string]Pin{`index.app["a"]`: {Digest: digestA}},
	}
}

func digests(pins map[string]Pin) map[string]digest.Digest {
	out := map[string]digest.Digest{}
	for label, p := range pins {
		out[label] = p.Digest
	}
	return out
}

func TestFormat(t *testing.T) {
	if diff := cmp.Diff(written, string(example().Format())); diff != "" {
		t.Error(diff)
	}
	if got, want := string((&File{}).Format()), "# Maintained by \"layform lock\"; keep it under version control.\nlock_version = 1\n"; got != want {
		t.Errorf("empty: %q", got)
	}
}

func TestParse(t *testing.T) {
	for name, text := range map[string]string{
		"as written": written,
		"CRLF":       strings.ReplaceAll(written, "\n", "\r\n"),
		"BOM":        "\ufeff" + written,
	} {
		f, diags := Parse(Name, text)
		if diags.HasErrors() {
			t.Fatalf("%s: %v", name, diags)
		}
		if diff := cmp.Diff(digests(example().Bases), digests(f.Bases)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(written, string(f.Format())); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	f, _ := Parse(Name, written)
	if got := f.Bases["localhost:5000/team/runtime:2"].Range.Start.Line; got != 8 {
		t.Errorf("line %d", got)
	}
}

func TestParseRefuses(t *testing.T) {
	const head = "lock_version = 1\n"
	for name, c := range map[string]struct{ text, says string }{
		"no version":        {"", "lock_version = 1"},
		"newer version":     {"lock_version = 2\n", "newer layform"},
		"text as version":   {"lock_version = \"1\"\n", "lock_version = 1"},
		"unknown attribute": {head + "x = 1\n", "x is no attribute"},
		"unknown block":     {head + "cache \"x\" {}\n", "not cache"},
		"no label":          {head + "base {\n digest = \"x\"\n}\n", "one label"},
		"empty label":       {head + "base \"\" {\n digest = \"x\"\n}\n", "one label"},
		"no digest":         {head + "base \"a\" {}\n", "sha256:…"},
		"bad digest":        {head + "base \"a\" {\n digest = \"sha256:12\"\n}\n", "is no digest"},
		"upper case":        {head + "base \"a\" {\n digest = \"sha256:" + strings.ToUpper(digestA.Encoded()) + "\"\n}\n", "is no digest"},
		"null digest":       {head + "base \"a\" {\n digest = null\n}\n", "plain string"},
		"expression":        {head + "base \"a\" {\n digest = var.x\n}\n", "plain string"},
		"more in a pin":     {head + "base \"a\" {\n digest = \"" + digestA.String() + "\"\n size = 3\n}\n", "not size"},
		"block in a pin":    {head + "base \"a\" {\n x {}\n}\n", "digest alone"},
		"twice": {head + strings.Repeat("base \"a\" {\n digest = \""+digestA.String()+"\"\n}\n", 2),
			"line 2 already"},
		"conflict": {head + "<<<<<<< HEAD\nbase \"a\" {}\n=======\n", "conflict markers"},
		"no HCL":   {head + "base \"a\" {\n", "Unclosed"},
		"nested":   {strings.Repeat("(", 200_000), ""},
	} {
		t.Run(name, func(t *testing.T) {
			f, diags := Parse(Name, c.text)
			if !diags.HasErrors() || f == nil {
				t.Fatalf("accepted: %v", f)
			}
			if !strings.Contains(diags.Error(), c.says) {
				t.Errorf("%v", diags)
			}
			if diags[0].Subject == nil {
				t.Error("no place")
			}
		})
	}
}

func TestCompare(t *testing.T) {
	d := example().Compare([]string{"quay.io/b:1", "docker.io/library/alpine:3.20", "quay.io/a:1", "quay.io/a:1"})
	want := Difference{Missing: []string{"quay.io/a:1", "quay.io/b:1"}, Unused: []string{"localhost:5000/team/runtime:2"}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
}

// TestBots runs the expressions that README gives to Renovate: reference, tag and digest of
// a lock file, and reference and tag of a spec, are the same.
func TestBots(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var expressions []*regexp.Regexp
	for _, m := range regexp.MustCompile(`matchStrings: \[(".*")\]`).FindAllSubmatch(readme, -1) {
		var text string
		if err := json.Unmarshal(m[1], &text); err != nil {
			t.Fatal(err)
		}
		expressions = append(expressions, regexp.MustCompile(text))
	}
	if len(expressions) != 2 {
		t.Fatalf("README has %d expressions", len(expressions))
	}
	spec := "base \"a\" {\n  from = \"docker://docker.io/library/alpine:3.20\"\n}\nbase \"b\" {\n  from     = \"docker://localhost:5000/team/runtime:2\"\n}\n"
	want := [][]string{{"docker.io/library/alpine", "3.20", digestA.String()}, {"localhost:5000/team/runtime", "2", digestB.String()}}
	if diff := cmp.Diff(want, matches(expressions[0], string(example().Format()))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{want[0][:2], want[1][:2]}, matches(expressions[1], spec)); diff != "" {
		t.Error(diff)
	}
}

// matches lists the groups of each match.
func matches(e *regexp.Regexp, text string) [][]string {
	var out [][]string
	for _, m := range e.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1:])
	}
	return out
}
