//go:build unix

package stage_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

func open(t *testing.T, dir string) *layout.Store {
	t.Helper()
	s, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func desc(content string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString(content), Size: int64(len(content))}
}

func sample() *stage.Stage {
	return &stage.Stage{
		Spec: "web", State: stage.Done,
		Objects: map[string]stage.Object{
			`layer.app["a"]`: {Fingerprint: digest.FromString("f"), Descriptor: desc("layer"), DiffID: digest.FromString("tar"), Encoding: "layform/1"},
			"config.app":     {Descriptor: desc("config"), Fields: map[string]string{"user": `"1"`}, Needs: []string{`layer.app["a"]`}},
		},
		Tags:     map[string]ocispec.Descriptor{"latest": desc("m")},
		Untagged: []ocispec.Descriptor{desc("sbom")},
		Blobs:    []digest.Digest{digest.FromString("layer"), digest.FromString("config")},
		Outputs:  map[string]stage.Output{"digest": {Value: `"x"`}},
	}
}

func save(t *testing.T, s *layout.Store, st *stage.Stage) {
	t.Helper()
	if err := stage.Save(t.Context(), s, st); err != nil {
		t.Fatal(err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "l"))
	st, dgst, err := stage.Load(t.Context(), s, "web")
	if err != nil || dgst != "" || st.Spec != "web" || len(st.Objects) != 0 {
		t.Fatalf("got %v, %q, %v from nothing", st, dgst, err)
	}
	if _, err := os.Stat(s.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("loading made the directory")
	}
	want := sample()
	save(t, s, want)
	save(t, s, want)
	if want.Serial != 2 {
		t.Errorf("the serial is %d after two writes", want.Serial)
	}
	got, dgst, err := stage.Load(t.Context(), s, "web")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	data, err := os.ReadFile(filepath.Join(s.Dir(), ".layform/stage/web.json"))
	if err != nil || digest.FromBytes(data) != dgst {
		t.Errorf("the digest %s is not that of the file, %v", dgst, err)
	}
	save(t, s, &stage.Stage{Spec: "api", State: stage.Done})
	all, err := stage.All(t.Context(), s)
	if err != nil || len(all) != 2 || all[0].Spec != "api" || all[1].Spec != "web" {
		t.Errorf("got %v, %v", all, err)
	}
	// What is not asked for is not read: it may even be damaged.
	if err := os.WriteFile(filepath.Join(s.Dir(), ".layform/stage/api.json"), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if rest, err := stage.All(t.Context(), s, "api", ""); err != nil || len(rest) != 1 || rest[0].Spec != "web" {
		t.Errorf("without one: %v, %v", rest, err)
	}
	for range 2 {
		if err := stage.Remove(t.Context(), s, "web"); err != nil {
			t.Fatal(err)
		}
	}
	if st, dgst, err := stage.Load(t.Context(), s, "web"); err != nil || dgst != "" || len(st.Blobs) != 0 {
		t.Errorf("got %v, %q, %v after Remove", st, dgst, err)
	}
}

// A stage that was left pending tells, by index.json, what happened.
func TestPendingIsSettled(t *testing.T) {
	s := open(t, t.TempDir())
	tag := func(name string) (before, after digest.Digest) {
		t.Helper()
		d, _, err := s.PutBytes(t.Context(), "text/plain", []byte(name), nil)
		if err != nil {
			t.Fatal(err)
		}
		d.Annotations = map[string]string{ocispec.AnnotationRefName: name}
		before, after, err = s.Swap(t.Context(), func(x *layout.Index) error { return x.Set(d) })
		if err != nil {
			t.Fatal(err)
		}
		return before, after
	}
	was := sample()
	save(t, s, was)
	before, after := tag("one")
	pending := sample()
	pending.State, pending.Serial, pending.Before, pending.After, pending.Was = stage.Pending, was.Serial, before, after, was
	pending.Tags = map[string]ocispec.Descriptor{"new": desc("new")}
	pending.Blobs = []digest.Digest{digest.FromString("new")}
	save(t, s, pending)

	for name, tc := range map[string]struct {
		before, after digest.Digest
		tag           string
		blobs         int
	}{
		"after the swap":  {before, after, "new", 1},
		"before the swap": {after, digest.FromString("never"), "latest", 3},
		"neither":         {digest.FromString("x"), digest.FromString("y"), "latest", 3},
	} {
		pending.Before, pending.After = tc.before, tc.after
		save(t, s, pending)
		file := filepath.Join(s.Dir(), ".layform/stage/web.json")
		onDisk, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, _, err := stage.Load(t.Context(), s, "web")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := got.Tags[tc.tag]; !ok || len(got.Tags) != 1 || got.State != stage.Done || got.Was != nil {
			t.Errorf("%s: got %+v", name, got)
		}
		if len(got.Blobs) != tc.blobs {
			t.Errorf("%s: owns %d blobs, want %d", name, len(got.Blobs), tc.blobs)
		}
		if got.Serial != pending.Serial {
			t.Errorf("%s: the serial went from %d to %d", name, pending.Serial, got.Serial)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != string(onDisk) {
			t.Errorf("%s: loading wrote the file, %v", name, err)
		}
	}
	pending.Was, pending.After = nil, digest.FromString("never")
	save(t, s, pending)
	if got, _, err := stage.Load(t.Context(), s, "web"); err != nil || len(got.Tags) != 0 {
		t.Errorf("before a first apply: %v, %v", got, err)
	}
}

func TestLoadRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	save(t, s, sample())
	file := filepath.Join(s.Dir(), ".layform/stage/web.json")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	for name, tc := range map[string]struct {
		content string
		want    string
		corrupt bool
	}{
		"empty":            {"", "empty", true},
		"truncated":        {text[:len(text)/2], "too early", true},
		"zeros":            {strings.Repeat("\x00", 50), "not JSON", true},
		"duplicate":        {strings.Replace(text, `"spec":"web"`, `"spec":"web","spec":"web"`, 1), "twice", true},
		"folded":           {strings.Replace(text, `"blobs"`, `"Blobs"`, 1), "must be written", true},
		"newer":            {strings.Replace(text, `"version":1`, `"version":2,"unheard-of":[]`, 1), "newer layform", false},
		"newer and other":  {`{"version":7,"objects":[]}`, "newer layform", false},
		"version 0":        {strings.Replace(text, `"version":1`, `"version":0`, 1), "version 0", true},
		"another spec's":   {strings.Replace(text, `"spec":"web"`, `"spec":"api"`, 1), `"api"`, true},
		"unknown state":    {strings.Replace(text, `"state":"done"`, `"state":"x"`, 1), `"x"`, true},
		"malformed digest": {strings.Replace(text, `"blobs":["sha256:`, `"blobs":["sha256:../`, 1), "malformed digest", true},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.content == text {
				t.Fatal("the case changes nothing")
			}
			if err := os.WriteFile(file, []byte(tc.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, _, err := stage.Load(t.Context(), s, "web")
			var fe *stage.FileError
			if !errors.As(err, &fe) || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "web.json") {
				t.Errorf("got %v, want it to say %q", err, tc.want)
			}
			if errors.Is(err, stage.ErrCorrupt) != tc.corrupt {
				t.Errorf("got %v, corrupt should be %v", err, tc.corrupt)
			}
			if _, err := stage.All(t.Context(), s); err == nil {
				t.Error("All passes over a stage that cannot be read")
			}
			if now, err := os.ReadFile(file); err != nil || string(now) != tc.content {
				t.Error("the file was changed", err)
			}
		})
	}
	for name, place := range map[string]func(string) error{
		"pipe":      func(name string) error { return syscall.Mkfifo(name, 0o644) },
		"link":      func(name string) error { return os.Symlink("api.json", name) },
		"directory": func(name string) error { return os.Mkdir(name, 0o755) },
	} {
		if err := errors.Join(os.RemoveAll(file), place(file)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := stage.Load(t.Context(), s, "web"); !errors.Is(err, layout.ErrNotPlain) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	s := open(t, t.TempDir())
	for _, name := range []string{"", "..", "../x", "a/b", "A", ".a", "-a", "a\n", "é", "a\x00", strings.Repeat("a", 65)} {
		_, _, loadErr := stage.Load(t.Context(), s, name)
		_, builtErr := stage.Journalled(s, name)
		_, openErr := stage.OpenJournal(s, name)
		for i, err := range []error{
			loadErr, builtErr, openErr,
			stage.CheckName(name), stage.Save(t.Context(), s, &stage.Stage{Spec: name, State: stage.Done}),
			stage.Remove(t.Context(), s, name), stage.ClearJournal(s, name),
		} {
			if err == nil {
				t.Errorf("call %d accepts the name %q", i, name)
			}
		}
	}
	for _, name := range []string{"a", "0", "default", "a.b_c-d", strings.Repeat("a", 64)} {
		if err := stage.CheckName(name); err != nil {
			t.Error(err)
		}
	}
}

func TestJournal(t *testing.T) {
	s := open(t, t.TempDir())
	if got, err := stage.Journalled(s, "web"); err != nil || len(got) != 0 {
		t.Fatalf("got %v, %v", got, err)
	}
	records := []stage.Record{
		{Key: `layer.a["\n"]`, Fingerprint: digest.FromString("f"), Descriptor: desc("a"), DiffID: digest.FromString("d"), Created: true},
		{Key: "config.b", Descriptor: desc("b")},
	}
	file := filepath.Join(s.Dir(), ".layform/stage/web.journal")
	for _, r := range records {
		j, err := stage.OpenJournal(s, "web")
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		// The writer dies in the middle of the next line.
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"key":"torn","finger`); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	got, err := stage.Journalled(s, "web")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(records, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{
		"{}\n", "garbage\n", "\x00\x00\n", `{"key":"k","descriptor":{"digest":"sha256:../x"}}` + "\n",
		`{"key":"k","descriptor":{"mediaType":"x","digest":"` + digest.FromString("x").String() + `","size":-1}}` + "\n",
	} {
		if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := stage.Journalled(s, "web"); err != nil || len(got) != 0 {
			t.Errorf("%q gives %v, %v", bad, got, err)
		}
	}
	for range 2 {
		if err := stage.ClearJournal(s, "web"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the journal is still there")
	}
}

// interrupted reports whether an apply of a spec began and did not end.
func interrupted(t *testing.T, s *layout.Store, name string) (bool, error) {
	c, err := stage.Claimed(t.Context(), s, name, "")
	return err == nil && c.Interrupted, err
}

func TestInterrupted(t *testing.T) {
	s := open(t, t.TempDir())
	check := func(when string, want bool) {
		t.Helper()
		if got, err := interrupted(t, s, "web"); got != want || err != nil {
			t.Errorf("%s: %v, %v", when, got, err)
		}
	}
	check("before anything", false)
	st := sample()
	save(t, s, st)
	check("done", false)
	st.State = stage.Pending
	save(t, s, st)
	check("pending", true)
	st.State = stage.Done
	save(t, s, st)
	j, err := stage.OpenJournal(s, "web")
	if err != nil {
		t.Fatal(err)
	}
	check("with a journal", true)
	if err := errors.Join(j.Close(), stage.ClearJournal(s, "web")); err != nil {
		t.Fatal(err)
	}
	check("with the journal cleared", false)
	if err := s.SaveState("stage/web.json", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if _, err := interrupted(t, s, "web"); !errors.Is(err, stage.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
	if _, err := interrupted(t, s, "../x"); err == nil {
		t.Error("a path was accepted as a name")
	}
}

func FuzzStage(f *testing.F) {
	s, err := layout.Open(f.TempDir(), layout.Options{NoSync: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	if err := stage.Save(f.Context(), s, sample()); err != nil {
		f.Fatal(err)
	}
	good, err := s.ReadState("stage/web.json", 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"version":1,"spec":"web","state":"pending","was":{"version":1,"spec":"web","state":"done"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := s.SaveState("stage/web.json", data); err != nil {
			t.Fatal(err)
		}
		st, _, err := stage.Load(t.Context(), s, "web")
		if err != nil {
			return
		}
		if err := stage.Save(t.Context(), s, st); err != nil {
			t.Errorf("what was loaded cannot be saved: %v", err)
		}
	})
}

// A state of a version that knew no salt is compared as it was written, and gets
// a salt with the next write.
func TestStateWithoutSalt(t *testing.T) {
	old := &stage.Stage{
		Objects: map[string]stage.Object{"config.c": {Sensitive: map[string]string{"env": `"sha256:1"`}}},
		Outputs: map[string]stage.Output{"o": {Value: `"sha256:2"`, Sensitive: true}, "p": {Value: "3"}},
	}
	if got := old.Seal(`"sha256:1"`); got != `"sha256:1"` {
		t.Errorf("without a salt a value is sealed as %s", got)
	}
	now := old.Salted()
	if got, want := now.Objects["config.c"].Sensitive["env"], now.Seal(`"sha256:1"`); got != want || got == `"sha256:1"` {
		t.Errorf("the field became %s, want %s", got, want)
	}
	if got, want := now.Outputs["o"].Value, now.Seal(`"sha256:2"`); got != want || now.Outputs["p"].Value != "3" {
		t.Errorf("the outputs became %v", now.Outputs)
	}
	if old.Salt != "" || old.Outputs["o"].Value != `"sha256:2"` || now.Salted() != now {
		t.Error("the state itself changed, or was salted twice")
	}
}

// A staging state that could not be read again is not written, and what is there
// stays: whether it is too large by itself or together with the state before a swap.
func TestSaveRefusesWhatCannotBeRead(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "l"))
	large := func(n, bytes int) map[string]stage.Object {
		objects := map[string]stage.Object{}
		for i := range n {
			objects[fmt.Sprintf("layer.x%d", i)] = stage.Object{
				Descriptor: ocispec.Descriptor{Digest: digest.FromString("x")}, Fields: map[string]string{"f": strings.Repeat("a", bytes)},
			}
		}
		return objects
	}
	st := &stage.Stage{Spec: "web", State: stage.Done, Objects: large(2, 20<<20)}
	save(t, s, st)
	kept, dgst, err := stage.Load(t.Context(), s, "web")
	if err != nil || len(kept.Objects) != 2 {
		t.Fatal(err)
	}
	for name, next := range map[string]*stage.Stage{
		"4 objects":                     {Spec: "web", Serial: st.Serial, State: stage.Done, Objects: large(4, 16<<20)},
		"2 objects and the 2 of before": {Spec: "web", Serial: st.Serial, State: stage.Pending, Objects: large(2, 13<<20), Was: kept},
	} {
		err := stage.Save(t.Context(), s, next)
		var refused *stage.FileError
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "with its "+name+",") || !strings.Contains(err.Error(), "67108864") {
			t.Errorf("%s: got %v", name, err)
		}
		if next.Serial != st.Serial {
			t.Errorf("%s: the serial is %d, was %d", name, next.Serial, st.Serial)
		}
		if _, is, err := stage.Load(t.Context(), s, "web"); err != nil || is != dgst {
			t.Errorf("%s: the state before is not there any more: %v", name, err)
		}
	}
}
