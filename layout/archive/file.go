package archive

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/durable"
	"github.com/layform/layform/layout/internal/disk"
)

// temporary is a tar on its way to its name.
type temporary struct {
	dir  *disk.Dir
	temp *disk.Temp
	name string
}

// createTemporary begins a file in root, in folders that are made where they are
// missing. What killed writers of the same file left is removed.
func createTemporary(root *os.Root, name string, fault func(disk.Step) error) (*temporary, error) {
	name = path.Clean(name)
	t := &temporary{dir: &disk.Dir{Root: root, Fault: fault}, name: name}
	folder := path.Dir(name)
	if folder != "." {
		if _, err := t.dir.Mkdir(folder); err != nil {
			return nil, err
		}
	}
	// A device or a link, such as /dev/stdout, is not what a rename should replace.
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, disk.NotPlain(name, "a regular file", info.Mode())
	}
	if err := durable.RemoveTemporaries(root, name); err != nil {
		return nil, err
	}
	var err error
	t.temp, err = t.dir.CreateTemp(folder, "."+path.Base(name))
	return t, err
}

// OpenParent opens the deepest folder above a file that exists, and gives the name of the
// file in it. The caller closes the root.
func OpenParent(file string) (root *os.Root, name string, err error) {
	if file, err = filepath.Abs(file); err != nil {
		return nil, "", err
	}
	dir, name := filepath.Dir(file), filepath.Base(file)
	for {
		root, err := os.OpenRoot(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return root, filepath.ToSlash(name), err
		}
		dir, name = filepath.Dir(dir), filepath.Join(filepath.Base(dir), name)
	}
}

// publish makes the content durable and gives it its name.
func (t *temporary) publish() error {
	if err := t.temp.Publish(t.name, fileMode, true); err != nil {
		return err
	}
	return t.dir.SyncDir(path.Dir(t.name))
}

// File is a tar that is being written beside the file that it will replace. Its blobs
// come in any order, several at a time; until Commit the name leads to what it led to.
type File struct {
	root *os.Root
	opts WriteOptions
	tar  *temporary
	w    *Writer

	mu   sync.Mutex
	done map[digest.Digest]bool
}

// Create begins a tar with these blobs in the file name of root. The caller ends it with
// Commit, Abort or both.
func Create(root *os.Root, name string, blobs []ocispec.Descriptor, opts WriteOptions) (*File, error) {
	tar, err := createTemporary(root, name, opts.Fault)
	if err != nil {
		return nil, err
	}
	w, err := NewWriter(tar.temp, blobs)
	if err != nil {
		return nil, errors.Join(err, tar.temp.Abort())
	}
	return &File{root: root, opts: opts, tar: tar, w: w, done: map[digest.Digest]bool{}}, nil
}

// Blob writes one of the blobs that were given to Create, as Writer.Blob does.
func (f *File) Blob(ctx context.Context, dgst digest.Digest, r io.Reader) error {
	if err := f.w.Blob(ctx, dgst, r); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.done[dgst] = true
	return nil
}

// Copy writes a blob from a layout.
func (f *File) Copy(ctx context.Context, src *layout.Reader, desc ocispec.Descriptor) error {
	in, err := src.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	return errors.Join(f.Blob(ctx, desc.Digest, in), in.Close())
}

// Commit gives the tar its index.json and its name, durably. Blobs that were not written
// are left out.
func (f *File) Commit(ctx context.Context, index *layout.Index) error {
	if len(f.done) < len(f.w.slots) {
		if err := f.close(ctx); err != nil {
			return err
		}
	}
	var manifest []byte
	if f.opts.Docker != nil {
		var err error
		written := layout.NewInspector(writtenTree{f}, f.tar.name, layout.Limits{})
		if manifest, err = f.opts.Docker.manifest(ctx, written, index.Descriptors()); err != nil {
			return err
		}
	}
	if _, err := f.w.Finish(index.Encode(), manifest); err != nil {
		return err
	}
	return f.tar.publish()
}

// close closes the gaps of blobs that were not written: the others move into a new file.
func (f *File) close(ctx context.Context) error {
	var blobs []ocispec.Descriptor
	for _, s := range f.w.slots {
		if f.done[s.desc.Digest] {
			blobs = append(blobs, s.desc)
		}
	}
	next, err := Create(f.root, f.tar.name, blobs, f.opts)
	if err != nil {
		return err
	}
	from := layout.NewInspector(writtenTree{f}, f.tar.name, layout.Limits{})
	for _, desc := range blobs {
		if err := next.Copy(ctx, from, desc); err != nil {
			return errors.Join(err, next.Abort())
		}
	}
	err = f.Abort()
	f.tar, f.w, f.done = next.tar, next.w, next.done
	return err
}

// Abort drops the tar. It does nothing after Commit or Abort.
func (f *File) Abort() error { return f.tar.temp.Abort() }

// writtenTree are the blobs of a tar that is being written.
type writtenTree struct{ f *File }

// List lists nothing: blobs are asked for by their names.
func (t writtenTree) List(string) ([]fs.DirEntry, error) { return nil, nil }

// Stat describes a blob that was written.
func (t writtenTree) Stat(name string) (fs.FileInfo, error) {
	s, err := t.slot(name)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), node{size: s.desc.Size}}, nil
}

// Open opens a blob that was written.
func (t writtenTree) Open(name string) (layout.File, error) {
	s, err := t.slot(name)
	if err != nil {
		return nil, err
	}
	n := node{offset: s.content, size: s.desc.Size}
	return &openFile{SectionReader: io.NewSectionReader(t.f.tar.temp, n.offset, n.size), info: info{path.Base(name), n}}, nil
}

func (t writtenTree) slot(name string) (*slot, error) {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	dgst := digest.NewDigestFromEncoded(digest.Algorithm(path.Base(path.Dir(name))), path.Base(name))
	if !t.f.done[dgst] {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &t.f.w.slots[t.f.w.place[dgst]], nil
}
