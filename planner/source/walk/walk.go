// Package walk reads trees of files below a root: the names in each directory,
// what stat says of them, and the digests that a cache of stats knows.
//
// On Linux directories are read through their descriptors, with one stat for each
// file; elsewhere, and where metadata is kept, through os.Root. No link is ever
// followed, and nothing but directories, and files whose xattrs are kept, is
// opened. Many trees of one plan may share Directories, so that each directory is
// listed once.
//
// A walk knows nothing of specs: what of a tree it takes, and what becomes of
// problems, is its caller's to say.
package walk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
)

// Options shape the reading of a tree. Folder, Check and Problem are called from
// several goroutines.
type Options struct {
	// Keep has owners, times, xattrs and inodes read as well, and special files taken.
	Keep bool
	// Digests is the cache of files' digests; nil where no digests are wanted.
	Digests Digester
	// Parallelism is the number of directories that are read at once, at least 1.
	Parallelism int
	// Folder gives what is taken of the directory at rel, below the tree's top.
	Folder func(rel string) Folder
	// Check reports whether a name in the directory at rel may be taken.
	Check func(rel, name string) bool
	// Problem receives the faults, each with the path rel. What belongs to a type of
	// file is a *TypeError.
	Problem func(rel string, err error)
	// Directories remembers names for other trees; nil where there are none.
	Directories *Directories
}

// Folder chooses among the names in a directory.
type Folder interface {
	// Take reports whether a name is taken, and whether something may be taken from
	// below it should it be a directory.
	Take(name string) (included, descend bool)
	// Names gives the only names of which Take may answer so, where that is known.
	Names() (names []string, only bool)
}

// Digester remembers the digests of files by what stat says of them. It must
// be safe for concurrent use. Paths are relative to the observed root.
type Digester interface {
	// Lookup gives the digest of the file's content if info is proof enough
	// that it has not changed since Store was called for it.
	Lookup(path string, info fs.FileInfo) (digest.Digest, bool)
	// Store remembers the digest of a file that info describes.
	Store(path string, info fs.FileInfo, d digest.Digest)
	// Folder gives what it remembers of the files in dir, relative to the observed
	// root and empty for the root: what Lookup answers, for less work. It is nil,
	// for every dir, where files are remembered by their paths alone.
	Folder(dir string) *stage.Folder
}

// TypeError says that a file is of a type that is not taken.
type TypeError struct{ Mode fs.FileMode }

// Error names the type bits.
func (e *TypeError) Error() string { return "a file of the type " + e.Mode.Type().String() }

// ErrKeep says that metadata cannot be kept on this system.
var ErrKeep = errors.New("metadata can be preserved on Linux only")

// Tree is the result of Read.
type Tree struct {
	// Top is the file or directory that was asked for.
	Top *Found
	// Unread is set where the digest of a file is not known.
	Unread bool
	// Lossy is set where something has a Loss.
	Lossy bool
}

// Found is one file or directory of a tree. There is one for each of a large tree,
// and memory that is new costs more than all else that is done with it.
type Found struct {
	// Name is its last component; empty for the top.
	Name string
	Size int64
	// State is a number for what stat says of a file whose digest is not known.
	State uint64
	// Sum is set for files whose digests are known.
	Sum *layer.Sum
	// Link is the target of a symlink.
	Link *string
	// Kept is set where metadata is kept.
	Kept *Kept
	// Below is set for directories.
	Below *Listing
	// Mode is the normalised mode, or the one that is kept.
	Mode uint32
	// Loss is the metadata that normalising loses.
	Loss Loss
	kind kind
	// Included is not set for directories that appear only for what is in them.
	Included bool
}

// kind is a layer.Type in one byte.
type kind uint8

const (
	kindRegular kind = iota + 1
	kindDirectory
	kindSymlink
	kindChar
	kindBlock
	kindFifo
)

// Type is its type.
func (f *Found) Type() layer.Type {
	return [...]layer.Type{
		kindRegular: layer.Regular, kindDirectory: layer.Directory, kindSymlink: layer.Symlink,
		kindChar: layer.Char, kindBlock: layer.Block, kindFifo: layer.Fifo,
	}[f.kind]
}

// Shared reports whether it is a file that is known to have several names.
func (f *Found) Shared() bool {
	return f.kind == kindRegular && f.Kept != nil && f.Kept.Inode.links > 1
}

// Kept is the metadata of a file beyond its mode.
type Kept struct {
	UID, GID           int
	Mtime              int64
	Xattrs             map[string]string
	Devmajor, Devminor int64
	Inode              Inode
}

// Inode identifies a file of which there may be several names.
type Inode struct {
	device, number uint64
	links          uint64
}

// Listing are the selected entries of one directory, in canonical order.
type Listing struct {
	Found []Found
	// Count is the number of entries in the whole tree of the directory, once it
	// was pruned.
	Count int
}

// Read reads the tree at from, a path below root without links, whose stat is info: a
// directory with all below that is selected, or one file. It gives nil where that
// itself cannot be read.
func Read(ctx context.Context, root *os.Root, from string, info fs.FileInfo, opts Options) *Tree {
	w := &walker{ctx: ctx, from: from, opts: opts}
	name, dir := ".", from
	if !info.IsDir() {
		name, dir = path.Base(from), path.Dir(from)
	}
	sub, err := OpenDir(root, dir)
	if err != nil {
		opts.Problem("", Cause(err))
		return nil
	}
	top := &Found{}
	if err := w.stat(top, sub, name, from, info); err != nil {
		_ = sub.Close()
		opts.Problem("", err)
		return nil
	}
	if !info.IsDir() {
		_ = sub.Close()
		return w.tree(top)
	}
	d, err := w.directory(sub)
	if err != nil {
		opts.Problem("", Cause(err))
		return nil
	}
	top.Below = &Listing{}
	w.descend(d, top)
	return w.tree(top)
}

func (w *walker) tree(top *Found) *Tree {
	return &Tree{Top: top, Unread: w.unread.Load(), Lossy: w.lossy.Load()}
}

// Prune drops the directories that are not included and hold nothing that is,
// and counts the entries that stay.
func (l *Listing) Prune() int {
	l.Count = 0
	kept := l.Found[:0]
	for _, f := range l.Found {
		below := 0
		if f.Below != nil {
			below = f.Below.Prune()
		}
		if below == 0 && !f.Included {
			continue
		}
		l.Count += below + 1
		kept = append(kept, f)
	}
	clear(l.Found[len(kept):])
	l.Found = kept
	return l.Count
}

// walker reads one tree, several directories at once.
type walker struct {
	ctx  context.Context
	from string
	opts Options
	// scratch is the working memory of reading a directory.
	scratch       sync.Pool
	lossy, unread atomic.Bool
}

// OpenDir opens a directory below root. The dot behind its name has the system
// refuse at once what is no directory: a FIFO would block otherwise.
func OpenDir(root *os.Root, name string) (*os.Root, error) { return root.OpenRoot(name + "/.") }

// Cause takes the operation and path off an error, which the message around it
// names already.
func Cause(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}

// join joins clean relative paths, either of which may be empty.
func join(dir, name string) string {
	switch {
	case dir == "":
		return name
	case name == "":
		return dir
	}
	return dir + "/" + name
}
