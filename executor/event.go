package executor

import (
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/planner"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// Options shape an apply.
type Options struct {
	// Dir is the spec's directory, from which sources are read.
	Dir string
	// Parallelism limits how many objects are built at once; 0 means the number
	// of processors.
	Parallelism int
	// LockTimeout is how long to wait for another run; 0 means not at all.
	LockTimeout time.Duration
	// Planned is the result that the plan is part of, made a moment ago: what it has
	// evaluated and seen is not evaluated and looked at again. Without it the plan is
	// a saved one: it is derived again from what it records before anything is
	// written, and refused where it differs. Apply uses it up: once all is built, the
	// Entries of its Prior are let go.
	Planned *planner.Result
	// Digests remembers the digests of files, nil for no memory.
	Digests source.Digester
	// Bases gives the content of bases and, for a saved plan, finds them again; nil where
	// the spec has none.
	Bases planner.Bases
	// Environ and Arguments are where the values of sensitive variables come from,
	// which a saved plan does not keep, and Version is the version of layform that
	// its spec is held against: see spec.LoadOptions.
	Environ   []spec.Assignment
	Arguments []spec.Argument
	Version   string
	// Progress receives events, from several goroutines; it may be nil.
	Progress func(Event)
}

// EventKind is the type of an Event.
type EventKind string

// An object is started, moves on, and is done.
const (
	EventStart    EventKind = "start"
	EventProgress EventKind = "progress"
	EventDone     EventKind = "done"
)

// Event is one step of an apply.
type Event struct {
	Kind EventKind
	// Key names the change that it belongs to.
	Key    string
	Action planner.Action
	// Bytes of Total were read so far; Total is 0 where it is not known.
	Bytes, Total int64
	// Digest, Size and Elapsed are set when the object is done. Digest is that of a blob
	// of a base while it is brought: Bytes and Total are the blob's then.
	Digest  digest.Digest
	Size    int64
	Elapsed time.Duration
	// Reused is set when nothing had to be built: the bytes were there already.
	Reused bool
}

// Result summarises an apply. With an error it says how far it got.
type Result struct {
	planner.Counts
	// Entries counts the entries of index.json that were added, changed and removed, as
	// planner.CountEntries does; none before index.json was swapped.
	Entries planner.Counts
	// Written are the blobs that were put into the layout, Deleted those that
	// were removed from it.
	WrittenBlobs int
	WrittenBytes int64
	DeletedBlobs int
	DeletedBytes int64
	// Unswept is set when another tool wrote index.json during the apply: what was
	// replaced was not deleted, and the next apply does it.
	Unswept bool
	// Kept is the number of blobs that were to be deleted and stay, since a document
	// of the layout is lost or damaged and may need them. A later apply deletes them.
	Kept int
	// Objects are the objects that the plan creates, changes or replaces, in its
	// order, as the layout has them; none before index.json was swapped.
	Objects []Object
	// Archive is the tar of the layout that was written; nil for none.
	Archive *Archive
	// Outputs are the spec's output values.
	Outputs []spec.Output
	// Layers sums up how layers were built.
	Layers LayerWork
}

// Object is an object that an apply has brought into the layout.
type Object struct {
	// Key names the change that it belongs to.
	Key    string
	Action planner.Action
	spec.Built
}

// LayerWork counts the bytes that went through the layer builder.
type LayerWork struct {
	// Built is the number of layers that were built.
	Built int `json:"built"`
	// ReadFiles and ReadBytes were read from sources; HashedBytes of them were hashed
	// because their digest was not known. TarBytes is the length of the tars.
	ReadFiles   int64 `json:"read_files"`
	ReadBytes   int64 `json:"read_bytes"`
	HashedBytes int64 `json:"hashed_bytes"`
	TarBytes    int64 `json:"tar_bytes"`
	// CompressedBytes of the tars went through the compressor; ReusedBytes were
	// copied in compressed form from an earlier blob. Likewise for chunks.
	CompressedBytes  int64 `json:"compressed_bytes"`
	ReusedBytes      int64 `json:"reused_bytes"`
	CompressedChunks int   `json:"compressed_chunks"`
	ReusedChunks     int   `json:"reused_chunks"`
}
