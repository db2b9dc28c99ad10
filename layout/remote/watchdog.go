package remote

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// enoughProgress is how many bytes count as progress: fewer in Limits.Idle are a
// connection that only pretends to be alive.
const enoughProgress = 4 << 10

// uploadRate is the slowest rate in bytes a second at which a registry may store
// what it received, before it answers.
const uploadRate = 8 << 20

// idleError is the error of a connection that made no progress.
type idleError struct {
	doing string
	limit time.Duration
}

func (e *idleError) Error() string {
	return fmt.Sprintf("no progress for %s while %s", e.limit, e.doing)
}

// Timeout makes the error one by the rules of net.Error.
func (e *idleError) Timeout() bool { return true }

// Temporary belongs to net.Error.
func (e *idleError) Temporary() bool { return true }

// watchdog ends attempts that make no progress: connecting, sending, waiting for
// the answer, reading it.
type watchdog struct {
	next   http.RoundTripper
	limits Limits
	event  func(Event)
}

const readingAnswer = "reading the answer"

// watch is the time limit of one attempt.
type watch struct {
	limits   Limits
	cancel   context.CancelCauseFunc
	mu       sync.Mutex
	timer    *time.Timer
	now      idleError // what the timer waits for
	bytes    int64     // since it was set
	expired  *idleError
	answered bool
}

func (w *watchdog) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	one := &watch{limits: w.limits, cancel: cancel}
	one.timer = time.AfterFunc(time.Hour, one.expire)
	one.begin("connecting", 2*w.limits.Dial+w.limits.Idle)
	header := w.limits.Header + time.Duration(max(0, req.ContentLength)/uploadRate)*time.Second
	watched := req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { one.begin("sending the request", w.limits.Idle) },
		WroteRequest: func(httptrace.WroteRequestInfo) { one.begin("waiting for the answer", header) },
	}))
	if req.Body != nil && req.Body != http.NoBody {
		watched.Body = &watchedBody{ReadCloser: req.Body, watch: one}
	}
	resp, err := w.next.RoundTrip(watched)
	e := Event{Kind: EventRequest, Method: req.Method, Host: req.URL.Host, Path: req.URL.Path}
	if err != nil {
		err = one.explain(err)
		one.end()
		if req.Body != nil {
			_ = req.Body.Close() // closed already by every transport that got it
		}
		e.Text = withoutQueries(err)
		w.event(e)
		return nil, err
	}
	e.Status = resp.StatusCode
	w.event(e)
	one.begin(readingAnswer, w.limits.Idle)
	resp.Request = req
	resp.Body = &watchedBody{ReadCloser: resp.Body, watch: one, last: true}
	return resp, nil
}

// begin sets the timer for what comes next.
func (w *watch) begin(doing string, limit time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.answered || w.expired != nil {
		return
	}
	w.answered = doing == readingAnswer // the request may still be on its way then
	w.now, w.bytes = idleError{doing, limit}, 0
	w.timer.Reset(limit)
}

// progress sets the timer anew once enough bytes have passed.
func (w *watch) progress(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bytes += int64(n); w.bytes >= enoughProgress && w.expired == nil {
		w.bytes = 0
		w.timer.Reset(w.now.limit)
	}
}

func (w *watch) expire() {
	w.mu.Lock()
	e := w.now
	w.expired = &e
	w.mu.Unlock()
	w.cancel(&e)
}

// explain is err, or the time-out that caused it.
func (w *watch) explain(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.expired != nil {
		return w.expired
	}
	return err
}

func (w *watch) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// watchedBody counts the bytes of a body as progress of its watch; the body of the
// answer, which is the last, ends the watch.
type watchedBody struct {
	io.ReadCloser
	watch *watch
	last  bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.watch.progress(n)
	if err != nil && err != io.EOF {
		err = b.watch.explain(err)
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	if b.last {
		b.watch.end()
	}
	return err
}
