package encode

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// Write writes the tree t as a layer blob to w, in one pass. Files are read below root, and
// hashed unless opts.Digests knows them: one that is not what its entry says, or that moves
// meanwhile, is a *source.ChangedError. The same tree and compression give the same
// bytes. After an error w holds a part of the blob.
func Write(ctx context.Context, w io.Writer, root *os.Root, t *source.Tree, opts Options) (Result, error) {
	// Files that an earlier blob holds in front of the first change need not be read: the
	// layer has what they held when they were stat'ed.
	tw, err := newTreeWriter(root, t, opts.Digests)
	if err != nil {
		return Result{}, err
	}
	rule := ruleOf(opts.Compression.Algorithm)
	tw.maxChunk = rule.max
	p := &pipeline{
		w:              w,
		opts:           opts,
		fill:           tw.worker,
		observe:        tw.hashLongFiles,
		contentChanged: tw.contentChanged,
		maxChunks:      int(min(tw.size/rule.min+1, maxWorkers)),
	}
	p.reuse = newChunkIndex(opts)
	kept, err := tw.unchangedPrefix(ctx, w, opts, rule, p.reuse)
	if err != nil {
		return Result{}, err
	}
	p.produce = func(take func() (*chunk, error), emit func(*chunk) error) (err error) {
		cut(t.Entries, tw.lengths, rule, func(s span) bool {
			var c *chunk
			if c, err = take(); err == nil {
				c.span = s
				if len(kept) > 0 {
					c.earlier, kept = &kept[0], kept[1:]
				}
				err = emit(c)
			}
			return err == nil
		})
		return err
	}
	if err := p.run(ctx); err != nil {
		return Result{}, err
	}
	result := p.result(tw.entries())
	result.Stats.Read, result.Stats.Files, result.Stats.Hashed = tw.read.Load(), tw.opened.Load(), tw.hashed.Load()
	// A tree with a Sum has all digests, and setSum has compared them.
	if result.Fingerprint = t.LayerFingerprint(opts.Compression); result.Fingerprint == "" {
		result.Fingerprint, _ = source.FingerprintTree(result.Entries, layer.EncodingOf(opts.Compression))
	}
	return result, nil
}

// treeWriter turns spans of a tree's tar into bytes.
type treeWriter struct {
	root *os.Root
	tree []source.Entry
	// sums are the digests of the files that tree does not give them of, as far as
	// they are known: those with known set. Each is set by one goroutine alone.
	sums  []layer.Sum
	known []bool
	// lengths are those of the entries' headers, size that of the whole tar.
	lengths []int64
	size    int64
	// maxChunk is the usual bound of a chunk.
	maxChunk int64
	digests  source.Digester
	// The work that was done, in bytes, files and bytes.
	read, opened, hashed atomic.Int64

	// long are the files that span chunks, by entry, as they were first seen.
	mu   sync.Mutex
	long map[int]longFile
	// sum runs over the content of the long file that hashLongFiles is in; nil where
	// its digest is known. first is the stat that came with its first part.
	sum   hash.Hash
	first fs.FileInfo
}

func newTreeWriter(root *os.Root, t *source.Tree, digests source.Digester) (*treeWriter, error) {
	tw := &treeWriter{
		root:    root,
		digests: digests,
		tree:    t.Entries,
		sums:    make([]layer.Sum, len(t.Entries)),
		known:   make([]bool, len(t.Entries)),
		lengths: make([]int64, len(t.Entries)),
		long:    map[int]longFile{},
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Unknown {
			return nil, fmt.Errorf("the content of %q is not known yet: build what it depends on first", e.Path)
		}
		if e.Type == layer.Regular && e.File == "" && int64(len(e.Content)) != e.Size {
			return nil, fmt.Errorf("%q: its size is %d and its content has %d bytes", e.Path, e.Size, len(e.Content))
		}
		n, err := layer.HeaderLength(&e.Entry)
		if err != nil {
			return nil, err
		}
		tw.lengths[i] = n
		tw.size += n
		if e.Type == layer.Regular {
			tw.size += layer.Span(e.Size)
		}
	}
	tw.size += layer.TrailerSize
	return tw, nil
}

// entries are those of the table of contents: of the tree, with the places of their
// content, and the digests that were found.
func (tw *treeWriter) entries() layer.EntryList {
	return layer.EntryList{Count: len(tw.tree), All: func(yield func(*layer.Entry, *layer.Sum) bool) {
		at := int64(0)
		for i := range tw.tree {
			e := tw.tree[i].Entry
			at += tw.lengths[i]
			if e.Type == layer.Regular {
				e.Offset = at
				at += layer.Span(e.Size)
			}
			var sum *layer.Sum
			if tw.known[i] {
				sum = &tw.sums[i]
			}
			if !yield(&e, sum) {
				return
			}
		}
	}}
}

// worker makes the function that fills chunks in one goroutine.
func (tw *treeWriter) worker() (func(*chunk) error, func() error) {
	files := source.NewFiles(tw.root)
	return func(c *chunk) error { return tw.fill(files, c) }, files.Close
}

// piece is an entry's part of a span: its content from start to end, of size bytes in
// all, and its header where it begins there.
type piece struct {
	entry            int
	start, end, size int64
}

// whole reports whether that is all of the entry.
func (p piece) whole() bool { return p.end-p.start == p.size }

// pieces lists the parts of entries in a span.
func (tw *treeWriter) pieces(s span) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		for i := s.from.entry; i <= s.to.entry && i < len(tw.tree); i++ {
			p := piece{entry: i}
			if tw.tree[i].Type == layer.Regular {
				p.size = tw.tree[i].Size
			}
			p.end = p.size
			if i == s.from.entry {
				p.start = s.from.content
			}
			if i == s.to.entry {
				p.end = s.to.content
				if p.end == 0 {
					return
				}
			}
			if !yield(p) {
				return
			}
		}
	}
}

// fill sets the raw bytes of a chunk from its span.
func (tw *treeWriter) fill(files *source.Files, c *chunk) error {
	s := c.span
	if int64(cap(c.raw)) < s.size {
		// Room for any chunk of a long layer: buffers go round, and none grows twice.
		c.raw = make([]byte, 0, max(s.size, min(tw.size, tw.maxChunk)))
	}
	if err := tw.appendSpan(c, func(p piece) error { return tw.appendContent(files, c, p) }); err != nil {
		return err
	}
	if int64(len(c.raw)) != s.size {
		return fmt.Errorf("a chunk of %d bytes came out with %d; this is a bug in layform", s.size, len(c.raw))
	}
	return nil
}

// appendSpan appends what a chunk's span holds: headers, zeros, and what content
// appends for regular files.
func (tw *treeWriter) appendSpan(c *chunk, content func(piece) error) (err error) {
	for p := range tw.pieces(c.span) {
		e := &tw.tree[p.entry]
		if p.start == 0 {
			if c.raw, err = layer.AppendHeader(c.raw, &e.Entry); err != nil {
				return err
			}
		}
		if e.Type == layer.Regular {
			if err := content(p); err != nil {
				return err
			}
		}
		if p.end == p.size {
			c.raw = appendZeros(c.raw, layer.Padding(p.size))
		}
	}
	if c.span.last {
		c.raw = appendZeros(c.raw, layer.TrailerSize)
	}
	return nil
}

func appendZeros(dst []byte, n int64) []byte {
	start := len(dst)
	dst = slices.Grow(dst, int(n))[:start+int(n)]
	clear(dst[start:])
	return dst
}

// hashLongFiles hashes the files that span chunks, unless their digests are known.
func (tw *treeWriter) hashLongFiles(c *chunk) error {
	if c.earlier != nil && len(c.parts) == 0 {
		tw.sum = nil // what it holds was not read: what was hashed before leads nowhere
		return nil
	}
	for i := range c.parts {
		p := &c.parts[i]
		if p.whole {
			continue
		}
		if p.start == 0 {
			tw.first = p.info
			if tw.sum = nil; p.known == "" {
				tw.sum = sha256.New()
			}
		}
		if err := tw.hashLongPart(p, c.raw[p.at:p.at+int(p.size)]); err != nil {
			return err
		}
	}
	return nil
}

// contentChanged names a file in a chunk that changed without its size or time telling.
func (tw *treeWriter) contentChanged(c *chunk) error {
	err := &source.ChangedError{What: "other content"}
	for _, p := range c.parts {
		if name := tw.tree[p.entry].File; name != "" {
			err.Path = name
		}
	}
	return err
}

func (tw *treeWriter) hashLongPart(p *part, content []byte) error {
	e := &tw.tree[p.entry]
	last := p.start+p.size == e.Size
	switch {
	case tw.sum == nil && p.known == "":
		return &source.ChangedError{Path: e.File, What: "its status changed while it was read"}
	case tw.sum == nil && last:
		return tw.setDigest(p.entry, p.known)
	case tw.sum == nil:
		return nil
	}
	tw.sum.Write(content)
	tw.hashed.Add(p.size)
	if !last {
		return nil
	}
	sum := layer.Sum(tw.sum.Sum(nil))
	if err := tw.setSum(p.entry, &sum); err != nil {
		return err
	}
	tw.cacheDigest(p.entry, tw.first, &sum)
	return nil
}

// setSum sets the digest of an entry's content, which must be the one observed.
func (tw *treeWriter) setSum(i int, sum *layer.Sum) error {
	e := &tw.tree[i]
	before, observed := layer.SumOf(e.Digest)
	if !observed && tw.known[i] {
		before, observed = tw.sums[i], true
	}
	if observed && before != *sum {
		return &source.ChangedError{Path: e.File, What: "other content"}
	}
	if e.Digest == "" {
		tw.sums[i], tw.known[i] = *sum, true
	}
	return nil
}

// setDigest is setSum for a digest.
func (tw *treeWriter) setDigest(i int, d digest.Digest) error {
	sum, ok := layer.SumOf(d)
	if !ok {
		return &source.ChangedError{Path: tw.tree[i].File, What: "other content"}
	}
	return tw.setSum(i, &sum)
}
