package schema

import (
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the reference")

// TestReferenceIsCurrent holds spec/REFERENCE.md against the language.
func TestReferenceIsCurrent(t *testing.T) {
	const name = "../REFERENCE.md"
	got := Markdown()
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not current; write it with go test ./spec/schema -update\n%s", name, diff)
	}
}

// TestReference finds a text for every topic, of lines that fit.
func TestReference(t *testing.T) {
	topics := Topics()
	if len(topics) < 200 {
		t.Fatalf("there are only %d topics", len(topics))
	}
	for _, topic := range append(topics, Topic{}) {
		text, err := Reference(topic.Name)
		if err != nil {
			t.Errorf("%s: %v", topic.Name, err)
		}
		if topic.Name != "" && (!strings.HasSuffix(topic.Text, ".") || strings.Contains(topic.Text, "\n")) {
			t.Errorf("%s: the first sentence is %q", topic.Name, topic.Text)
		}
		if !utf8.ValidString(text) || !strings.HasSuffix(text, "\n") || strings.Contains(text, "\n\n\n") {
			t.Errorf("%s: %q", topic.Name, text)
		}
	}
	for topic, want := range map[string][]string{
		"copy":            {"block layer.copy", "mode  (string", "exclude = "},
		"copy.mode":       {"attribute layer.copy.mode", "Decides: blob"},
		"layer.created":   {"Image spec: config.md: history, created", "Decides: history"},
		"metadata":        {"attribute layer.copy.metadata", "Decides: blob"},
		"tags":            {"attribute tags is in 2 blocks", "manifest.tags  (list of strings", "index.tags  (list"},
		"config":          {"block config", "attribute manifest.config"},
		"copy.metadata":   {"(string: normalize or preserve, default"},
		"join":            {"function join(separator, lists...)", `join("-", ["foo", "bar"]) is "foo-bar"`},
		"join()":          {"function join"},
		"file":            {"block layer.file", "function file(path)"},
		"index":           {"block index", "function index"},
		"manifest.layers": {"list of references to layer"},
		"layr":            nil,
		"layer.":          nil,
	} {
		text, err := Reference(topic)
		if (err != nil) != (want == nil) {
			t.Errorf("%s: %v", topic, err)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in\n%s", topic, w, text)
			}
		}
	}
	for topic, meant := range map[string]string{"layer.archve": "layer.archive", "tagz": "tags", "entrypint": "entrypoint"} {
		if _, err := Reference(topic); err == nil || !strings.Contains(err.Error(), `Did you mean "`+meant+`"?`) {
			t.Errorf("a mistyped topic: %v", err)
		}
	}
}
