package encode

import "io"

// aheadReader reads a stream in a goroutine of its own, a few blocks before they are
// asked for, so that making a stream and looking at it go on at the same time.
type aheadReader struct {
	full  chan block
	free  chan []byte
	stop  chan struct{}
	ended chan struct{}
	now   block
	rest  []byte
}

// block is a run of bytes, and the error that came after them.
type block struct {
	data []byte
	err  error
}

// The blocks of an aheadReader: together 1 MiB.
const (
	aheadBlocks = 4
	aheadBlock  = 256 << 10
)

// readAhead begins to read r. The caller closes it, and leaves r alone until then.
func readAhead(r io.Reader) *aheadReader {
	a := &aheadReader{
		full:  make(chan block, aheadBlocks),
		free:  make(chan []byte, aheadBlocks),
		stop:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	for range aheadBlocks {
		a.free <- make([]byte, aheadBlock)
	}
	go a.run(r)
	return a
}

func (a *aheadReader) run(r io.Reader) {
	defer close(a.ended)
	for {
		var buf []byte
		select {
		case buf = <-a.free:
		case <-a.stop:
			return
		}
		n, err := fill(r, buf[:aheadBlock])
		a.full <- block{buf[:n], err} // never blocks: it has room for all there are
		if err != nil {
			return
		}
	}
}

// fill reads until buf is full. Unlike io.ReadFull it leaves errors as they are.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	return n, err
}

// Read gives the stream, and its error after the last byte.
func (a *aheadReader) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			a.free <- a.now.data
		}
		a.now = <-a.full
		a.rest = a.now.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// Close ends the goroutine. What it read from is at rest then.
func (a *aheadReader) Close() {
	close(a.stop)
	<-a.ended
}
