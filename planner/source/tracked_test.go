package source_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// TestCachedTree: an observation with a warm cache, which knows digests and the
// names in directories, is the one without, whatever happened to the tree.
func TestCachedTree(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) {
		t.Helper()
		full := filepath.Join(dir, "tree", name)
		must(t, os.MkdirAll(filepath.Dir(full), 0o755))
		must(t, os.WriteFile(full, []byte(content), 0o644))
	}
	for i := range 60 {
		file(fmt.Sprintf("d%d/e%d/f%d", i%3, i%7, i), fmt.Sprint(i))
	}
	must(t, os.Symlink("d0", filepath.Join(dir, "tree/link")))
	file("other", "neither taken nor read")
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	store, err := layout.Open(filepath.Join(dir, "out"), layout.Options{NoSync: true})
	must(t, err)
	defer store.Close()
	must(t, store.Init(t.Context()))
	in := func(name string) string { return filepath.Join(dir, "tree", name) }
	for name, change := range map[string]func() error{
		"nothing":            func() error { return nil },
		"content":            func() error { return os.WriteFile(in("d0/e0/f0"), []byte("x"), 0o644) },
		"a new file":         func() error { return os.WriteFile(in("d1/new"), nil, 0o644) },
		"a file less":        func() error { return os.Remove(in("d1/e1/f1")) },
		"renamed":            func() error { return os.Rename(in("d2/e2/f2"), in("d2/e2/g")) },
		"another directory":  func() error { return os.Rename(in("d0/e3"), in("d2/moved")) },
		"a directory less":   func() error { return os.RemoveAll(in("d2/e5")) },
		"an empty directory": func() error { return os.Mkdir(in("d2/empty"), 0o755) },
		"executable":         func() error { return os.Chmod(in("d1/e0/f7"), 0o755) },
		"another link":       func() error { return replaceLink(in("link"), "d1") },
		"a link for a file":  func() error { return replaceLink(in("d0/e4/f18"), "/etc/passwd") },
	} {
		time.Sleep(80 * time.Millisecond) // for the cache to believe what it sees
		for range 2 {
			cache := stage.OpenCache(store)
			observe(t, root, cache, "")
			must(t, cache.Save(t.Context()))
		}
		was := fingerprint(t, observe(t, root, nil, ""))
		must(t, change())
		cache, now := stage.OpenCache(store), observe(t, root, nil, "")
		if diff := cmp.Diff(now, observe(t, root, cache, "")); diff != "" {
			t.Errorf("%s: a warm cache gives something else: %s", name, diff)
		}
		moved := fingerprint(t, now) != was
		if moved == (name == "nothing") {
			t.Errorf("%s: the fingerprint moved: %v", name, moved)
		}
		if unchanged := observe(t, root, cache, was).Unchanged; unchanged == moved {
			t.Errorf("%s: unchanged: %v", name, unchanged)
		}
		must(t, cache.Save(t.Context()))
	}
}

func replaceLink(name, target string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.Symlink(target, name)
}

var copyResult = &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpCopy, From: "tree", To: "usr/x", Include: []string{"d?/**", "link"}, Exclude: []string{"d0/e1", "**/*9"}}}}

func fingerprint(t *testing.T, tree *source.Tree) digest.Digest {
	t.Helper()
	sum, ok := (&source.Observed{Tree: tree}).Fingerprint(copyResult)
	if !ok {
		t.Fatal("no fingerprint although all is hashed")
	}
	return sum
}

func observe(t *testing.T, root *os.Root, cache *stage.Cache, known digest.Digest) *source.Tree {
	t.Helper()
	opts := source.Options{Hash: true, Known: known}
	if cache != nil {
		opts.Digests = cache
	}
	o, diags := source.Observe(context.Background(), root, copyResult, opts)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return o.Tree
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
