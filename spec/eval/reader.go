package eval

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
)

// The limits of what functions read.
const (
	// MaxReadSize is the size in bytes of a file that a function may read.
	MaxReadSize = 16 << 20
	// maxKept is how much file content a Spec keeps in memory; files beyond it
	// are read again, and have to be the same.
	maxKept = 64 << 20
	// maxFileset is the number of names that fileset may find.
	maxFileset = 100_000
)

// reader reads files of the spec's directory for functions, and caches them: a second
// read has the same result. It never leaves the directory.
type reader struct {
	dir string

	mu     sync.Mutex
	kept   int64
	files  map[string]*readFile
	sets   map[[2]string][]string
	inputs map[inputKey]digest.Digest
}

type inputKey struct{ function, path, pattern string }

// readFile is one file that was read.
type readFile struct {
	digest digest.Digest
	// text is the content, if kept is set.
	text string
	kept bool
}

func newReader(dir string) *reader {
	return &reader{
		dir:    dir,
		files:  map[string]*readFile{},
		sets:   map[[2]string][]string{},
		inputs: map[inputKey]digest.Digest{},
	}
}

// InputChanged reads again what functions have read so far, and gives the first
// input that is no longer the same.
func (l *Library) InputChanged() (Input, bool) {
	again := newReader(l.reader.dir)
	for _, in := range l.Inputs() {
		var err error
		switch in.Function {
		case "fileset":
			_, err = again.fileset(in.Path, in.Pattern)
		case "fileexists":
			_, err = again.exists(in.Path)
		default:
			_, err = again.read(in.Function, in.Path)
		}
		if err != nil || again.inputs[inputKey{in.Function, in.Path, in.Pattern}] != in.Digest {
			return in, true
		}
	}
	return Input{}, false
}

// list gives all inputs so far, sorted.
func (r *reader) list() []Input {
	r.mu.Lock()
	defer r.mu.Unlock()
	var inputs []Input
	for k, d := range r.inputs {
		inputs = append(inputs, Input{Function: k.function, Path: k.path, Pattern: k.pattern, Digest: d})
	}
	slices.SortFunc(inputs, func(a, b Input) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Function, b.Function), cmp.Compare(a.Pattern, b.Pattern))
	})
	return inputs
}

// CleanPath cleans a path of a spec and checks lexically that it stays in the spec's
// directory; os.Root checks symlinks.
func CleanPath(name string) (string, error) {
	switch {
	case name == "":
		return "", errors.New("the path is empty")
	case strings.ContainsRune(name, 0):
		return "", errors.New("the path contains a NUL character")
	case len(name) > imagespec.MaxPath:
		return "", fmt.Errorf("the path has %d bytes, and the limit is %d", len(name), imagespec.MaxPath)
	case path.IsAbs(name):
		return "", fmt.Errorf("%q is absolute; paths are relative to the directory of the spec and stay in it", name)
	}
	clean := path.Clean(name)
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%q leaves the directory of the spec; copy the file into it", name)
	}
	return clean, nil
}

// read gives a file's content and records it as an input of a function.
func (r *reader) read(function, name string) (string, error) {
	clean, err := CleanPath(name)
	if err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.files[clean]
	if known != nil && known.kept {
		r.inputs[inputKey{function, clean, ""}] = known.digest
		return known.text, nil
	}
	text, err := ReadInside(r.dir, clean, MaxReadSize)
	if err != nil {
		return "", err
	}
	d := digest.FromString(text)
	if known != nil && known.digest != d {
		return "", fmt.Errorf("%q changed while the spec was being evaluated; run the command again", clean)
	}
	f := &readFile{digest: d}
	if r.kept+int64(len(text)) <= maxKept {
		f.text, f.kept = text, true
		r.kept += int64(len(text))
	}
	r.files[clean] = f
	r.inputs[inputKey{function, clean, ""}] = d
	return text, nil
}

// exists reports whether there is a regular file of the name.
func (r *reader) exists(name string) (bool, error) {
	clean, err := CleanPath(name)
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	yes, no := digest.FromString("true"), digest.FromString("false")
	key := inputKey{"fileexists", clean, ""}
	if d, ok := r.inputs[key]; ok {
		return d == yes, nil
	}
	root, err := OpenDir(r.dir)
	if err != nil {
		return false, err
	}
	defer root.Close()
	info, err := root.Stat(clean)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		r.inputs[key] = no
		return false, nil
	case err != nil:
		return false, ExplainRead(clean, err)
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%q is %s, not a regular file", clean, FileType(info.Mode()))
	}
	r.inputs[key] = yes
	return true, nil
}

// fileset lists the regular files below a directory whose paths relative to it
// match a pattern: sorted, with slashes. Symlinks to regular files of the spec's
// directory are among them; those to directories are not walked. Without the directory, there are none.
func (r *reader) fileset(dir, pattern string) ([]string, error) {
	clean, err := CleanPath(dir)
	if err != nil {
		return nil, err
	}
	if !doublestar.ValidatePattern(pattern) || path.IsAbs(pattern) || slices.Contains(strings.Split(pattern, "/"), "..") {
		return nil, fmt.Errorf("%q is no pattern of paths in %q", pattern, dir)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if names, ok := r.sets[[2]string{clean, pattern}]; ok {
		return names, nil
	}
	names, err := r.glob(clean, pattern)
	if err != nil {
		return nil, err
	}
	r.sets[[2]string{clean, pattern}] = names
	r.inputs[inputKey{"fileset", clean, pattern}] = digest.FromString(strings.Join(names, "\x00"))
	return names, nil
}

func (r *reader) glob(dir, pattern string) ([]string, error) {
	root, err := OpenDir(r.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	inside, err := root.OpenRoot(dir + "/.") // as openDir does
	if errors.Is(err, fs.ErrNotExist) {
		return []string{}, nil
	}
	if err != nil {
		return nil, ExplainRead(dir, err)
	}
	defer inside.Close()
	names := []string{}
	err = doublestar.GlobWalk(folders{inside}, path.Clean(pattern), func(name string, d fs.DirEntry) error {
		regular := d.Type().IsRegular()
		if d.Type()&fs.ModeSymlink != 0 {
			info, err := root.Stat(path.Join(dir, name)) // fails where it leads out of the root
			regular = err == nil && info.Mode().IsRegular()
		}
		if !regular {
			return nil
		}
		if names = append(names, name); len(names) > maxFileset {
			return fmt.Errorf("the pattern %q finds more than %d files", pattern, maxFileset)
		}
		return nil
	}, doublestar.WithNoFollow(), doublestar.WithFailOnIOErrors())
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = ExplainRead(path.Join(dir, pathError.Path), err)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// folders is a directory as a walk sees it, in which nothing but directories can
// be opened: a FIFO would block.
type folders struct{ root *os.Root }

func (f folders) Open(name string) (fs.File, error)     { return f.root.Open(name + "/.") }
func (f folders) Stat(name string) (fs.FileInfo, error) { return f.root.Stat(name) }

// OpenDir opens the directory of a spec. The dot behind its name has the system
// refuse at once what is no directory: a FIFO would block otherwise.
func OpenDir(dir string) (*os.Root, error) {
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir + "/.")
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("the directory %q of the spec cannot be read: %w", dir, pathError.Err)
	}
	return root, err
}

// ReadInside reads a regular file below a directory without leaving it.
func ReadInside(dir, name string, limit int64) (string, error) {
	root, err := OpenDir(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	// Opening a device or a FIFO may do something or wait, so the type is asked
	// for first, and once more after opening.
	info, err := root.Stat(name)
	if err != nil {
		return "", ExplainRead(name, err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%q is %s, not a regular file", name, FileType(info.Mode()))
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", ExplainRead(name, err)
	}
	defer f.Close()
	return ReadRegular(f, name, limit)
}

// ReadRegular reads an open file, which must be a regular one, up to a limit.
func ReadRegular(f *os.File, name string, limit int64) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", ExplainRead(name, err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%q is %s, not a regular file", name, FileType(info.Mode()))
	}
	var text strings.Builder
	n, err := io.Copy(&text, io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return "", ExplainRead(name, err)
	case n > limit:
		return "", fmt.Errorf("%q is larger than %d bytes, the limit here", name, limit)
	}
	return text.String(), nil
}

// ExplainRead says in plain words why a path could not be read.
func ExplainRead(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %q in the directory of the spec", name)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%q may not be read: permission denied", name)
	case strings.Contains(err.Error(), "escapes"):
		return fmt.Errorf("%q leads out of the directory of the spec through a symlink", name)
	}
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err // the path is in the message already
	}
	return fmt.Errorf("%q cannot be read: %w", name, err)
}

// FileType names a type of file for messages, with its article: "a FIFO".
func FileType(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "a file"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSymlink != 0:
		return "a symlink"
	}
	return "a special file"
}
