// Package stage keeps what layform remembers beside a layout, in its folder
// .layform: the staging state of each spec, the tables of contents of layers,
// and the stat cache. Losing any of it costs time, never correctness.
package stage

import (
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Stage is the staging state of one spec in one layout.
type Stage struct {
	Version int    `json:"version"`
	Spec    string `json:"spec"`
	// Serial grows by one with every write.
	Serial int64 `json:"serial"`
	// State is Pending around the swap of index.json and Done after it.
	State State `json:"state"`
	// Before and After are the digests of index.json before and after the swap;
	// empty for a layout that had none.
	Before digest.Digest `json:"index_before,omitempty"`
	After  digest.Digest `json:"index_after,omitempty"`
	// Objects are the objects that the layout holds for the spec, by the key of
	// their change in the plan.
	Objects map[string]Object `json:"objects"`
	// Tags are the ref names of index.json that the spec owns, with the
	// descriptor that each was given.
	Tags map[string]ocispec.Descriptor `json:"tags,omitempty"`
	// Untagged are the owned descriptors of index.json without a ref name.
	Untagged []ocispec.Descriptor `json:"untagged,omitempty"`
	// Blobs are the blobs that layform itself put into the layout for the spec.
	// A blob that was there before is never owned. Sorted.
	Blobs []digest.Digest `json:"blobs,omitempty"`
	// Outputs are the spec's output values as of the last apply.
	Outputs map[string]Output `json:"outputs,omitempty"`
	// Was is the state before a swap that has not been confirmed, set while
	// State is Pending.
	Was *Stage `json:"was,omitempty"`
}

// State says on which side of the swap of index.json a Stage was written.
type State string

// A stage is written as Pending before the swap and as Done after it.
const (
	Pending State = "pending"
	Done    State = "done"
)

// Object is what was built for one address.
type Object struct {
	// Fingerprint covers everything that decides the object's bytes.
	Fingerprint digest.Digest      `json:"fingerprint"`
	Descriptor  ocispec.Descriptor `json:"descriptor"`
	// DiffID is the digest of the uncompressed tar; layers alone have one.
	DiffID digest.Digest `json:"diff_id,omitempty"`
	// Encoding names the rule that turned a layer's entries into bytes, with
	// algorithm and level: layform/1 gzip-6.
	Encoding string `json:"encoding,omitempty"`
	// Content is the number of bytes that went into a layer: of the tar, or of the
	// file that is used as it is. Entries is the number of entries of a tree.
	Content int64 `json:"content,omitempty"`
	Entries int   `json:"entries,omitempty"`
	// Fields are the values that the object was made of, by path, as canonical
	// JSON. A sensitive one is left out and stands in Sensitive as its digest.
	Fields    map[string]string `json:"fields,omitempty"`
	Sensitive map[string]string `json:"sensitive,omitempty"`
	// Needs are the keys of the objects that this one was built from.
	Needs []string `json:"needs,omitempty"`
}

// Output is one output value.
type Output struct {
	// Value is JSON. Of a sensitive value it is a string with the value's
	// digest, enough to tell whether it changed.
	Value       string `json:"value"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Description string `json:"description,omitempty"`
}

// Type is the type of a layer entry, named after its tar type flag.
type Type string

// The entry types that OCI layers have.
const (
	Regular   Type = "file"
	Directory Type = "directory"
	Symlink   Type = "symlink"
	Hardlink  Type = "hardlink"
	Char      Type = "char"
	Block     Type = "block"
	Fifo      Type = "fifo"
)

// Entry is one entry of a layer's tar: what its header says and, for a regular
// file, the digest of its content.
type Entry struct {
	// Path is relative, clean and slash-separated; "." is the root.
	Path string `json:"path"`
	Type Type   `json:"type"`
	// Mode has the permission bits with setuid (04000), setgid (02000) and sticky (01000).
	Mode uint32 `json:"mode"`
	UID  int    `json:"uid,omitempty"`
	GID  int    `json:"gid,omitempty"`
	// Mtime is in seconds since the epoch.
	Mtime int64 `json:"mtime,omitempty"`
	// Size is the content's length in bytes; 0 for all but regular files.
	Size int64 `json:"size,omitempty"`
	// Digest is the digest of a regular file's content.
	Digest digest.Digest `json:"digest,omitempty"`
	// Linkname is a symlink's target, or the path of the entry that a hard link shares.
	Linkname string            `json:"linkname,omitempty"`
	Xattrs   map[string]string `json:"xattrs,omitempty"`
	Devmajor int64             `json:"devmajor,omitempty"`
	Devminor int64             `json:"devminor,omitempty"`
	// Offset is the place of a regular file's content in the uncompressed tar;
	// 0 for all else, and for an entry that stands in no tar yet.
	Offset int64 `json:"offset,omitempty"`
}

// Time is the entry's modification time, in UTC.
func (e Entry) Time() time.Time { return time.Unix(e.Mtime, 0).UTC() }

// TOC is the table of contents of one layer blob: its entries, and the chunks
// that its bytes are made of.
type TOC struct {
	Version int           `json:"version"`
	Blob    digest.Digest `json:"blob"`
	Size    int64         `json:"size"`
	DiffID  digest.Digest `json:"diff_id"`
	// Encoding names the rule that cut and compressed the chunks; empty for a
	// blob that layform did not write, which has no chunks either.
	Encoding string  `json:"encoding,omitempty"`
	Entries  []Entry `json:"entries"`
	Chunks   []Chunk `json:"chunks,omitempty"`
}

// Chunk is one independently compressed run of a layer's tar stream.
type Chunk struct {
	// Digest identifies the uncompressed bytes: equal digests mean equal bytes.
	// It covers the content of files through their digests, so it is not the
	// digest of the bytes in a row.
	Digest digest.Digest `json:"digest"`
	// Size is the number of uncompressed bytes.
	Size int64 `json:"size"`
	// Offset and Length give the place of the compressed bytes in the blob.
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
	// Seal is the digest of Digest, as text, followed by the compressed bytes:
	// proof that these bytes are what the content was compressed to.
	Seal digest.Digest `json:"seal,omitempty"`
	// State is the state of the SHA-256 of the uncompressed stream at the end
	// of the chunk, from which hashing can go on; empty where it is not known.
	// Whoever writes it decides its form.
	State []byte `json:"state,omitempty"`
}
