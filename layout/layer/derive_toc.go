package layer

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
)

// The entries of a tar may take listFree bytes of memory, and listRatio bytes
// more for each byte of the blob that they come from: a small blob whose
// entries are many, or have long names, is made to fill the memory. Entries of
// honest layers take dozens of bytes in the blob, and the headers of many empty
// files with names in a row still two or three.
const (
	listFree  = 32 << 20
	listRatio = 256
	// entryCost is the memory of an entry without its names.
	entryCost = 300
)

// MaxList is about the most memory that the list of the entries of a blob of a
// size takes; see Listing.
func MaxList(blob int64) int64 { return listFree + listRatio*blob }

// Listing collects entries.
type Listing struct {
	Entries []Entry
	// Blob, if not nil, is the size of the compressed blob that the tar comes
	// from, or how much of it was read: it bounds the memory.
	Blob func() int64
	// memory is about what Entries take.
	memory int64
}

// Add collects an entry. A list that is long beside the blob is a *Breach.
func (l *Listing) Add(e *Entry) error {
	l.memory += entryCost + int64(len(e.Path)+len(e.Linkname))
	for name, value := range e.Xattrs {
		l.memory += entryCost + int64(len(name)+len(value))
	}
	if l.Blob != nil && l.memory > listFree && l.memory > MaxList(l.Blob()) {
		return &Breach{Rule: RuleRatio, Problem: "the list of its entries would take more memory than a layer of its size is given; it looks made to fill the memory"}
	}
	l.Entries = append(l.Entries, *e)
	return nil
}

// List reads an uncompressed tar that comes from a blob of a size to its end,
// and gives its table of contents, without what says something of the blob.
// breach is that of a Visitor.
func List(r io.Reader, blob func() int64, breach func(*Breach) error) (*TOC, error) {
	sum, list := sha256.New(), &Listing{Blob: blob}
	err := Scan(io.TeeReader(r, sum), Visitor{
		Breach:  breach,
		Digests: true,
		Entry:   func(e *Entry, _ []byte) error { return list.Add(e) },
	})
	if err != nil {
		return nil, err
	}
	return &TOC{Version: TOCVersion, DiffID: digest.NewDigest(digest.SHA256, sum), Entries: list.Entries}, nil
}

// DeriveTOC reads the blob of a layer of a media type to its end and gives its
// table of contents, for layers that layform did not write, or whose table was
// lost. A media type that is not one of a layer's is taken as what the blob's
// first bytes say. It has no Encoding, and no chunks. Entries are listed as
// they stand in the tar, also where an archive of layform's would be refused for
// them: two entries for one path, hard links into lower layers, names that begin
// with a slash; sparse files have no digest. A layer of which nobody can tell what
// it holds is a *Breach, and so is one with a list that is long beside the blob,
// whose size r tells if it has a method Size.
func DeriveTOC(ctx context.Context, r io.Reader, mediaType string) (*TOC, error) {
	sum := sha256.New()
	in := &Meter{R: io.TeeReader(ContextReader(ctx, r), sum)}
	size := in.Count
	if known, ok := r.(interface{ Size() int64 }); ok {
		size = known.Size
	}
	var toc *TOC
	err := throughBlob(in, mediaType, func(tar io.Reader) (err error) {
		toc, err = List(tar, size, RefuseForeign)
		return err
	})
	if err != nil {
		return nil, err
	}
	toc.Blob, toc.Size = digest.NewDigest(digest.SHA256, sum), in.Count()
	return toc, nil
}

// Entries is DeriveTOC for the entries alone: it passes them to visit as they are
// read, and keeps none. Without digests the content of files is not hashed. An entry
// is valid until visit returns, whose error ends the reading and is returned as it is.
func Entries(ctx context.Context, r io.Reader, mediaType string, digests bool, visit func(*Entry) error) error {
	return throughBlob(ContextReader(ctx, r), mediaType, func(tar io.Reader) error {
		return Scan(tar, Visitor{
			Breach:  RefuseForeign, // which refuses no entry for another one
			Alone:   true,
			Digests: digests,
			Entry:   func(e *Entry, _ []byte) error { return visit(e) },
		})
	})
}

// throughBlob reads the blob of a layer of a media type to its end, and the tar in it.
func throughBlob(r io.Reader, mediaType string, read func(tar io.Reader) error) error {
	algorithm, ok := imagespec.LayerCompression(mediaType)
	if !ok {
		br, found, err := Detect(r)
		if err != nil {
			return fmt.Errorf("a blob of type %q is no layer: %w", mediaType, err)
		}
		r, algorithm = br, found
	}
	d, err := Decompress(r, algorithm, 0)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	if err := read(d); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// Check reads an archive that is compressed with the algorithm to its end, and
// gives the first *Breach for which it is refused as a layer.
func Check(ctx context.Context, r io.Reader, algorithm imagespec.Algorithm, skip func(*Entry) bool) error {
	d, err := Decompress(ContextReader(ctx, r), algorithm, 0)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	v := Visitor{Breach: RefuseArchive, Skip: skip}
	if skip != nil {
		v.Omit = func(int64, int64) {}
	}
	return Scan(d, v)
}
