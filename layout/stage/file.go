package stage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// Version is the version of the staging state that is written and the newest
// that is read.
const Version = 1

// limit is the longest staging state or journal that is read, and the longest staging
// state that is written.
const limit = 64 << 20

// ErrCorrupt is in the tree of errors about files that are damaged.
var ErrCorrupt = errors.New("the file is damaged")

// FileError is an error about a file of ours, with the remedy.
type FileError struct {
	// Path is the file.
	Path string
	// Problem says what is wrong, and Advice what to do.
	Problem, Advice string
	// Err is the cause; it is ErrCorrupt for damage.
	Err error
}

// Error names the file and the problem.
func (e *FileError) Error() string { return fmt.Sprintf("%s: %s; %s", e.Path, e.Problem, e.Advice) }

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// CheckName checks the name of a spec, as imagespec.CheckSpecName does, and names it.
func CheckName(name string) error {
	if err := imagespec.CheckSpecName(name); err != nil {
		return fmt.Errorf("the spec name %q %w", name, err)
	}
	return nil
}

// File is the state file of the staging state of the spec name.
func File(name string) string { return stateFile(name, ".json") }

// stateFile is the state file of a spec's stage or, with another extension, of
// something else of it.
func stateFile(name, ext string) string { return "stage/" + name + ext }

// fullPath is how messages name a state file.
func fullPath(store *layout.Store, file string) string {
	return path.Join(store.Dir(), layout.PrivateDir, file)
}

// Load reads the staging state of the spec name; one that does not exist is
// empty and has no digest. The digest is that of the file's bytes. A Stage that
// was left Pending is settled by what index.json holds: the new state as Done
// when it is the index after the swap, and otherwise the state before, to which
// everything else is drift. Load writes nothing.
func Load(ctx context.Context, store *layout.Store, name string) (*Stage, digest.Digest, error) {
	st, dgst, err := Read(store, name)
	if err != nil {
		return nil, "", err
	}
	st, _, err = st.Settle(ctx, store)
	if err != nil {
		return nil, "", err
	}
	return st, dgst, nil
}

// Read is Load for a staging state as it was written: one that is Pending stays so.
func Read(store *layout.Store, name string) (*Stage, digest.Digest, error) {
	if err := CheckName(name); err != nil {
		return nil, "", err
	}
	file := stateFile(name, ".json")
	data, err := store.ReadState(file, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return empty(name), "", nil
	}
	if err != nil {
		return nil, "", err
	}
	st, err := decode(fullPath(store, file), name, data)
	if err != nil {
		return nil, "", err
	}
	return st, digest.FromBytes(data), nil
}

func empty(name string) *Stage {
	return &Stage{Version: Version, Spec: name, State: Done, Objects: map[string]Object{}}
}

// decode reads a staging state strictly.
func decode(file, name string, data []byte) (*Stage, error) {
	corrupt := func(problem string) error {
		return &FileError{
			Path:    file,
			Problem: problem,
			Advice:  "remove the file to forget what the spec owns: everything is built again, and its tags must be adopted",
			Err:     ErrCorrupt,
		}
	}
	// The version comes first: what a newer one looks like is not known.
	var head struct {
		Version int `json:"version"`
	}
	limits := jsondoc.Limits{Bytes: limit}
	if err := jsondoc.Decode(data, limits, &head); err != nil {
		return nil, corrupt("the staging state cannot be understood: " + err.Error())
	}
	if head.Version > Version {
		return nil, &FileError{
			Path:    file,
			Problem: fmt.Sprintf("the staging state has version %d, and this layform knows versions up to %d", head.Version, Version),
			Advice:  "use a newer layform",
		}
	}
	var st Stage
	if err := jsondoc.Decode(data, limits, &st); err != nil {
		return nil, corrupt("the staging state cannot be understood: " + err.Error())
	}
	if err := st.check(name); err != nil {
		return nil, corrupt(err.Error())
	}
	if st.Objects == nil {
		st.Objects = map[string]Object{}
	}
	return &st, nil
}

// check checks what the JSON form does not.
func (s *Stage) check(name string) error {
	switch {
	case s.Version < 1:
		return fmt.Errorf("the staging state has version %d", s.Version)
	case s.Spec != name:
		return fmt.Errorf("the staging state belongs to the spec %q, not %q", s.Spec, name)
	case s.State != Pending && s.State != Done:
		return fmt.Errorf("the staging state has the state %q, neither pending nor done", s.State)
	case s.State == Done && s.Was != nil:
		return errors.New("the staging state is done, but keeps an earlier state")
	case s.Was != nil && s.Was.Was != nil:
		return errors.New("the staging state keeps more than one earlier state")
	}
	if s.From != "" && CheckName(s.From) != nil {
		return fmt.Errorf("the staging state was taken over from %q, which is no name of a spec", s.From)
	}
	if err := s.checkDigests(); err != nil {
		return err
	}
	if s.Was != nil {
		return s.Was.check(name)
	}
	return nil
}

// checkDigests checks every digest, for names of files are made from them.
func (s *Stage) checkDigests() error {
	all := slices.Clone(s.Blobs)
	for _, o := range s.Objects {
		all = append(all, o.Descriptor.Digest)
		for _, d := range o.Implied {
			all = append(all, d.Digest)
		}
		if o.DiffID != "" {
			all = append(all, o.DiffID)
		}
	}
	for _, d := range s.Tags {
		all = append(all, d.Digest)
	}
	for _, d := range s.Untagged {
		all = append(all, d.Digest)
	}
	if s.Archive != nil {
		all = append(all, s.Archive.Digest)
	}
	for _, dgst := range all {
		if err := dgst.Validate(); err != nil {
			return fmt.Errorf("the staging state holds the malformed digest %q", string(dgst))
		}
	}
	return nil
}

// Save writes the staging state, atomically and durably, and adds one to its
// serial; one that is too large to be read again is a *FileError. Where it keeps anything of
// a sensitive value, the file is readable by its owner alone. The caller holds the lock of the
// layout.
func Save(ctx context.Context, store *layout.Store, st *Stage) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := CheckName(st.Spec); err != nil {
		return err
	}
	next := *st
	next.Version = Version
	next.Serial++
	slices.Sort(next.Blobs)
	if err := next.check(st.Spec); err != nil {
		return err
	}
	if !next.Sensitive() && (next.Was == nil || !next.Was.Sensitive()) {
		next.Salt = ""
	}
	file := stateFile(st.Spec, ".json")
	err := store.WriteState(file, next.Salt != "", func(w io.Writer) error {
		counted := &limitedWriter{to: w}
		if err := jsondoc.EncodeTo(counted, &next); err != nil {
			return cmp.Or(counted.err, err)
		}
		return checkSize(fullPath(store, file), &next, counted.size)
	})
	if err != nil {
		return err
	}
	st.Version, st.Serial = next.Version, next.Serial
	return nil
}

// limitedWriter writes as much as is read again, and counts all.
type limitedWriter struct {
	to   io.Writer
	size int
	err  error
}

// Write writes p, unless it leads beyond the limit.
func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.size += len(p); w.size > limit {
		return len(p), nil // nobody will read the file
	}
	n, err := w.to.Write(p)
	w.err = err
	return n, err
}

// checkSize refuses a staging state that would be too large to be read again.
func checkSize(file string, st *Stage, size int) error {
	if size <= limit {
		return nil
	}
	objects := fmt.Sprintf("its %d objects", len(st.Objects))
	if st.Was != nil {
		objects += fmt.Sprintf(" and the %d of before", len(st.Was.Objects))
	}
	return &FileError{
		Path:    file,
		Problem: fmt.Sprintf("the staging state would have %d bytes with %s, and at most %d are read; it was not written", size, objects, limit),
		Advice:  "divide the objects among several specs with names of their own: layform { name = \"...\" }",
	}
}

// Remove deletes the staging state and the journal of the spec name; it is no
// error when there are none. The caller holds the lock of the layout.
func Remove(ctx context.Context, store *layout.Store, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := CheckName(name); err != nil {
		return err
	}
	if err := store.RemoveState(stateFile(name, ".json")); err != nil {
		return err
	}
	return store.RemoveState(stateFile(name, ".journal"))
}

// All loads the staging states of all specs of the layout, sorted by name; without
// those that others have taken over, and without those of the specs named in except,
// which are not read.
func All(ctx context.Context, store *layout.Store, except ...string) ([]*Stage, error) {
	names, err := store.ListState("stage")
	if err != nil {
		return nil, err
	}
	var all []*Stage
	taken := map[string]bool{}
	for _, file := range names {
		name, ok := strings.CutSuffix(file, ".json")
		if !ok || CheckName(name) != nil || slices.Contains(except, name) {
			continue
		}
		st, _, err := Load(ctx, store, name)
		if err != nil {
			return nil, err
		}
		all = append(all, st)
		taken[st.From] = true
	}
	return slices.DeleteFunc(all, func(s *Stage) bool { return taken[s.Spec] }), nil
}

// Names lists the specs that have a staging state or a journal, sorted.
func Names(store *layout.Store) ([]string, error) {
	files, err := store.ListState("stage")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		name, isState := strings.CutSuffix(file, ".json")
		name, isJournal := strings.CutSuffix(name, ".journal")
		if (isState || isJournal) && CheckName(name) == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
