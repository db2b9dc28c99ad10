package layer

import "github.com/opencontainers/go-digest"

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
	// Offset is the place of a regular file's content in the uncompressed tar; 0 for
	// all else, and for an entry that is in no tar yet.
	Offset int64 `json:"offset,omitempty"`
}

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
	// Seal is the digest of Digest, as text, followed by the compressed bytes: proof
	// that they are the compressed form of this content.
	Seal digest.Digest `json:"seal,omitempty"`
	// State is the state of the SHA-256 of the uncompressed stream at the end
	// of the chunk, from which hashing can go on; empty where it is not known.
	// Whoever writes it decides its form.
	State []byte `json:"state,omitempty"`
}
