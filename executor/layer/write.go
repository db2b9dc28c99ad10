package layer

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
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/planner/source/header"
)

// Write writes the tree as a layer blob to w, in one pass, and gives what it
// came out as. Files are read below root, the spec's directory, and hashed
// while they are read: one that is not what its entry says, or that moves
// meanwhile, is a *source.ChangedError. The same tree and compression give the
// same bytes, whatever else the options say. After an error w holds a part of
// the blob, for the caller to drop. t is not changed.
func Write(ctx context.Context, w io.Writer, root *os.Root, t *source.Tree, opts Options) (Result, error) {
	tw, err := newTreeWriter(root, t)
	if err != nil {
		return Result{}, err
	}
	rule := ruleOf(opts.Compression.Algorithm)
	p := &press{
		w:      w,
		opts:   opts,
		fill:   tw.worker,
		follow: tw.follow,
		most:   int(min(tw.size/rule.least+1, maxWorkers)),
	}
	p.produce = func(take func() (*chunk, error), emit func(*chunk) error) (err error) {
		cut(t.Entries, tw.lengths, rule, func(s span) bool {
			var c *chunk
			if c, err = take(); err == nil {
				c.span = s
				err = emit(c)
			}
			return err == nil
		})
		return err
	}
	if err := p.run(ctx); err != nil {
		return Result{}, err
	}
	result := p.result(tw.entries)
	result.Stats.Read = tw.read.Load()
	result.Fingerprint, _ = source.FingerprintTree(tw.entries, opts.Compression)
	return result, nil
}

// treeWriter turns spans of a tree's tar into bytes.
type treeWriter struct {
	root *os.Root
	tree []source.Entry
	// entries are what goes into the table of contents: digests and offsets are
	// filled in as they become known. An entry is set by one goroutine alone.
	entries []stage.Entry
	// lengths are those of the entries' headers, size that of the whole tar.
	lengths []int64
	size    int64
	read    atomic.Int64

	// long are the files that span chunks, by entry, as they were first seen.
	mu   sync.Mutex
	long map[int]fs.FileInfo
	// sum runs over the content of the long file that follow is in.
	sum hash.Hash
}

func newTreeWriter(root *os.Root, t *source.Tree) (*treeWriter, error) {
	tw := &treeWriter{
		root:    root,
		tree:    t.Entries,
		entries: make([]stage.Entry, len(t.Entries)),
		lengths: make([]int64, len(t.Entries)),
		long:    map[int]fs.FileInfo{},
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Unknown {
			return nil, fmt.Errorf("the content of %q is not known yet: build what it depends on first", e.Path)
		}
		if e.Type == stage.Regular && e.File == "" && int64(len(e.Content)) != e.Size {
			return nil, fmt.Errorf("%q: its size is %d and its content has %d bytes", e.Path, e.Size, len(e.Content))
		}
		n, err := header.Length(&e.Entry)
		if err != nil {
			return nil, err
		}
		tw.entries[i], tw.lengths[i] = e.Entry, n
		tw.size += n
		if e.Type == stage.Regular {
			tw.entries[i].Offset = tw.size
			tw.size += header.Span(e.Size)
		}
	}
	tw.size += header.TrailerSize
	return tw, nil
}

// worker makes the function that fills chunks in one goroutine.
func (tw *treeWriter) worker() (func(*chunk) error, func() error) {
	files := source.NewFiles(tw.root)
	return func(c *chunk) error { return tw.fill(files, c) }, files.Close
}

// fill sets the raw bytes of a chunk from its span.
func (tw *treeWriter) fill(files *source.Files, c *chunk) error {
	s := c.span
	c.raw = slices.Grow(c.raw, int(s.size))
	for i := s.from.entry; i <= s.to.entry && i < len(tw.tree); i++ {
		var start int64
		end := tw.tree[i].Size
		if tw.tree[i].Type != stage.Regular {
			end = 0
		}
		size := end
		if i == s.from.entry {
			start = s.from.content
		}
		if i == s.to.entry {
			if s.to.content == 0 {
				break
			}
			end = s.to.content
		}
		if start == 0 {
			var err error
			if c.raw, err = header.Append(c.raw, &tw.tree[i].Entry); err != nil {
				return err
			}
		}
		if size > 0 || tw.tree[i].Type == stage.Regular {
			if err := tw.content(files, c, i, start, end); err != nil {
				return err
			}
		}
		if end == size {
			c.raw = appendZeros(c.raw, header.Padding(size))
		}
	}
	if s.last {
		c.raw = appendZeros(c.raw, header.TrailerSize)
	}
	if int64(len(c.raw)) != s.size {
		return fmt.Errorf("a chunk of %d bytes came out with %d; this is a bug in layform", s.size, len(c.raw))
	}
	return nil
}

func appendZeros(dst []byte, n int64) []byte {
	start := len(dst)
	dst = slices.Grow(dst, int(n))[:start+int(n)]
	clear(dst[start:])
	return dst
}

// content appends a part of the content of a regular file, or all of it.
func (tw *treeWriter) content(files *source.Files, c *chunk, i int, start, end int64) error {
	e := &tw.tree[i]
	at := len(c.raw)
	if e.File == "" {
		c.raw = append(c.raw, e.Content[start:end]...)
	} else {
		c.raw = slices.Grow(c.raw, int(end-start))[:at+int(end-start)]
		if err := tw.readFile(files, i, c.raw[at:], start); err != nil {
			return err
		}
		tw.read.Add(end - start)
	}
	p := part{entry: i, at: at, start: start, size: end - start, whole: end-start == e.Size}
	if p.whole {
		p.sum = sha256.Sum256(c.raw[at:])
		if err := tw.seen(i, digest.NewDigestFromBytes(digest.SHA256, p.sum[:])); err != nil {
			return err
		}
	}
	c.parts = append(c.parts, p)
	return nil
}

// readFile reads a part of an entry's file into buf and notices when the file
// is not, or does not stay, what the entry says.
func (tw *treeWriter) readFile(files *source.Files, i int, buf []byte, start int64) (err error) {
	e := &tw.tree[i]
	file, info, err := files.Open(e.File)
	if err != nil {
		return openError(e.File, err)
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	if info.Size() != e.Size {
		return &source.ChangedError{Path: e.File, What: fmt.Sprintf("size %d, was %d", info.Size(), e.Size)}
	}
	if int64(len(buf)) < e.Size {
		if what := source.Moved(tw.first(i, info), info); what != "" {
			return &source.ChangedError{Path: e.File, What: what}
		}
	}
	n, err := file.ReadAt(buf, start)
	if err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", e.File, err)
	}
	if n < len(buf) {
		return &source.ChangedError{Path: e.File, What: "it became shorter"}
	}
	after, err := file.Stat()
	if err != nil {
		return fmt.Errorf("%s: %w", e.File, err)
	}
	if what := source.Moved(info, after); what != "" {
		return &source.ChangedError{Path: e.File, What: what}
	}
	return nil
}

// first gives the stat with which a long file was seen first.
func (tw *treeWriter) first(i int, info fs.FileInfo) fs.FileInfo {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	if was, ok := tw.long[i]; ok {
		return was
	}
	tw.long[i] = info
	return info
}

// openError tells files that are gone or became something else from those that
// the system does not let us read.
func openError(name string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOENT && errno != syscall.ENOTDIR {
		return fmt.Errorf("%s: %w", name, err)
	}
	return &source.ChangedError{Path: name, What: err.Error()}
}

// follow hashes the files that span chunks.
func (tw *treeWriter) follow(c *chunk) error {
	for _, p := range c.parts {
		if p.whole {
			continue
		}
		if p.start == 0 {
			tw.sum = sha256.New()
		}
		tw.sum.Write(c.raw[p.at : p.at+int(p.size)])
		if p.start+p.size < tw.tree[p.entry].Size {
			continue
		}
		if err := tw.seen(p.entry, digest.NewDigest(digest.SHA256, tw.sum)); err != nil {
			return err
		}
	}
	return nil
}

// seen sets the digest of an entry's content, which must be the one observed.
func (tw *treeWriter) seen(i int, d digest.Digest) error {
	e := &tw.entries[i]
	if e.Digest != "" && e.Digest != d {
		return &source.ChangedError{Path: tw.tree[i].File, What: "other content"}
	}
	e.Digest = d
	return nil
}
