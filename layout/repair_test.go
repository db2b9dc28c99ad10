//go:build unix

package layout_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/repair"
	"github.com/layform/layform/layout/validate"
)

// mend repairs, after a dry run that must tell the same and write nothing.
func mend(t *testing.T, dir string, opts repair.Options) []repair.Mended {
	t.Helper()
	before := snapshot(t, dir)
	opts.DryRun = true
	would, err := repair.Layout(t.Context(), inspect(t, dir), opts)
	if err != nil {
		t.Fatalf("dry run: %v", err)
	}
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Errorf("a dry run wrote: %s", diff)
	}
	opts.DryRun = false
	got, err := repairLocked(t, inspect(t, dir), opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(would, got); diff != "" {
		t.Errorf("a dry run told something else: %s", diff)
	}
	for _, m := range got {
		if m.Object == "" || m.Problem == "" || m.Note == "" || strings.ContainsAny(m.Object+m.Problem+m.Note, "\x1b\n") {
			t.Errorf("an incomplete line: %+v", m)
		}
	}
	return got
}

// repairLocked repairs under the lock.
func repairLocked(t *testing.T, s *layout.Store, opts repair.Options) ([]repair.Mended, error) {
	t.Helper()
	unlock, err := s.Lock(t.Context(), layout.Holder{Operation: "repair"}, 0)
	if err != nil {
		return nil, err
	}
	got, err := repair.Layout(t.Context(), s, opts)
	return got, errors.Join(err, unlock())
}

func chmod(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func TestRepair(t *testing.T) {
	type made struct {
		dir string
		img image
	}
	in := func(name string) func(made) string { return func(m made) string { return filepath.Join(m.dir, name) } }
	blob := func(m made) string {
		return filepath.Join(m.dir, "blobs/sha256", m.img.layer.Digest.Encoded())
	}
	for name, tc := range map[string]struct {
		plant func(*testing.T, made)
		opts  func(made) repair.Options
		// want are the remedies, and mended says that the layout is whole again.
		want   []repair.Remedy
		mended bool
	}{
		"nothing": {func(*testing.T, made) {}, nil, nil, true},
		"leftovers of the dead": {func(t *testing.T, m made) {
			writeFile(t, in(".layform/ingest/blob-1")(m), "half")
			writeFile(t, in(".layform/ingest/x\x1b[2J")(m), "half")
			mkdir(t, in(".layform/ingest/dir")(m))
		}, nil, []repair.Remedy{repair.Removed, repair.Removed, repair.Left}, true},
		"no oci-layout":        {func(t *testing.T, m made) { remove(t, in("oci-layout")(m)) }, nil, []repair.Remedy{repair.Written}, true},
		"an empty oci-layout":  {func(t *testing.T, m made) { writeFile(t, in("oci-layout")(m), "") }, nil, []repair.Remedy{repair.Written}, true},
		"a piped oci-layout":   {func(t *testing.T, m made) { remove(t, in("oci-layout")(m)); mkfifo(t, in("oci-layout")(m)) }, nil, []repair.Remedy{repair.Left}, false},
		"no index.json":        {func(t *testing.T, m made) { remove(t, in("index.json")(m)) }, nil, []repair.Remedy{repair.Written}, true},
		"neither":              {func(t *testing.T, m made) { remove(t, in("index.json")(m)); remove(t, in("oci-layout")(m)) }, nil, []repair.Remedy{repair.Written, repair.Written}, true},
		"an empty index.json":  {func(t *testing.T, m made) { writeFile(t, in("index.json")(m), "") }, nil, []repair.Remedy{repair.Left}, false},
		"a piped index.json":   {func(t *testing.T, m made) { remove(t, in("index.json")(m)); mkfifo(t, in("index.json")(m)) }, nil, []repair.Remedy{repair.Left}, false},
		"both are damaged":     {func(t *testing.T, m made) { writeFile(t, in("index.json")(m), ""); remove(t, in("oci-layout")(m)) }, nil, []repair.Remedy{repair.Left, repair.Left}, false},
		"an empty index moved": {func(t *testing.T, m made) { writeFile(t, in("index.json")(m), "") }, func(made) repair.Options { return repair.Options{MoveTorn: true} }, []repair.Remedy{repair.Moved, repair.Written}, true},
		"a torn blob":          {func(t *testing.T, m made) { writeOver(t, blob(m), "torn") }, nil, []repair.Remedy{repair.Left}, false},
		"a torn blob of ours": {func(t *testing.T, m made) { writeOver(t, blob(m), "torn") }, func(m made) repair.Options {
			return repair.Options{Owned: []digest.Digest{m.img.layer.Digest}}
		}, []repair.Remedy{repair.Removed}, false},
		"a torn blob moved": {func(t *testing.T, m made) { writeOver(t, blob(m), "torn") }, func(made) repair.Options { return repair.Options{MoveTorn: true} }, []repair.Remedy{repair.Moved}, false},
		"modes": {func(t *testing.T, m made) {
			chmod(t, in("index.json")(m), 0o200)
			chmod(t, blob(m), fs.ModeSetuid|0o755)
			chmod(t, in("blobs/sha256")(m), 0o500)
			chmod(t, in(".layform/lock")(m), 0o755)
		}, nil, []repair.Remedy{repair.ModeSet, repair.ModeSet, repair.ModeSet, repair.ModeSet}, true},
		"modes of others": {func(t *testing.T, m made) {
			chmod(t, in("index.json")(m), 0o600)
			chmod(t, blob(m), 0o664)
			chmod(t, in("blobs")(m), 0o2775)
		}, nil, nil, true},
		"a mode of ours": {func(t *testing.T, m made) { chmod(t, blob(m), 0o644) }, func(m made) repair.Options {
			return repair.Options{Owned: []digest.Digest{m.img.layer.Digest}}
		}, []repair.Remedy{repair.ModeSet}, true},
		"no blobs": {func(t *testing.T, m made) { remove(t, in("blobs")(m)) }, nil, []repair.Remedy{repair.Written}, false},
		"blobs is a link": {func(t *testing.T, m made) {
			remove(t, in("blobs")(m))
			symlink(t, ".", in("blobs")(m))
		}, nil, []repair.Remedy{repair.Left}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "modes" && os.Getuid() != 0 {
				t.Skip("a dry run cannot read what these modes hide from all but root")
			}
			s := open(t, t.TempDir(), layout.Options{NoSync: true})
			m := made{dir: s.Dir(), img: putImage(t, s, "a", "a")}
			tc.plant(t, m)
			var opts repair.Options
			if tc.opts != nil {
				opts = tc.opts(m)
			}
			var got []repair.Remedy
			for _, line := range mend(t, m.dir, opts) {
				got = append(got, line.Remedy)
			}
			if diff := cmp.Diff(tc.want, got, cmpopts.SortSlices(func(a, b repair.Remedy) bool { return a < b })); diff != "" {
				t.Error(diff)
			}
			if found := findings(t, inspect(t, m.dir), validate.Options{}); tc.mended != (len(found) == 0) {
				t.Errorf("%+v", found)
			}
			// A second time there is nothing left to do.
			for _, line := range mend(t, m.dir, opts) {
				if line.Remedy != repair.Left {
					t.Errorf("again: %+v", line)
				}
			}
		})
	}
}

// Of a mode, only the bits that are in the way are mended, and group and others
// get nothing that they had not.
func TestRepairModes(t *testing.T) {
	const setuid, setgid, sticky = fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	img := putImage(t, s, "a", "a")
	ours, theirs := "blobs/sha256/"+img.layer.Digest.Encoded(), "blobs/sha256/"+img.config.Digest.Encoded()
	mkdir(t, filepath.Join(s.Dir(), ".layform/torn"))
	mkdir(t, filepath.Join(s.Dir(), "blobs/uploads"))
	for _, name := range []string{".layform/x", ".layform/torn/x", "blobs/uploads/x", "blobs/sha256/x", "README"} {
		writeFile(t, filepath.Join(s.Dir(), name), "")
	}
	for name, modes := range map[string][][2]fs.FileMode{
		"index.json":      {{0o700, 0o600}, {0o600, 0o600}, {0o640, 0o640}, {0o644, 0o644}, {0o711, 0o600}, {0o755 | sticky, 0o644}, {0o664, 0o664}},
		"oci-layout":      {{0o750 | setgid, 0o640}, {0o755, 0o644}},
		".layform":        {{0o700, 0o700}, {0o770 | setgid, 0o770 | setgid}, {0o755, 0o755}},
		".layform/x":      {{0o700, 0o600}, {0o600, 0o600}},
		".layform/torn/x": {{0o755 | setuid, 0o755 | setuid}},
		"blobs":           {{0o700, 0o700}, {0o775 | setgid, 0o775 | setgid}},
		ours:              {{0o700, 0o400}, {0o600, 0o400}, {0o440, 0o440}, {0o755, 0o444}, {0o664, 0o444}},
		theirs:            {{0o700, 0o700}, {0o755, 0o755}, {0o755 | setuid, 0o755}, {0o2 | setgid | sticky, 0o402 | sticky}, {0o664, 0o664}},
		"blobs/uploads":   {{0o500, 0o500}, {0o700, 0o700}},
		"blobs/uploads/x": {{0o755 | setuid, 0o755 | setuid}},
		"blobs/sha256/x":  {{0o777 | setuid, 0o777 | setuid}},
		"README":          {{0o777 | setuid, 0o777 | setuid}},
		"blobs/sha256":    {{0o755, 0o755}, {0o500 | setgid, 0o700 | setgid}},
	} {
		for _, m := range modes {
			chmod(t, filepath.Join(s.Dir(), name), m[0])
			if _, err := repairLocked(t, inspect(t, s.Dir()), repair.Options{Owned: []digest.Digest{img.layer.Digest}}); err != nil {
				t.Fatal(err)
			}
			info, err := os.Lstat(filepath.Join(s.Dir(), name))
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode() &^ fs.ModeDir; got != m[1] {
				t.Errorf("%s: %v became %v, not %v", name, m[0], got, m[1])
			}
		}
	}
}

func writeOver(t *testing.T, name, content string) {
	t.Helper()
	chmod(t, name, 0o644)
	writeFile(t, name, content)
	chmod(t, name, 0o444)
}

// A new index.json lists what was lost, and nothing that is part of something.
func TestRepairRebuildsTheIndex(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	img, other := putImage(t, s, "a", "a"), putImage(t, s, "b", "b")
	index := putIndex(t, s, img.manifest)
	referrer := putArtifact(t, s, other.manifest)
	put(t, s, "x", []byte(`{"no":"manifest"}`))
	put(t, s, "x", []byte(`{"a":1,"a":2}`))
	torn := putIndex(t, s, index, other.manifest)
	damage(t, s, torn.Digest, strings.Repeat(" ", int(torn.Size)))
	remove(t, filepath.Join(s.Dir(), "index.json"))
	mend(t, s.Dir(), repair.Options{})
	want := []digest.Digest{index.Digest, other.manifest.Digest, referrer.Digest}
	var got []digest.Digest
	for _, d := range entries(t, s) {
		got = append(got, d.Digest)
		if !imagespec.IsManifest(d.MediaType) {
			t.Errorf("%+v", d)
		}
	}
	if diff := cmp.Diff(sorted(want), got); diff != "" {
		t.Error(diff)
	}
	dry, err := s.GC(t.Context(), layout.GCOptions{MinAge: -1, DryRun: true})
	if err != nil || slices.ContainsFunc(img.digests(), func(d digest.Digest) bool { return slices.Contains(digestsIn(dry.Blobs), d) }) {
		t.Errorf("%+v, %v", dry, err)
	}
}

func TestRepairLeavesOtherDirectoriesAlone(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"empty": {}, "a project": {"README": "x", "blobs": "x"}, "index.json": {"index.json": "{}"},
		"another version": {"oci-layout": `{"imageLayoutVersion":"9.9.9"}`, "index.json": "{}"},
	} {
		dir := t.TempDir()
		for file, content := range files {
			writeFile(t, filepath.Join(dir, file), content)
		}
		before := snapshot(t, dir)
		for _, dry := range []bool{true, false} {
			_, err := repair.Layout(t.Context(), inspect(t, dir), repair.Options{DryRun: dry, MoveTorn: true})
			var none *layout.NotLayoutError
			if !errors.As(err, &none) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if len(files) > 0 { // what is empty may become a layout
			_, err := inspect(t, dir).Lock(t.Context(), layout.Holder{Operation: "repair"}, 0)
			var none *layout.NotLayoutError
			if !errors.As(err, &none) {
				t.Errorf("%s: locked: %v", name, err)
			}
		}
		if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	absent := filepath.Join(t.TempDir(), "absent")
	if _, err := inspect(t, absent).Lock(t.Context(), layout.Holder{}, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("the directory was made")
	}
}

// What a run that was killed while it made the layout left is no obstacle.
func TestRepairAfterAKilledInit(t *testing.T) {
	dir := t.TempDir()
	mkdir(t, filepath.Join(dir, ".layform/ingest"))
	writeFile(t, filepath.Join(dir, ".layform/ingest/oci-layout-1"), "{")
	mend(t, dir, repair.Options{})
	if found := findings(t, inspect(t, dir), validate.Options{}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
	x, err := open(t, dir, layout.Options{}).Index(t.Context())
	if err != nil || x.Digest() != "" {
		t.Errorf("%v, %v", x, err)
	}
}

// What stands in the place of a folder of ours is named with its layout and with
// what to do, and nothing is written through it.
func TestNoFolderOfOurs(t *testing.T) {
	for name, tc := range map[string]struct {
		folder string
		place  func(*testing.T, string)
		want   string
	}{
		"link to outside":     {".layform", func(t *testing.T, name string) { symlink(t, "../elsewhere", name) }, "a symbolic link"},
		"link to inside":      {".layform", func(t *testing.T, name string) { symlink(t, "blobs", name) }, "a symbolic link"},
		"link to nothing":     {".layform", func(t *testing.T, name string) { symlink(t, "nowhere", name) }, "a symbolic link"},
		"file":                {".layform", func(t *testing.T, name string) { writeFile(t, name, "x") }, "a file"},
		"pipe":                {".layform", mkfifo, "a named pipe"},
		"link below":          {".layform/ingest", func(t *testing.T, name string) { symlink(t, "../../elsewhere", name) }, "a symbolic link"},
		"link for the stages": {".layform/stage", func(t *testing.T, name string) { symlink(t, "../../elsewhere", name) }, "a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, filepath.Join(dir, "dist"), layout.Options{NoSync: true})
			putImage(t, s, "a", "a")
			mkdir(t, filepath.Join(dir, "elsewhere/ingest"))
			writeFile(t, filepath.Join(dir, "elsewhere/ingest/blob-1"), "x")
			remove(t, filepath.Join(s.Dir(), tc.folder))
			tc.place(t, filepath.Join(s.Dir(), tc.folder))
			before := snapshot(t, dir)
			acts := map[string]func(*layout.Store) error{
				"read a state": func(s *layout.Store) error { _, err := s.ReadState("stage/x.json", 10); return err },
				"list states":  func(s *layout.Store) error { _, err := s.ListState("stage"); return err },
				"save a state": func(s *layout.Store) error { return s.SaveState("stage/x.json", nil) },
			}
			if tc.folder != ".layform/ingest" {
				acts["remove a state"] = func(s *layout.Store) error { return s.RemoveState("stage/x.json") }
				acts["append to a state"] = func(s *layout.Store) error { _, err := s.AppendState("stage/x.json"); return err }
			}
			if tc.folder != ".layform/stage" {
				acts["repair"] = func(s *layout.Store) error { _, err := repair.Layout(t.Context(), s, repair.Options{}); return err }
				acts["repair dry"] = func(s *layout.Store) error {
					_, err := repair.Layout(t.Context(), s, repair.Options{DryRun: true})
					return err
				}
				acts["lock"] = func(s *layout.Store) error { _, err := s.Lock(t.Context(), layout.Holder{}, 0); return err }
				acts["gc"] = func(s *layout.Store) error { _, err := s.GC(t.Context(), layout.GCOptions{}); return err }
			}
			if tc.folder == ".layform/ingest" {
				delete(acts, "read a state")
				delete(acts, "list states")
			}
			want := s.Dir() + ": " + tc.folder + " is " + tc.want + ", not a directory; put the directory itself there, or remove it to begin with a new one"
			for act, do := range acts {
				if err := do(inspect(t, s.Dir())); !errors.Is(err, layout.ErrNotPlain) || err.Error() != want {
					t.Errorf("%s: got %v, want %s", act, err, want)
				}
			}
			if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The temporary files of a live writer are none of Repair's business.
func TestRepairSparesTheLiving(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	putImage(t, s, "a", "a")
	in := begin(t, s)
	if lines := mend(t, s.Dir(), repair.Options{}); len(lines) > 0 {
		t.Errorf("%+v", lines)
	}
	if _, _, created, err := in.Commit(t.Context()); err != nil || !created {
		t.Errorf("created %v, %v", created, err)
	}
}
