// Package source observes the sources of a layer: a sorted stream of canonical entries,
// and a fingerprint over them.
//
// Observe looks at the files that a layer of a spec names and gives a Tree of
// entries, or the one File that is used whole. The result is plain data and
// depends on the spec and on the content of files alone: not on the order of
// directories, the umask, mtimes, or the number of processors, except where a
// copy preserves metadata. Directories are read by package walk, and the blocks of a
// layer meet in one traversal, which yields the entries. All files are opened below one root; a link that the
// spec names is followed inside it, a link found below is an entry like any
// other. What the user can mend is a diagnostic with its place in the spec.
//
// The planner compares fingerprints and lists differences with Diff; the
// executor writes the same entries, and hashes every file again as it does.
package source

import (
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// Entry is one entry of a layer that is to be built. Its Digest is empty as
// long as its content was not read.
type Entry struct {
	layer.Entry
	// File is the file that holds the content, relative to the spec's
	// directory; empty when the content is Content or there is none.
	File string
	// State is the StateOf of File when it was observed; 0 where it is not known, or
	// Digest is.
	State uint64
	// Content is inline content.
	Content string
	// Op is the index in the layer's Tree of the block that the entry comes from, or
	// -1 for an implied parent directory.
	Op int32
	// Unknown is set when the content depends on an object that is not built yet.
	Unknown bool
}

// Observed is the state of a layer's sources at one moment: a Tree, or one File that is
// used whole. Plain data: it holds nothing open.
type Observed struct {
	Tree *Tree
	File *File
}

// Tree is a layer's entries, sorted, parents first, hard-link targets before
// their links, whiteouts before their siblings.
type Tree struct {
	Entries []Entry
	// Unchanged is set where Entries are left out, for the layer has the
	// fingerprint that Options.Known says. Sum is set then.
	Unchanged bool
	// Sum is the cached Fingerprint of Entries, where Observe computed it: a caller
	// that changes Entries empties it. It is empty otherwise.
	Sum digest.Digest
}

// File is one file that becomes a layer.
type File struct {
	// Path is relative to the spec's directory.
	Path string
	Size int64
	// Digest is the digest of the file as it is.
	Digest digest.Digest
	// State is that of an Entry.
	State uint64
	// Compression is that of the file, found by its magic bytes; a blob's is always
	// Uncompressed.
	Compression imagespec.Algorithm
}

// Output is how the file comes out as the layer l: the compression of the blob, and
// whether the blob is the file byte for byte. A blob is; so is an archive that is
// compressed already, unless l asks for another compression or a level.
func (f *File) Output(l *spec.Layer) (c imagespec.Compression, asItIs bool) {
	is := imagespec.Compression{Algorithm: f.Compression}
	switch {
	case l.Archive == "":
		return is, true
	case f.Compression == imagespec.Uncompressed || l.Convert:
		c = l.Compression
	default:
		c = is
	}
	return c, c == is && l.OnDuplicate == ""
}
