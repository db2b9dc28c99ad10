package registrytest

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault is an injected failure of the requests that it matches. With no field set but
// those that match, requests are counted and answered as ever.
type Fault struct {
	Method string // empty matches all
	Path   string // part of the path; empty matches all
	After  int    // lets that many matching requests pass first
	Times  int    // then acts that many times; 0 is for ever

	Status     int    // answers with this status instead
	RetryAfter string // with this header
	Body       string // and this body
	Location   string // and this Location
	Cut        bool   // cuts the connection without an answer, after the request was read
	CutBefore  bool   // cuts the connection without reading the request or doing what it asks
	CutAfter   int    // cuts the connection after that many bytes of the answer's body
	Stall      time.Duration
	// Stall waits, after CutAfter bytes of the body if that is set, else in front
	// of the answer. It ends early with the connection.
	Wrong  bool        // changes a byte of the answer's body
	Longer bool        // adds a byte to the answer's body
	Drop   string      // leaves this header out
	Header http.Header // sets these headers
	Do     func()      // is called
	seen   int
}

// Faults are the faults of a registry, and the requests that it got.
type Faults struct {
	mu       sync.Mutex
	faults   []*Fault
	requests []Request
}

// Fault adds a fault. Those that were added first act first, one a request.
func (fs *Faults) Fault(f Fault) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.faults = append(fs.faults, &f)
}

// NoFaults takes all faults away.
func (fs *Faults) NoFaults() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.faults = nil
}

// Requests are the requests so far.
func (fs *Faults) Requests() []Request {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return append([]Request(nil), fs.requests...)
}

// Count counts the requests so far with a method, or all if it is empty, whose
// path contains part.
func (fs *Faults) Count(method, part string) int {
	n := 0
	for _, r := range fs.Requests() {
		if (method == "" || r.Method == method) && strings.Contains(r.Path, part) {
			n++
		}
	}
	return n
}

// Forget forgets the requests so far.
func (fs *Faults) Forget() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.requests = nil
}

// faultFor is the fault that acts on a request; nil for none.
func (fs *Faults) faultFor(r *http.Request) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.faults {
		if f.Method != "" && f.Method != r.Method || !strings.Contains(r.URL.Path, f.Path) {
			continue
		}
		f.seen++
		if f.seen > f.After && (f.Times == 0 || f.seen <= f.After+f.Times) {
			return f
		}
	}
	return nil
}

// serve answers a request as next does, with the fault that it meets.
func (fs *Faults) serve(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	status := 0
	f := fs.faultFor(r)
	record := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Proto: r.Proto, Header: r.Header.Clone()}
	fs.mu.Lock()
	at := len(fs.requests)
	fs.requests = append(fs.requests, record)
	fs.mu.Unlock()
	defer func() {
		fs.mu.Lock()
		if at < len(fs.requests) {
			fs.requests[at].Status = status
		}
		fs.mu.Unlock()
	}()
	if f == nil {
		f = &Fault{}
	}
	if f.Do != nil {
		f.Do()
	}
	if f.CutBefore {
		panic(http.ErrAbortHandler)
	}
	answer := &recorder{header: http.Header{}, status: http.StatusOK}
	if f.Status != 0 {
		f.answer(answer)
	} else {
		next(answer, r)
	}
	status = answer.status
	f.send(w, r, answer)
}

// answer writes the answer that a fault gives instead of the registry.
func (f *Fault) answer(w *recorder) {
	if f.RetryAfter != "" {
		w.header.Set("Retry-After", f.RetryAfter)
	}
	if f.Location != "" {
		w.header.Set("Location", f.Location)
	}
	body := f.Body
	if body == "" && f.Status >= 400 {
		w.header.Set("Content-Type", "application/json")
		body = `{"errors":[{"code":"TOOMANYREQUESTS","message":"a fault of the test"}]}`
	}
	w.WriteHeader(f.Status)
	w.body.WriteString(body)
}

// send sends an answer, damaged as the fault says.
func (f *Fault) send(w http.ResponseWriter, r *http.Request, answer *recorder) {
	if f.Cut {
		panic(http.ErrAbortHandler)
	}
	body := answer.body.Bytes()
	if f.Wrong && len(body) > 0 {
		body = bytes.Clone(body)
		body[len(body)/2] ^= 1
	}
	if f.Longer && r.Method != http.MethodHead {
		body = append(bytes.Clone(body), 'x')
		answer.header.Del("Content-Length")
	}
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	if f.Drop != "" {
		w.Header().Del(f.Drop)
		w.Header()[f.Drop] = nil // keeps net/http from adding it
	}
	if f.Stall > 0 && f.CutAfter == 0 {
		pause(r, f.Stall)
	}
	w.WriteHeader(answer.status)
	if f.Drop == "Content-Length" {
		_ = http.NewResponseController(w).Flush() // makes the body one of unknown length
	}
	if f.CutAfter > 0 && f.CutAfter < len(body) && r.Method != http.MethodHead {
		_, _ = w.Write(body[:f.CutAfter])
		_ = http.NewResponseController(w).Flush()
		pause(r, f.Stall)
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body) // a client that has gone needs no answer
}

func pause(r *http.Request, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-timer.C:
	}
}

// recorder holds an answer until a fault has had its way.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(p []byte) (int, error) { return w.body.Write(p) }
