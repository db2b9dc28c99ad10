//go:build unix

package stage_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/repair"
	"github.com/layform/layform/layout/stage"
)

func put(t *testing.T, s *layout.Store, content string) ocispec.Descriptor {
	t.Helper()
	d, _, err := s.PutBytes(t.Context(), "text/plain", []byte(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// everything reads all files of ours.
func everything(t *testing.T, s *layout.Store) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, dir := range []string{"", "stage", "toc"} {
		matches, err := filepath.Glob(filepath.Join(s.Dir(), ".layform", dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range matches {
			if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() || strings.HasSuffix(name, "lock") {
				continue
			}
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files[strings.TrimPrefix(name, s.Dir()+"/.layform/")] = string(data)
		}
	}
	return files
}

// mend repairs, after a dry run that must tell the same and write nothing.
func mend(t *testing.T, s *layout.Store) []repair.Mended {
	t.Helper()
	before := everything(t, s)
	would, err := repair.Layout(t.Context(), s, repair.Options{DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, everything(t, s)); diff != "" {
		t.Errorf("a dry run wrote: %s", diff)
	}
	unlock, err := s.Lock(t.Context(), layout.Holder{Operation: "repair"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := repair.Layout(t.Context(), s, repair.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(would, got); diff != "" {
		t.Errorf("a dry run told something else: %s", diff)
	}
	for _, m := range got {
		if m.Problem == "" || m.Note == "" || strings.ContainsAny(m.Object+m.Problem+m.Note, "\x1b\n") {
			t.Errorf("an incomplete line: %+v", m)
		}
	}
	return got
}

func remedies(lines []repair.Mended) []string {
	var all []string
	for _, m := range lines {
		all = append(all, string(m.Remedy)+" "+m.Object)
	}
	return all
}

func write(t *testing.T, s *layout.Store, name, content string) {
	t.Helper()
	if err := s.SaveState(name, []byte(content)); err != nil {
		t.Fatal(err)
	}
}

// whole is a layout with a stage, a journal, tables of contents and a stat
// cache, in which nothing is wrong.
func whole(t *testing.T) (*layout.Store, *stage.Stage) {
	t.Helper()
	s := open(t, t.TempDir())
	a, b := put(t, s, "a"), put(t, s, "b")
	if err := s.Tag(t.Context(), a, "a"); err != nil {
		t.Fatal(err)
	}
	st := &stage.Stage{
		Spec: "web", State: stage.Done,
		Objects: map[string]stage.Object{"layer.a": {Descriptor: a}, "layer.b": {Descriptor: b}},
		Tags:    map[string]ocispec.Descriptor{"a": a},
		Blobs:   []digest.Digest{a.Digest, b.Digest},
	}
	save(t, s, st)
	toc := sampleTOC()
	toc.Blob, toc.Size = a.Digest, 100
	if err := stage.SaveTOC(t.Context(), s, toc, layer.ListOf(toc.Entries)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "old")
	c := stage.OpenCache(s)
	c.Trust(file, oldFile(t, file, "x"), digest.FromString("x"))
	if err := c.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if lines := mend(t, s); len(lines) > 0 {
		t.Fatalf("%+v", lines)
	}
	return s, st
}

func TestRepair(t *testing.T) {
	for name, tc := range map[string]struct {
		plant func(*testing.T, *layout.Store, *stage.Stage)
		want  []string
		stays bool
	}{
		"claims to blobs that are gone": {func(t *testing.T, s *layout.Store, st *stage.Stage) {
			st.Blobs = append(st.Blobs, digest.FromString("gone"))
			save(t, s, st)
		}, []string{"written .layform/stage/web.json"}, false},
		"an object whose blob is gone": {func(t *testing.T, s *layout.Store, st *stage.Stage) {
			st.Objects["layer.gone"] = stage.Object{Descriptor: desc("gone")}
			save(t, s, st)
		}, []string{"left .layform/stage/web.json"}, true},
		"a damaged stage": {func(t *testing.T, s *layout.Store, _ *stage.Stage) { write(t, s, "stage/web.json", "{") }, []string{"left .layform/stage/web.json"}, true},
		"a newer stage":   {func(t *testing.T, s *layout.Store, _ *stage.Stage) { write(t, s, "stage/web.json", `{"version":99}`) }, []string{"left .layform/stage/web.json"}, true},
		"another's stage": {func(t *testing.T, s *layout.Store, st *stage.Stage) {
			data, err := s.ReadState("stage/web.json", 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			write(t, s, "stage/api.json", string(data))
		}, []string{"left .layform/stage/api.json"}, true},
		"tables of contents": {func(t *testing.T, s *layout.Store, st *stage.Stage) {
			b := st.Objects["layer.b"].Descriptor.Digest
			write(t, s, "toc/sha256-"+b.Encoded(), "damaged")
			toc := sampleTOC()
			toc.Blob = digest.FromString("gone")
			if err := stage.SaveTOC(t.Context(), s, toc, layer.ListOf(toc.Entries)); err != nil {
				t.Fatal(err)
			}
			write(t, s, "toc/x\x1b[2J", "x")
		}, []string{
			"removed .layform/toc/sha256-" + digest.FromString("b").Encoded(), "removed .layform/toc/sha256-" + digest.FromString("gone").Encoded(),
			`removed .layform/toc/x\x1b[2J`,
		}, false},
		"a damaged stat cache": {func(t *testing.T, s *layout.Store, _ *stage.Stage) {
			data, err := s.ReadState("stat.cache", 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)-1] ^= 1
			write(t, s, "stat.cache", string(data))
		}, []string{"removed .layform/stat.cache"}, false},
		"pending, and no index to tell": {func(t *testing.T, s *layout.Store, st *stage.Stage) {
			st.State, st.After = stage.Pending, digest.FromString("x")
			save(t, s, st)
			if err := os.WriteFile(filepath.Join(s.Dir(), "index.json"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}, []string{"left .layform/stage/web.json", "left index.json"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s, st := whole(t)
			tc.plant(t, s, st)
			got := remedies(mend(t, s))
			slices.Sort(got)
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if again := remedies(mend(t, s)); tc.stays != (len(again) > 0) {
				t.Errorf("again: %v", again)
			}
		})
	}
}

// A pending stage becomes what index.json says it is, and the next apply knows
// that it has something to finish.
func TestRepairSettles(t *testing.T) {
	for _, swapped := range []bool{true, false} {
		s, st := whole(t)
		was := *st
		next := *st
		next.Objects = map[string]stage.Object{"layer.new": {Descriptor: put(t, s, "new")}}
		next.Blobs = append(slices.Clone(st.Blobs), digest.FromString("new"))
		next.State, next.Was = stage.Pending, &was
		x, err := s.Index(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if next.Before, next.After = x.Digest(), digest.FromString("x"); swapped {
			next.After = x.Digest()
		}
		save(t, s, &next)
		want, _, err := stage.Load(t.Context(), s, "web")
		if err != nil {
			t.Fatal(err)
		}
		lines := mend(t, s)
		if len(lines) != 1 || lines[0].Remedy != repair.Written || strings.Contains(lines[0].Note, "did happen") != swapped {
			t.Errorf("%+v", lines)
		}
		got, _, err := stage.Load(t.Context(), s, "web")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(stage.Stage{}, "Serial")); diff != "" || got.Serial != want.Serial+1 {
			t.Errorf("serial %d after %d: %s", got.Serial, want.Serial, diff)
		}
		if data, err := s.ReadState("stage/web.json", 1<<20); err != nil || strings.Contains(string(data), "pending") {
			t.Errorf("%s, %v", data, err)
		}
		if left, err := interrupted(t, s, "web"); !left || err != nil {
			t.Errorf("interrupted %v, %v", left, err)
		}
	}
}

// What any spec lays claim to is held, on both sides of a swap, and GC spares it.
func TestHolds(t *testing.T) {
	s, st := whole(t)
	was := *st
	next := *st
	next.Objects = map[string]stage.Object{"layer.new": {Descriptor: put(t, s, "new")}}
	next.Untagged = []ocispec.Descriptor{put(t, s, "untagged")}
	next.Blobs = []digest.Digest{digest.FromString("new"), put(t, s, "to be swept").Digest}
	next.State, next.Was, next.After = stage.Pending, &was, digest.FromString("x")
	save(t, s, &next)
	// A spec with a journal and no stage yet.
	j, err := stage.OpenJournal(s, "api")
	if err != nil {
		t.Fatal(err)
	}
	for _, created := range []bool{true, false} {
		if err := j.Append(stage.Record{Key: "layer.j", Descriptor: put(t, s, map[bool]string{true: "built", false: "found"}[created]), Created: created}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	junk := put(t, s, "junk")
	got, err := stage.OwnedContent(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	var roots []string
	for _, d := range got.Roots {
		data, err := s.ReadBlob(t.Context(), d, 0)
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, string(data))
	}
	slices.Sort(roots)
	if diff := cmp.Diff([]string{"a", "b", "built", "found", "new", "untagged"}, roots); diff != "" {
		t.Error(diff)
	}
	var owned []digest.Digest
	for _, content := range []string{"a", "b", "new", "to be swept", "built"} {
		owned = append(owned, digest.FromString(content))
	}
	slices.Sort(owned)
	if diff := cmp.Diff(owned, got.Blobs); diff != "" {
		t.Error(diff)
	}
	result, err := s.GC(t.Context(), layout.GCOptions{Keep: got.Roots, KeepBlobs: got.Blobs, MinAge: -1})
	if err != nil || len(result.Blobs) != 1 || result.Blobs[0].Digest != junk.Digest {
		t.Errorf("%+v, %v", result, err)
	}
	write(t, s, "stage/web.json", "{")
	if held, err := stage.OwnedContent(t.Context(), s); err == nil {
		t.Errorf("%+v", held)
	}
}

func TestPruneTOCs(t *testing.T) {
	s, st := whole(t)
	toc := sampleTOC()
	toc.Blob = digest.FromString("gone")
	if err := stage.SaveTOC(t.Context(), s, toc, layer.ListOf(toc.Entries)); err != nil {
		t.Fatal(err)
	}
	there, err := s.BlobDigests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range [][]digest.Digest{{toc.Blob}, nil} {
		got, err := stage.PruneTOCs(t.Context(), s, there)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
	}
	if all, err := stage.DigestsOfTOCs(t.Context(), s); err != nil || len(all) != 1 || all[0] != st.Tags["a"].Digest {
		t.Errorf("%v, %v", all, err)
	}
}

// What a dry run may not read, for a mode that a real run would have mended, is
// told and not taken for damaged.
func TestDryRunThatMayNotRead(t *testing.T) {
	s, st := whole(t)
	toc := ".layform/toc/sha256-" + st.Tags["a"].Digest.Encoded()
	for _, file := range []string{toc, ".layform/stat.cache", ".layform/stage/web.json"} {
		barred, err := layout.Open(s.Dir(), layout.Options{Fault: func(step disk.Step) error {
			if step.Op == disk.OpOpen && step.Name == file {
				return fs.ErrPermission
			}
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		lines, err := repair.Layout(t.Context(), barred, repair.Options{DryRun: true})
		if err != nil || len(lines) != 1 || lines[0].Remedy != repair.Left || !strings.Contains(lines[0].Problem, filepath.Base(file)) {
			t.Errorf("%s: %+v, %v", file, lines, err)
		}
		if err := barred.Close(); err != nil {
			t.Error(err)
		}
	}
}
