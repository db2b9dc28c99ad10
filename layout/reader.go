package layout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
)

// Tree is where the files of a layout are: a directory, or an archive of one. Names
// are slash-separated and relative to the layout, which is ".". What is missing is
// fs.ErrNotExist, and what is of another kind than is asked for is ErrNotPlain. It is
// safe for use by several goroutines.
type Tree interface {
	// List gives the entries of a directory, sorted by name.
	List(dir string) ([]fs.DirEntry, error)
	// Stat describes a regular file or, below blobs, one that a link to another place
	// in the layout leads to.
	Stat(name string) (fs.FileInfo, error)
	// Open opens what Stat describes. The caller closes it.
	Open(name string) (File, error)
}

// File is an open file of a Tree.
type File interface {
	io.ReadCloser
	io.ReaderAt
	Stat() (fs.FileInfo, error)
}

// Reader is the read side of a layout, over a Tree. Its methods may be called by
// several goroutines at once, and never write anything. With Fetch, Exists,
// Predecessors and Resolve it is a source of images for oras-go.
type Reader struct {
	tree   Tree
	name   string
	limits Limits

	mu    sync.Mutex // guards cache
	cache Cache
}

// NewReader reads the layout in tree. Errors call it by name. A tree that is no
// layout of version 1.0.0 is a *NotLayoutError; see NewInspector.
func NewReader(tree Tree, name string, limits Limits) (*Reader, error) {
	r := NewInspector(tree, name, limits)
	if err := r.checkVersion(); err != nil {
		return nil, err
	}
	return r, nil
}

// NewInspector is NewReader for any tree, so that it can be said what is wrong with it.
func NewInspector(tree Tree, name string, limits Limits) *Reader {
	return &Reader{tree: tree, name: name, limits: limits.withDefaults()}
}

// Empty reads a layout that holds nothing.
func Empty(name string) *Reader { return NewInspector(noTree{}, name, Limits{}) }

// noTree has no files.
type noTree struct{}

func (noTree) List(dir string) ([]fs.DirEntry, error) { return nil, missing(dir) }
func (noTree) Stat(name string) (fs.FileInfo, error)  { return nil, missing(name) }
func (noTree) Open(name string) (File, error)         { return nil, missing(name) }

func missing(name string) error { return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist} }

// Tree is where the files of the layout are.
func (r *Reader) Tree() Tree { return r.tree }

// checkVersion reads oci-layout.
func (r *Reader) checkVersion() error {
	data, err := readFile(r.tree, layoutFile, r.limits.Manifest)
	if errors.Is(err, fs.ErrNotExist) {
		return r.notLayout(fmt.Sprintf("it has no file %s", layoutFile), err)
	}
	if err != nil {
		return r.notLayout("its file oci-layout cannot be read: "+err.Error(), err)
	}
	var doc ocispec.ImageLayout
	if err := jsondoc.Decode(data, r.limits.Document(), &doc); err != nil {
		return r.notLayout("its file oci-layout cannot be understood: "+err.Error(), err)
	}
	if doc.Version != ocispec.ImageLayoutVersion {
		return r.notLayout(fmt.Sprintf("its version is %q, and only %s is known", doc.Version, ocispec.ImageLayoutVersion), nil)
	}
	return nil
}

func (r *Reader) notLayout(reason string, err error) error {
	return &NotLayoutError{Dir: r.name, Reason: reason, Err: err}
}

// readFile returns the content of a file of at most limit bytes.
func readFile(tree Tree, name string, limit int64) ([]byte, error) {
	f, err := tree.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return disk.ReadAll(f, name, limit)
}

// storeTree is the directory of a Store, which may come to be later.
type storeTree struct{ s *Store }

// List gives fs.ErrNotExist also as long as there is no directory at all.
func (t storeTree) List(dir string) ([]fs.DirEntry, error) {
	d, err := t.s.disk()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(d.CheckParents(dir), d.CheckDir(dir)); err != nil {
		return nil, err
	}
	return d.List(dir)
}

// Stat follows links of others in the place of blobs.
func (t storeTree) Stat(name string) (fs.FileInfo, error) {
	d, err := t.s.disk()
	if err != nil {
		return nil, err
	}
	if isBelowBlobs(name) {
		return d.StatLinked(name)
	}
	return d.Lstat(name)
}

// Open opens the file that Stat describes.
func (t storeTree) Open(name string) (File, error) {
	d, err := t.s.disk()
	if err != nil {
		return nil, err
	}
	open := d.OpenLinked
	if !isBelowBlobs(name) {
		open = func(name string) (*os.File, fs.FileInfo, error) { return d.Open(name, os.O_RDONLY) }
	}
	f, _, err := open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

func isBelowBlobs(name string) bool { return strings.HasPrefix(name, blobsDir+"/") }
