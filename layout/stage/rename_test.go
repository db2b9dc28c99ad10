package stage_test

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
)

// A staging state that got another name is the old one but for the name, however
// often the renaming is interrupted between its two steps.
func TestRename(t *testing.T) {
	s := open(t, t.TempDir())
	ctx := t.Context()
	st := &stage.Stage{
		Spec: "old", State: stage.Done, Blobs: []digest.Digest{digest.FromString("a")},
		Objects: map[string]stage.Object{"layer.a": {Fingerprint: digest.FromString("f"), Descriptor: desc("a")}},
	}
	save := func(name string) {
		t.Helper()
		again := *st
		again.Spec = name
		if err := stage.Save(ctx, s, &again); err != nil {
			t.Fatal(err)
		}
	}
	if stage.Rename(ctx, s, "old", "new") == nil {
		t.Error("what does not exist was renamed")
	}
	save("old")
	save("new") // as an interrupted Rename leaves it
	save("new")
	if err := stage.Rename(ctx, s, "old", "new"); err != nil {
		t.Fatal(err)
	}
	all, err := stage.All(ctx, s)
	if err != nil || len(all) != 1 || all[0].Spec != "new" || all[0].Objects["layer.a"].Descriptor.Digest != desc("a").Digest {
		t.Fatalf("got %v, %v", all, err)
	}
	save("old")
	st.Objects = map[string]stage.Object{}
	save("new")
	if stage.CheckRename(ctx, s, "old", "new") == nil || stage.Rename(ctx, s, "old", "new") == nil {
		t.Error("a state of its own was overwritten")
	}
	if all, err := stage.All(ctx, s); err != nil || len(all) != 2 {
		t.Errorf("got %v, %v", all, err)
	}
	for _, name := range []string{"../x", ""} {
		if stage.Rename(ctx, s, name, "new") == nil || stage.Rename(ctx, s, "old", name) == nil {
			t.Errorf("%q is taken for a name", name)
		}
	}
}
