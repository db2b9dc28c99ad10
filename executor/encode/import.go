package encode

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// Import writes the file f, the archive or blob of l, as a layer blob to w: as f.Output
// says, byte for byte, or compressed in chunks by the rules of Write. An archive that no
// reader could use is an *ArchiveError; a file that moves, or is not what f says, a
// *source.ChangedError. After an error w holds a part of the blob.
func Import(ctx context.Context, w io.Writer, root *os.Root, f *source.File, l *spec.Layer, opts Options) (Result, error) {
	// An archive is read to its end in the same pass: one that is damaged, has data
	// behind its end, or breaks a rule of package layer is refused. Global headers of
	// comments go where it is compressed. The file is read once, and once before that
	// where the last of several entries for a path counts.
	files := source.NewFiles(root)
	defer func() { _ = files.Close() }()
	file, info, err := files.Open(f.Path)
	if err != nil {
		return Result{}, openError(f.Path, err)
	}
	if info.Size() != f.Size {
		err = &source.ChangedError{Path: f.Path, What: fmt.Sprintf("size %d, was %d", info.Size(), f.Size)}
	} else if f.State != 0 && f.State != source.StateOf(info) {
		err = &source.ChangedError{Path: f.Path, What: "it is not the file that was observed"}
	}
	var asItIs bool
	opts.Compression, asItIs = f.Output(l)
	im := &importer{in: &layer.Meter{R: layer.ContextReader(ctx, file)}, sum: sha256.New(), opts: opts}
	if err == nil && l.Archive != "" {
		im.skip, err = duplicateSkip(ctx, file, f, l)
	}
	if err == nil && asItIs {
		w, err = im.useIngest(ctx, w, file)
	}
	var result Result
	if err == nil {
		result, err = im.run(ctx, w, f, l, asItIs)
	}
	// A file that moved explains whatever else went wrong.
	if moved := im.checkUnchanged(f, file, info, err == nil); moved != nil {
		err = moved
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return Result{}, importError(ctx, f.Path, err)
	}
	result.Stats.Read, result.Stats.Files, result.Stats.Hashed = im.in.Count(), 1, im.in.Count()
	seen := source.Observed{File: &source.File{Path: f.Path, Size: f.Size, Digest: im.digest(), Compression: f.Compression}}
	result.Fingerprint, _ = seen.Fingerprint(l)
	return result, nil
}

// duplicateSkip gives the entries of an archive that are left out, for others have the
// same path; nil where none may. The file is read from its beginning afterwards.
func duplicateSkip(ctx context.Context, file *os.File, f *source.File, l *spec.Layer) (func(*layer.Entry) bool, error) {
	if l.OnDuplicate != spec.DuplicatesLast {
		return source.SkipDuplicates(ctx, l, f.Compression, nil)
	}
	skip, err := source.SkipDuplicates(ctx, l, f.Compression, file)
	if err != nil {
		return nil, err
	}
	_, err = file.Seek(0, io.SeekStart)
	return skip, err
}

// ArchiveError is an error about a file that no reader could use as an archive: it is
// damaged, or breaks the rules of layers.
type ArchiveError struct {
	// Path is relative to the spec's directory.
	Path string
	// Err is the cause.
	Err error
}

// Error names the file and what is wrong with it.
func (e *ArchiveError) Error() string { return fmt.Sprintf("%s: %v", e.Path, e.Err) }

// Unwrap gives Err.
func (e *ArchiveError) Unwrap() error { return e.Err }

// importError names the file in an error that does not.
func importError(ctx context.Context, path string, err error) error {
	var changed *source.ChangedError
	var format *layer.Breach
	switch {
	case errors.As(err, &changed), ctx.Err() != nil:
		return err
	case errors.As(err, &format):
		return &ArchiveError{Path: path, Err: format}
	}
	return fmt.Errorf("%s: %w", path, err)
}

// importer reads one file.
type importer struct {
	in   *layer.Meter
	opts Options
	// skip is that of a layer.Visitor.
	skip func(*layer.Entry) bool
	// sum hashes the file, unless ingest has its digest.
	sum    hash.Hash
	ingest *layout.Ingest
}

// useIngest lets an ingest hash, and clone if it can, a file that is used byte for byte.
// It gives what is left to write to: nothing that counts once the file is cloned,
// for then the clone is read instead of the file.
func (im *importer) useIngest(ctx context.Context, w io.Writer, file *os.File) (io.Writer, error) {
	in, ok := w.(*layout.Ingest)
	if !ok || in.Size() > 0 {
		return w, nil
	}
	im.ingest = in
	clone, err := in.Clone(file)
	if errors.Is(err, errors.ErrUnsupported) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	im.in.R = layer.ContextReader(ctx, clone)
	return io.Discard, nil
}

// copyTo is where the bytes of the file go that are the blob's.
func (im *importer) copyTo(w io.Writer) io.Writer {
	if im.ingest != nil {
		return w
	}
	return io.MultiWriter(w, im.sum)
}

// digest is that of all that was read.
func (im *importer) digest() digest.Digest {
	if im.ingest != nil {
		return im.ingest.Digest()
	}
	return digest.NewDigest(digest.SHA256, im.sum)
}

// checkUnchanged compares the file with what it was before, and with what f says once
// it was read whole.
func (im *importer) checkUnchanged(f *source.File, file *os.File, before fs.FileInfo, whole bool) error {
	after, err := file.Stat()
	if err != nil {
		return err
	}
	what := source.StatChanged(before, after)
	if what == "" && whole && f.Digest != "" && f.Digest != im.digest() {
		what = "other content"
	}
	if what == "" && whole && im.in.Count() != f.Size {
		what = fmt.Sprintf("%d bytes were read of %d", im.in.Count(), f.Size)
	}
	if what != "" {
		return &source.ChangedError{Path: f.Path, What: what}
	}
	return nil
}

func (im *importer) run(ctx context.Context, w io.Writer, f *source.File, l *spec.Layer, asItIs bool) (Result, error) {
	switch {
	case l.Archive == "":
		return im.copyBlob(w)
	case asItIs && f.Compression != imagespec.Uncompressed:
		return im.copyCompressed(w, f.Compression, f.Size)
	}
	return im.reencode(ctx, w, f.Compression, asItIs)
}

// copyBlob copies a file byte for byte.
func (im *importer) copyBlob(w io.Writer) (Result, error) {
	out := &progress{w: im.copyTo(w), report: im.opts.Progress}
	n, err := io.CopyBuffer(onlyWriter{out}, onlyReader{im.in}, make([]byte, 256<<10))
	return Result{Stats: Stats{Written: n}}, err
}

// onlyWriter and onlyReader hide methods with which io.Copy goes its own ways.
type onlyWriter struct{ io.Writer }
type onlyReader struct{ io.Reader }

// progress reports what is written through it.
type progress struct {
	w      io.Writer
	report func(int64)
}

func (p *progress) Write(b []byte) (int, error) {
	n, err := p.w.Write(b)
	if p.report != nil {
		p.report(int64(n))
	}
	return n, err
}

// copyCompressed copies an archive while it looks at what is in it.
func (im *importer) copyCompressed(w io.Writer, algorithm imagespec.Algorithm, size int64) (Result, error) {
	tee := io.TeeReader(im.in, im.copyTo(w))
	d, err := layer.Decompress(tee, algorithm, 0)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = d.Close() }()
	stream := readAhead(d)
	seen := io.TeeReader(stream, &progress{w: io.Discard, report: im.opts.Progress})
	toc, err := layer.List(seen, func() int64 { return size }, layer.RefuseArchive)
	stream.Close()
	if err != nil {
		return Result{}, err
	}
	if _, err := io.Copy(io.Discard, tee); err != nil {
		return Result{}, err
	}
	toc.Blob, toc.Size = im.digest(), im.in.Count()
	entries := layer.ListOf(toc.Entries)
	toc.Entries = nil
	return Result{DiffID: toc.DiffID, TOC: toc, Entries: entries, Stats: Stats{Tar: d.Size(), Written: im.in.Count()}}, nil
}

// reencode compresses the tar in an archive, cut into chunks at its entries. With
// whole set the tar stays as it is, byte for byte.
func (im *importer) reencode(ctx context.Context, w io.Writer, from imagespec.Algorithm, whole bool) (Result, error) {
	d, err := layer.Decompress(io.TeeReader(im.in, im.copyTo(io.Discard)), from, 0)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = d.Close() }()
	list := &layer.Listing{}
	if from != imagespec.Uncompressed {
		list.Blob = im.in.Count
	}
	p := &pipeline{w: w, opts: im.opts}
	p.produce = func(take func() (*chunk, error), emit func(*chunk) error) error {
		rec := &recorder{r: d, take: take, emit: emit}
		if err := rec.begin(); err != nil {
			return err
		}
		if err := layer.Scan(rec, rec.visitor(ruleOf(im.opts.Compression.Algorithm), list, im.skip, whole)); err != nil {
			return err
		}
		return emit(rec.chunk)
	}
	if err := p.run(ctx); err != nil {
		return Result{}, err
	}
	return p.result(layer.ListOf(list.Entries)), nil
}

// maxRecorded bounds a recorded chunk: only headers without end get there.
const maxRecorded = 16 << 20

// recorder keeps the bytes that are read through it, in chunks.
type recorder struct {
	r     io.Reader
	take  func() (*chunk, error)
	emit  func(*chunk) error
	chunk *chunk
	// base is the place in the tar at which chunk begins; ahead is the number of
	// bytes to come that are no part of the tar.
	base, ahead int64
}

func (r *recorder) begin() (err error) {
	r.chunk, err = r.take()
	return err
}

// Read reads, and keeps the bytes of the tar.
func (r *recorder) Read(p []byte) (int, error) {
	if len(r.chunk.raw) > maxRecorded {
		return 0, &layer.Breach{Rule: layer.RuleHeader, Problem: fmt.Sprintf("the tar has headers of more than %d MiB in one place", maxRecorded>>20)}
	}
	n, err := r.r.Read(p)
	out := min(int64(n), r.ahead)
	r.ahead -= out
	r.chunk.raw = append(r.chunk.raw, p[out:n]...)
	return n, err
}

// visitor cuts chunks by a rule, and lists the entries.
func (r *recorder) visitor(rule cutRule, list *layer.Listing, skip func(*layer.Entry) bool, whole bool) layer.Visitor {
	c := cutter{rule: rule}
	v := layer.Visitor{
		Breach:  layer.RefuseArchive,
		Digests: true,
		Step:    rule.fileSplit,
		Stepped: r.cut,
		Skip:    skip,
		Header: func(e *layer.Entry, start, head int64) error {
			c.size = start - r.base
			if !c.endsBefore(e.Path, head, e.Size) {
				return nil
			}
			return r.cut(start)
		},
		Entry: func(e *layer.Entry, sum []byte) error {
			if sum != nil {
				r.addFile(e, sum)
			}
			return list.Add(e)
		},
	}
	if !whole {
		v.Omit = r.omit
	}
	return v
}

// omit takes bytes out of the tar: the last ones, and some of those to come.
func (r *recorder) omit(back, ahead int64) {
	r.chunk.raw = r.chunk.raw[:len(r.chunk.raw)-int(back)]
	r.ahead = ahead
}

// addFile adds the content of a file to the parts of the chunk that holds all of it.
func (r *recorder) addFile(e *layer.Entry, sum []byte) {
	if e.Offset < r.base {
		return
	}
	r.chunk.parts = append(r.chunk.parts, part{at: int(e.Offset - r.base), size: e.Size, whole: true, sum: [sha256.Size]byte(sum)})
}

// cut ends the chunk at a place in the stream; what was read beyond it goes
// into the next one.
func (r *recorder) cut(at int64) error {
	next, err := r.take()
	if err != nil {
		return err
	}
	keep := at - r.base
	next.raw = append(slices.Grow(next.raw, len(r.chunk.raw)-int(keep)), r.chunk.raw[keep:]...)
	r.chunk.raw = r.chunk.raw[:keep]
	done := r.chunk
	r.chunk, r.base = next, at
	return r.emit(done)
}
