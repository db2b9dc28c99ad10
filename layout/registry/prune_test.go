package registry_test

import (
	"testing"
	"time"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/registry"
)

// What lost its tag goes once it is old, with what refers to it; what has a tag stays, with
// what refers to it and what an index of it names.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	repo := repository(t, open(t, dir, registry.Options{}), "app")
	old := newImage(t, "old", nil).mustPush(t, repo, "latest")
	oldSBOM := newImage(t, "old sbom", &old.desc).mustPush(t, repo)
	child := newImage(t, "child", nil).mustPush(t, repo)
	childSBOM := newImage(t, "child sbom", &child.desc).mustPush(t, repo)
	signature := newImage(t, "signature", &childSBOM.desc).mustPush(t, repo)
	data, index := newIndex(child.desc)
	if _, err := repo.PushManifest(t.Context(), data, registry.Put{Tags: []string{"latest"}}); err != nil {
		t.Fatal(err)
	}
	name := func(i image) string { return "app@" + string(i.desc.Digest) }
	wantNames(t, dir, "app:latest", name(old), name(oldSBOM), name(childSBOM), name(signature))
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	prune := func(before time.Time, look bool, want int) {
		t.Helper()
		pruned, err := registry.Prune(t.Context(), s, before, look)
		if err != nil || len(pruned) != want {
			t.Errorf("pruned %v, %v", pruned, err)
		}
	}
	prune(time.Now().Add(-time.Hour), false, 0)
	prune(time.Now().Add(time.Hour), true, 2)
	wantNames(t, dir, "app:latest", name(old), name(oldSBOM), name(childSBOM), name(signature))
	prune(time.Now().Add(time.Hour), false, 2)
	wantNames(t, dir, "app:latest", name(childSBOM), name(signature))
	wantResolve(t, repo, string(index.Digest), index.Digest)
	wantResolve(t, repo, string(old.desc.Digest), "")
	prune(time.Now().Add(time.Hour), false, 0)
	wantValid(t, dir)
}
