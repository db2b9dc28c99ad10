package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The growing wait between attempts: firstWait doubled each time, up to lastWait.
const (
	firstWait = 250 * time.Millisecond
	lastWait  = 10 * time.Second
)

// budget bounds the retries of one operation: the sum of its waits and the attempts in
// a row, over all of its requests.
type budget struct {
	mu       sync.Mutex
	left     time.Duration // of the waits
	failures int           // in a row
	most     int
}

type budgetKey struct{}

// withBudget is ctx with a budget: the one that is there, so that nested
// operations share it, or a fresh one.
func (c *Client) withBudget(ctx context.Context) (context.Context, *budget) {
	if b, ok := ctx.Value(budgetKey{}).(*budget); ok {
		return ctx, b
	}
	b := &budget{left: c.limits.Wait, most: c.limits.Attempts}
	return context.WithValue(ctx, budgetKey{}, b), b
}

// next is the wait before the next attempt; false where there is none.
func (b *budget) next(retryAfter time.Duration) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	if b.failures >= b.most {
		return 0, false
	}
	wait := min(firstWait<<(b.failures-1), lastWait)
	wait = max(retryAfter, wait/2+rand.N(wait)) // jitter: clients that failed together come back apart
	if wait > b.left {
		return 0, false
	}
	b.left -= wait
	return wait, true
}

// progress is called when an attempt got further than those before.
func (b *budget) progress() {
	b.mu.Lock()
	b.failures = 0
	b.mu.Unlock()
}

// again waits until the next attempt. It is false when there is none, because
// the budget is spent or ctx has ended.
func (c *Client) again(ctx context.Context, about *http.Request, retryAfter time.Duration, why string) bool {
	ctx, b := c.withBudget(ctx)
	wait, ok := b.next(retryAfter)
	if !ok || ctx.Err() != nil {
		return false
	}
	e := Event{Kind: EventRetry, Host: c.host, Wait: wait, Text: why}
	if about != nil {
		e.Method, e.Host, e.Path = about.Method, about.URL.Host, about.URL.Path
	}
	c.event(e)
	if c.sleep != nil {
		return c.sleep(ctx, wait) == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// repeater sends a request again, with its body from the start, when the attempt
// before shows that this may help.
type repeater struct {
	next   http.RoundTripper
	client *Client
}

func (t *repeater) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, _ := t.client.withBudget(req.Context())
	for {
		resp, err := t.next.RoundTrip(req)
		var after time.Duration
		var why string
		switch {
		case err != nil && worthRepeating(err):
			why = withoutQueries(err)
		case err == nil && busy(resp.StatusCode):
			why, after = fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)), retryAfter(resp)
		default:
			return resp, err
		}
		if req.Body != nil && req.GetBody == nil || !t.client.again(ctx, req, after, why) {
			return resp, err
		}
		if resp != nil {
			drain(resp)
		}
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, err
			}
			req = req.Clone(req.Context())
			req.Body = body
		}
	}
}

// drain reads the rest of a small answer, so that its connection is used again.
func drain(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 8<<10) // what fails here fails the connection, which nobody needs then
	_ = resp.Body.Close()
}

// busy reports whether a status says that another attempt may help.
func busy(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// retryAfter is the wait that a Retry-After header asks for, in seconds or as a date.
func retryAfter(resp *http.Response) time.Duration {
	v := resp.Header.Get("Retry-After")
	if s, err := strconv.ParseInt(v, 10, 32); err == nil {
		return max(0, time.Duration(s)*time.Second)
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(t))
	}
	return 0
}

// worthRepeating reports whether an attempt that failed with err may succeed the
// next time: the connection broke or was too slow.
func worthRepeating(err error) bool {
	var timeout net.Error
	var op *net.OpError
	var dns *net.DNSError
	switch {
	case errors.As(err, new(untrusted)), errors.As(err, new(exceeded)), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &dns):
		return dns.IsTemporary || dns.IsTimeout
	case errors.As(err, new(*idleError)):
		return true
	case errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &timeout) && timeout.Timeout():
		return true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return true
	case errors.As(err, &op):
		return op.Op == "read" || op.Op == "write"
	}
	text := err.Error() // errors of net/http's HTTP/2 have no types that can be named
	return strings.HasPrefix(text, "http2: ") || strings.HasPrefix(text, "stream error: ") || strings.Contains(text, "server closed idle connection")
}
