package encode

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"io/fs"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout/layer"
)

// extraChunks is the number of chunks that may be in flight beyond one for each
// worker, so that workers do not wait for the writer.
const extraChunks = 2

// maxWorkers bounds the workers, and with them the memory, on large machines.
const maxWorkers = 16

// chunk is one chunk on its way. Its buffers are used again for later ones.
type chunk struct {
	span span
	// raw are the uncompressed bytes, out the compressed ones.
	raw, out []byte
	digest   digest.Digest
	seal     digest.Digest
	reused   bool
	// parts are the contents of regular files in the chunk, whole or in part,
	// in order.
	parts []part
	// from, if not nil, is the place of the chunk in an earlier blob with the same
	// beginning. What it holds need not be read.
	earlier *chunkRef
	// ready is closed when a worker is done with the chunk.
	ready chan struct{}
}

// part is a range of a file's content in a chunk: size bytes at a place in the chunk,
// which begin at start in the file.
type part struct {
	entry       int
	at          int
	start, size int64
	// whole is set where that is all of it; sum is then its SHA-256. It is absent
	// where its bytes were left out of the chunk.
	whole  bool
	absent bool
	sum    layer.Sum
	// known is the digest of the whole file, of which this is a part, where it
	// is known before the file was read to its end.
	known digest.Digest
	// info is the file's stat as this part was read; nil where digests are not cached,
	// or the file's status changed meanwhile.
	info fs.FileInfo
}

// pipeline compresses chunks in parallel and writes them in order.
//
// The producer, one goroutine, hands out chunks; workers fill, hash and
// compress them; the writer takes them in order, hashes the uncompressed
// stream and writes the compressed one. A fixed number of chunks goes round
// between them, so memory is bounded whatever the length of the stream.
type pipeline struct {
	w    io.Writer
	opts Options
	// produce calls emit for every chunk, in order, and take for an empty one
	// to emit.
	produce func(take func() (*chunk, error), emit func(*chunk) error) error
	// fill, if not nil, makes the function with which one worker sets a
	// chunk's raw bytes, and the one that ends the worker.
	fill func() (func(*chunk) error, func() error)
	// contentChanged returns the error about a chunk whose digest differs from that of the
	// earlier blob: a file changed without its stat changing.
	contentChanged func(*chunk) error
	// observe, if not nil, is called for the chunks in order, before they are used again.
	observe func(*chunk) error
	// maxChunks is an estimate of the number of chunks, 0 for many.
	maxChunks int

	reuse   *chunkIndex
	blanks  blanks
	diff    hash.Hash
	written int64
	chunks  []layer.Chunk
	stats   Stats
}

// workers is the number of goroutines that work at once.
func (o Options) workers() int {
	workers := o.Parallelism
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return min(workers, maxWorkers)
}

// run moves all chunks through the pipeline.
func (p *pipeline) run(ctx context.Context) error {
	if _, err := newEncoder(p.opts.Compression); err != nil {
		return err
	}
	workers := p.opts.workers()
	if p.maxChunks > 0 {
		workers = min(workers, p.maxChunks)
	}
	if p.reuse == nil {
		p.reuse = newChunkIndex(p.opts)
	}
	p.diff = sha256.New()
	free := make(chan *chunk, workers+extraChunks)
	for range cap(free) {
		free <- &chunk{}
	}
	g, ctx := errgroup.WithContext(ctx)
	work, order := make(chan *chunk), make(chan *chunk, cap(free))
	g.Go(func() error {
		defer close(order)
		defer close(work)
		return p.produce(func() (*chunk, error) { return takeFree(ctx, free) }, func(c *chunk) error {
			c.ready = make(chan struct{})
			order <- c // never blocks: it has room for every chunk there is
			select {
			case work <- c:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	})
	for range workers {
		g.Go(func() error { return p.work(work) })
	}
	g.Go(func() error { return p.writeInOrder(ctx, order, free) })
	return g.Wait()
}

func takeFree(ctx context.Context, free chan *chunk) (*chunk, error) {
	select {
	case c := <-free:
		c.raw, c.out, c.parts, c.earlier = c.raw[:0], c.out[:0], c.parts[:0], nil
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// work fills and compresses chunks until there are no more.
func (p *pipeline) work(work <-chan *chunk) (err error) {
	enc, err := newEncoder(p.opts.Compression)
	if err != nil {
		return err
	}
	var fill func(*chunk) error
	if p.fill != nil {
		var end func() error
		fill, end = p.fill()
		defer func() {
			if endErr := end(); err == nil {
				err = endErr
			}
		}()
	}
	for c := range work {
		if !c.copyEarlier() {
			if fill != nil {
				if err := fill(c); err != nil {
					return err
				}
			}
			if err := p.compress(enc, c); err != nil {
				return err
			}
		}
		close(c.ready)
	}
	return nil
}

// copyEarlier takes the compressed bytes of a chunk from the earlier blob, and reports
// whether they are there and intact.
func (c *chunk) copyEarlier() bool {
	if c.earlier == nil {
		return false
	}
	c.digest = c.earlier.chunk.Digest
	c.out, c.seal, c.reused = c.earlier.copy(c.out)
	return c.reused
}

// compress sets the compressed bytes of a chunk.
func (p *pipeline) compress(enc encoder, c *chunk) (err error) {
	blank := c.isBlank()
	if c.digest = p.reuse.knownDigest(c); c.digest == "" && blank {
		c.digest = p.blanks.digest(c)
	} else if c.digest == "" {
		c.digest = chunkDigest(c)
	}
	if c.earlier != nil && c.digest != c.earlier.chunk.Digest {
		return p.contentChanged(c)
	}
	if c.out, c.seal, c.reused = p.reuse.copy(c.out, c.digest, len(c.raw)); c.reused {
		return nil
	}
	if blank && p.blanks.copy(c) {
		return nil
	}
	if c.out, err = enc.encode(c.out, c.raw); err != nil {
		return err
	}
	c.seal = sealOf(c.digest, c.out)
	if blank {
		p.blanks.store(c)
	}
	return nil
}

// writeInOrder writes the chunks in order, as each gets ready.
func (p *pipeline) writeInOrder(ctx context.Context, order <-chan *chunk, free chan<- *chunk) error {
	for c := range order {
		select {
		case <-c.ready:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := p.write(c); err != nil {
			return err
		}
		free <- c
	}
	return nil
}

// write hashes and writes one chunk, at the same time.
func (p *pipeline) write(c *chunk) error {
	var g errgroup.Group
	g.Go(func() error { return p.advanceHash(c) })
	if p.observe != nil {
		g.Go(func() error { return p.observe(c) })
	}
	n, err := p.w.Write(c.out)
	if err == nil && n < len(c.out) {
		err = io.ErrShortWrite
	}
	if groupErr := g.Wait(); err == nil {
		err = groupErr
	}
	if err != nil {
		return err
	}
	state, err := stateOf(p.diff, c.seal)
	if err != nil {
		return err
	}
	size := c.size()
	p.chunks = append(p.chunks, layer.Chunk{Digest: c.digest, Size: size, Offset: p.written, Length: int64(n), Seal: c.seal, State: state})
	p.written += int64(n)
	p.stats.Chunks++
	p.stats.Tar += size
	p.stats.Written += int64(n)
	if c.reused {
		p.stats.Reused += size
		p.stats.ReusedChunks++
	} else {
		p.stats.Compressed += size
	}
	if p.opts.Progress != nil {
		p.opts.Progress(size)
	}
	return nil
}

// size is the number of uncompressed bytes of a chunk.
func (c *chunk) size() int64 {
	if c.earlier != nil {
		return c.earlier.chunk.Size
	}
	return int64(len(c.raw))
}

// advanceHash takes the hash of the uncompressed stream to the end of a chunk.
func (p *pipeline) advanceHash(c *chunk) error {
	if c.earlier == nil {
		p.diff.Write(c.raw)
	} else if !resume(p.diff, c.earlier.chunk) {
		return errors.New("the state of a hash cannot be used; this is a bug in layform")
	}
	return nil
}

// result is the outcome, once run has returned without an error.
func (p *pipeline) result(entries layer.EntryList) Result {
	diffID := digest.NewDigest(digest.SHA256, p.diff)
	return Result{
		DiffID: diffID,
		TOC: &layer.TOC{
			Version:  layer.TOCVersion,
			Size:     p.written,
			DiffID:   diffID,
			Encoding: layer.EncodingOf(p.opts.Compression),
			Chunks:   slices.Clip(p.chunks),
		},
		Entries: entries,
		Stats:   p.stats,
	}
}
