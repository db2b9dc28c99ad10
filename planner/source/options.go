package source

import (
	"fmt"
	"io/fs"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
)

// Options shape an observation. The zero value walks without hashing, with
// one worker for each CPU.
type Options struct {
	// Epoch is the mtime, in seconds, of all that has no time of its own.
	Epoch int64
	// Parallelism bounds the files and directories that are read at once; 0
	// means GOMAXPROCS.
	Parallelism int
	// Hash asks for the digest of every file's content. Without it the tree is
	// walked and stat'ed only, and digests are those that Digests knows, or
	// empty: whoever writes the layer hashes the files while they are read.
	Hash bool
	// Digests remembers digests of files; nil remembers nothing.
	Digests Digester
	// Known is a fingerprint that the layer had. A tree that still has it may come
	// Unchanged, without entries: where all digests are known, and blocks do not
	// meet in a way that takes more to settle. Leave it empty to have the entries.
	Known digest.Digest
	// Range is the place of the layer's block: the subject of diagnostics that
	// no block of its tree stands for.
	Range hcl.Range
}

// Digester remembers the digests of files by what stat says of them. It must
// be safe for concurrent use. Paths are relative to the observed root.
type Digester interface {
	// Lookup gives the digest of the file's content if info is proof enough
	// that it has not changed since Store was called for it.
	Lookup(path string, info fs.FileInfo) (digest.Digest, bool)
	// Store remembers the digest of a file that info describes.
	Store(path string, info fs.FileInfo, d digest.Digest)
}

// FolderDigester is a Digester that can be asked by folder: Folder gives what it
// remembers of the files in dir, relative to the observed root and empty for
// the root. A walk asks that way where it can, for large trees need it fast.
type FolderDigester interface {
	Digester
	Folder(dir string) *stage.Folder
}

// ChangedError says that a file is not what it was when it was observed, or
// moved while it was read.
type ChangedError struct {
	// Path is relative to the observed root.
	Path string
	// What says in words what moved: "size 12, was 10".
	What string
}

// Error names the file and what moved. What to do depends on the caller.
func (e *ChangedError) Error() string {
	return fmt.Sprintf("%q changed while it was read (%s)", e.Path, e.What)
}
