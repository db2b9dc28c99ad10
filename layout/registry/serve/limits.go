package serve

import "time"

// Limits bound what clients can make a server do. A field that is zero has the
// default that stands with it.
type Limits struct {
	// Manifest is the longest manifest in bytes; 4 MiB.
	Manifest int64
	// Blob is the longest blob in bytes that is uploaded; 256 GiB.
	Blob int64
	// Requests is the number of requests that are answered at once; 2048. More are
	// told to come again.
	Requests int
	// Uploads is the number of them that bring content at once; 256.
	Uploads int
	// Connections is the number of connections; 16384. The one that has been idle for
	// the longest is closed for another one.
	Connections int
	// Header is how long the header of a request may take; 10 s. Idle is how long a
	// connection may wait for the next request; 2 min.
	Header, Idle time.Duration
	// Stall is how long the body of a request or an answer may take for each 4 KiB, or
	// 256 KiB, of it; 1 min. Whole bodies may take as long as they need.
	Stall time.Duration
	// Grace is how long running requests may take to end when the server stops; 30 s.
	Grace time.Duration
}

// The default limits.
const (
	defaultManifest    = 4 << 20
	defaultBlob        = 256 << 30
	defaultRequests    = 2048
	defaultUploads     = 256
	defaultConnections = 16384
	defaultHeader      = 10 * time.Second
	defaultIdle        = 2 * time.Minute
	defaultStall       = time.Minute
	defaultGrace       = 30 * time.Second
)

func (l Limits) withDefaults() Limits {
	orDefault(&l.Manifest, defaultManifest)
	orDefault(&l.Blob, defaultBlob)
	orDefault(&l.Requests, defaultRequests)
	orDefault(&l.Uploads, defaultUploads)
	orDefault(&l.Connections, defaultConnections)
	orDefault(&l.Header, defaultHeader)
	orDefault(&l.Idle, defaultIdle)
	orDefault(&l.Stall, defaultStall)
	orDefault(&l.Grace, defaultGrace)
	return l
}

func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// slots is a number of things that may go on at once.
type slots chan struct{}

// take takes a slot, and reports whether there was one.
func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }
