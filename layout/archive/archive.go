package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/layer"
)

// Options say where and how much Open decompresses.
type Options struct {
	// Dir is the directory of the decompressed tar, which is removed at once and gone
	// when the Archive is closed. It is not used for a plain tar.
	Dir string
	// Limit is the number of bytes that a tar may decompress to; 0 means 64 GiB. Well
	// before that, one that decompresses to more than 256 MiB and more than 1000 times
	// its size is given up.
	Limit int64
}

const defaultLimit = 64 << 30

// Problem is a fault of an archive as an archive, whatever its layout is like.
type Problem struct {
	Kind ProblemKind
	// Path is the entry; empty for the whole archive.
	Path string
	// Text is the message.
	Text string
}

// ProblemKind is a kind of Problem.
type ProblemKind int

// The kinds of problems.
const (
	// Unreadable: it is no tar, ends too early, or has too many entries.
	Unreadable ProblemKind = iota
	// Outside: the path of an entry is absolute or leaves the archive.
	Outside
	// Duplicate: a file is twice in the archive.
	Duplicate
)

// Error names the entry and what is wrong.
func (p Problem) Error() string {
	if p.Path == "" {
		return p.Text
	}
	return p.Path + ": " + p.Text
}

// maxEntries is the number of entries of an archive that are read.
const maxEntries = 1_000_000

// Archive is a layout in a tar. It holds headers of what a layout is made of, not
// content. It is safe for use by several goroutines.
type Archive struct {
	in    io.ReaderAt
	size  int64
	spool *os.File
	nodes map[string]node
	// children are the names in each directory.
	children map[string]map[string]bool
	problems []Problem
}

// node is one entry and the place of its content in the tar.
type node struct {
	mode         fs.FileMode
	offset, size int64
	// link is the target of a symbolic link.
	link string
}

// Open reads the headers of the tar of size bytes in in. What is wrong with it as a tar
// is for Problems to say; the error is one of the system. The Archive reads from in as
// long as it is used. The caller closes the Archive, and then in.
func Open(ctx context.Context, in io.ReaderAt, size int64, opts Options) (*Archive, error) {
	a := &Archive{in: in, size: size, nodes: map[string]node{".": {mode: fs.ModeDir}}, children: map[string]map[string]bool{}}
	stream, compression, err := layer.Detect(io.NewSectionReader(in, 0, size))
	if err == nil && compression != imagespec.Uncompressed {
		if err := a.decompress(ctx, stream, compression, opts); err != nil {
			return nil, errors.Join(err, a.Close())
		}
	}
	if len(a.problems) > 0 {
		return a, nil
	}
	if err := a.read(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// decompress makes a file of the stream, and lets the Archive be read from there.
func (a *Archive) decompress(ctx context.Context, stream io.Reader, compression imagespec.Algorithm, opts Options) error {
	limit := opts.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	spool, err := os.CreateTemp(opts.Dir, "layform-archive-")
	if err != nil {
		return err
	}
	a.spool = spool
	if err := os.Remove(spool.Name()); err != nil {
		return err
	}
	plain, err := layer.Decompress(layer.ContextReader(ctx, stream), compression, limit)
	if err == nil {
		a.in = spool
		a.size, err = io.Copy(spool, plain)
		err = errors.Join(err, plain.Close())
	}
	var system *fs.PathError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &system):
		return err
	case err != nil:
		a.problem(Unreadable, "", err.Error())
	}
	return nil
}

// Problems are the faults of the archive, in the order of its entries. A layout in an
// archive that has some is read differently by different programs, or not at all.
func (a *Archive) Problems() []Problem { return a.problems }

func (a *Archive) problem(kind ProblemKind, name, text string) {
	a.problems = append(a.problems, Problem{Kind: kind, Path: name, Text: text})
}

// Damaged reports whether nothing of the archive can be read, as Problems says.
func (a *Archive) Damaged() bool { return len(a.problems) > 0 && len(a.children) == 0 }

// Close gives back what the Archive needed beside its file.
func (a *Archive) Close() error {
	if a.spool == nil {
		return nil
	}
	return a.spool.Close()
}

// read takes down the entries.
func (a *Archive) read(ctx context.Context) error {
	in := io.NewSectionReader(a.in, 0, a.size)
	tr := tar.NewReader(in)
	end := int64(0) // of the last entry
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			if n > 0 && end >= a.size {
				a.problem(Unreadable, "", fmt.Sprintf("it is cut off after %d entries, without the blocks of zeros that end a tar", n))
			}
			return nil
		}
		var system *fs.PathError
		if errors.As(err, &system) {
			return err
		}
		if n == 0 && err != nil && !(errors.Is(err, io.ErrUnexpectedEOF) && a.size >= layer.BlockSize) {
			a.problem(Unreadable, "", "it is neither a tar nor a directory, so that it holds no layout")
			return nil
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			a.problem(Unreadable, "", fmt.Sprintf("it is cut off after %d entries, at byte %d", n, a.size))
			return nil
		}
		if err != nil {
			a.problem(Unreadable, "", fmt.Sprintf("it is no tar after %d entries: %v", n, err))
			return nil
		}
		if n == maxEntries {
			a.problem(Unreadable, "", fmt.Sprintf("it has more than %d entries", n))
			return nil
		}
		// The reader reads whole headers and nothing more: the content is next.
		offset, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		if a.add(h, offset); h.Typeflag == tar.TypeReg {
			end = offset + layer.Span(h.Size)
		} else {
			end = offset
		}
	}
}

// add takes down one entry.
func (a *Archive) add(h *tar.Header, offset int64) {
	name := path.Clean(h.Name)
	if layer.Outside(h.Name) {
		a.problem(Outside, name, "the path is absolute or leaves the archive")
		return
	}
	n := node{mode: h.FileInfo().Mode(), offset: offset, size: h.Size}
	switch h.Typeflag {
	case tar.TypeReg:
		if h.Size > a.size-offset {
			a.problem(Unreadable, name, "the archive ends before the file does")
			return
		}
	case tar.TypeDir:
	case tar.TypeXGlobalHeader:
		return
	case tar.TypeLink:
		// A second name for what is in the archive already.
		target, ok := a.nodes[path.Clean(h.Linkname)]
		if !ok {
			a.problem(Unreadable, name, fmt.Sprintf("it is a link to %q, which does not come before it", h.Linkname))
			return
		}
		n = target
	case tar.TypeSymlink:
		n.link = h.Linkname
	default:
		if n.mode.IsRegular() {
			n.mode = fs.ModeIrregular
		}
	}
	if rest, ok := within(name, layoutDepth); !ok {
		// Nothing of a layout lies there. That there is a directory is enough.
		name, n = rest, node{mode: fs.ModeDir}
	}
	if old, ok := a.nodes[name]; ok && !(old.mode.IsDir() && n.mode.IsDir()) {
		a.problem(Duplicate, name, "the file stands twice in the archive")
	}
	a.nodes[name] = n
	a.addParents(name)
}

// addParents makes the directories above name.
func (a *Archive) addParents(name string) {
	for dir, base := path.Split(name); base != "."; dir, base = path.Split(strings.TrimSuffix(dir, "/")) {
		parent := path.Clean("./" + dir)
		if a.children[parent] == nil {
			a.children[parent] = map[string]bool{}
		}
		a.children[parent][base] = true
		if _, ok := a.nodes[parent]; !ok {
			a.nodes[parent] = node{mode: fs.ModeDir}
		}
		if parent == "." {
			return
		}
	}
}

// layoutDepth is how deep the files of a layout lie: blobs/sha256/0123….
const layoutDepth = 3

// within cuts a path off after a number of components, and reports whether it
// has no more of them.
func within(name string, depth int) (string, bool) {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		if depth--; depth == 0 {
			return name[:i], false
		}
	}
	return name, true
}

// List gives the entries of a directory, sorted by name.
func (a *Archive) List(dir string) ([]fs.DirEntry, error) {
	d, ok := a.nodes[dir]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	if !d.mode.IsDir() {
		return nil, disk.NotPlain(dir, disk.WantDir, d.mode)
	}
	var entries []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(a.children[dir])) {
		entries = append(entries, fs.FileInfoToDirEntry(info{name, a.nodes[path.Join(dir, name)]}))
	}
	return entries, nil
}

// Stat describes a regular file. Links are not followed.
func (a *Archive) Stat(name string) (fs.FileInfo, error) {
	n, ok := a.nodes[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if !n.mode.IsRegular() {
		return nil, disk.NotPlain(name, "a regular file", n.mode)
	}
	return info{path.Base(name), n}, nil
}

// Open opens a regular file, which can be read until the Archive is closed.
func (a *Archive) Open(name string) (layout.File, error) {
	is, err := a.Stat(name)
	if err != nil {
		return nil, err
	}
	n := a.nodes[name]
	return &openFile{SectionReader: io.NewSectionReader(a.in, n.offset, n.size), info: is}, nil
}

// openFile is one file of an archive.
type openFile struct {
	*io.SectionReader
	info fs.FileInfo
}

// Stat describes the file.
func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close does nothing: all files of an archive are one.
func (f *openFile) Close() error { return nil }
