package lock

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse holds that reading never panics, and that what was read is written as
// something that reads the same.
func FuzzParse(f *testing.F) {
	f.Add(written)
	f.Add("lock_version = 1\nbase \"a\\\"${x}\" {\n digest = \"sha256:12\"\n}\n")
	f.Add("lock_version = 1\r\noutput \"layer.a[\\\"k\\\"]\" {\r\n}\r\n")
	f.Add("<<<<<<< HEAD\n")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, diags := Parse(Name, text)
		if diags.HasErrors() {
			return
		}
		again, diags := Parse(Name, string(parsed.Format()))
		if diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, parsed.Format())
		}
		if diff := cmp.Diff(digests(parsed.Bases), digests(again.Bases)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(digests(parsed.Outputs), digests(again.Outputs)); diff != "" {
			t.Error(diff)
		}
	})
}
