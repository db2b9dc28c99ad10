package source

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/planner/source/walk"
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
	// Known is the fingerprint of the last apply. If the tree still has it, Observe may
	// return an Unchanged Tree without entries: when every file's digest is cached and
	// no content is unknown and no hard link involved. Leave it empty to have the entries.
	Known digest.Digest
	// Range is the place of the layer's block: the subject of diagnostics about no
	// block of its tree.
	Range hcl.Range
	// Directories remembers the names in directories for other layers of the same
	// plan; nil remembers nothing.
	Directories *Directories
}

// Digester remembers the digests of files by what stat says of them.
type Digester = walk.Digester

// Directories remembers names in directories while a plan is made. The zero value
// is ready.
type Directories = walk.Directories

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
