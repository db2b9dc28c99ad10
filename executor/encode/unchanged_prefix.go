package encode

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// unchangedPrefix finds the chunks that the layer shares with the beginning of an
// earlier blob, by headers and by the stats of files whose digests are known. Where w can
// share blocks with that blob, these chunks are not written either.
func (tw *treeWriter) unchangedPrefix(ctx context.Context, w io.Writer, opts Options, rule cutRule, r *chunkIndex) ([]chunkRef, error) {
	// The content of these chunks need not be read: not to compress it and, because a
	// table of contents has the state of the stream's hash after each chunk, not to
	// hash it either. A layer costs what comes after its first change.
	before := earlierChunks(opts)
	if tw.digests == nil || len(before) == 0 {
		return nil, nil
	}
	var same atomic.Int64
	same.Store(int64(len(before)))
	g, ctx := errgroup.WithContext(ctx)
	type numbered struct {
		n int
		span
	}
	work := make(chan numbered)
	for range opts.workers() {
		g.Go(func() error {
			files, c := source.NewFiles(tw.root), &chunk{}
			for s := range work {
				c.span, c.raw, c.parts = s.span, c.raw[:0], c.parts[:0]
				if tw.isSame(files, c, before[s.n].chunk, r) {
					continue
				}
				for was := same.Load(); int64(s.n) < was && !same.CompareAndSwap(was, int64(s.n)); {
					was = same.Load()
				}
			}
			return files.Close()
		})
	}
	g.Go(func() error {
		defer close(work)
		n := 0
		cut(tw.tree, tw.lengths, rule, func(s span) bool {
			if int64(n) >= same.Load() {
				return false
			}
			select {
			case work <- numbered{n, s}:
				n++
				return true
			case <-ctx.Done():
				return false
			}
		})
		return context.Cause(ctx)
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	kept := before[:same.Load()]
	return kept, shareBlocks(w, kept)
}

// shareBlocks lets w share the blocks of the chunks that it will begin with, and has
// them read from there. One that is damaged there is compressed again, as ever.
func shareBlocks(w io.Writer, kept []chunkRef) error {
	if len(kept) == 0 {
		return nil
	}
	to, isIngest := w.(*layout.Ingest)
	earlier, isFile := kept[0].blob.(*layout.BlobFile)
	if !isIngest || !isFile || earlier.File() == nil {
		return nil
	}
	last := kept[len(kept)-1].chunk
	shared, err := to.Share(earlier.File(), last.Offset+last.Length)
	if err != nil {
		return err
	}
	for i := range kept {
		if c := kept[i].chunk; c.Offset+c.Length <= shared.Size() {
			kept[i].blob = shared
		}
	}
	return nil
}

// earlierChunks are the chunks at the beginning of the first earlier blob that was
// written as this one is, as far as the state of the hash after them is known.
func earlierChunks(opts Options) (all []chunkRef) {
	sum := sha256.New()
	for from := range opts.sameEncoding() {
		for _, c := range from.TOC.Chunks {
			if !plausible(c) || !resume(sum, c) {
				break
			}
			all = append(all, chunkRef{from.Blob, c})
		}
		break
	}
	return all
}

// isSame reports whether a span comes out as a chunk of an earlier blob. Where
// that cannot be told it does not; whatever is wrong shows when it is filled.
func (tw *treeWriter) isSame(files *source.Files, c *chunk, was layer.Chunk, r *chunkIndex) bool {
	if c.span.size != was.Size {
		return false
	}
	if err := tw.appendSpan(c, func(p piece) error {
		known, ok := tw.statPiece(files, p)
		if !ok {
			return errUnknown
		}
		if !p.whole() && p.end-p.start < c.span.size {
			return tw.appendContent(files, c, p)
		}
		known.at = len(c.raw)
		c.parts = append(c.parts, known)
		return nil
	}); err != nil {
		return false
	}
	if len(c.parts) == 1 && c.parts[0].absent && !c.parts[0].whole {
		p := &c.parts[0]
		return r.parts[filePart{p.known, p.start, p.size}] == was.Digest
	}
	return chunkDigest(c) == was.Digest
}

// errUnknown says that the digest of a file is not known without reading it.
var errUnknown = errors.New("the file has to be read")

// statPiece gives a part of an entry's content, without its bytes, where its digest
// is known without reading it.
func (tw *treeWriter) statPiece(files *source.Files, p piece) (part, bool) {
	e := &tw.tree[p.entry]
	known := part{entry: p.entry, start: p.start, size: p.end - p.start, whole: p.whole(), absent: true}
	if e.File == "" {
		if !known.whole {
			return part{}, false
		}
		known.sum = sha256.Sum256([]byte(e.Content))
		return known, true
	}
	info, err := files.Stat(e.File)
	if err != nil || !info.Mode().IsRegular() || info.Size() != e.Size {
		return part{}, false
	}
	if known.whole {
		known.known, known.sum = tw.cachedDigest(e.File, info)
	} else if first := tw.firstStat(p.entry, info); source.StatChanged(first.info, info) == "" {
		known.known = first.known
	}
	if known.known == "" {
		return part{}, false
	}
	// Of the parts of a long file the last one sets the digest.
	return known, p.end < p.size || tw.setDigest(p.entry, known.known) == nil
}
