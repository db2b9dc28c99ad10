package serve

import (
	"bytes"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// counters count what a Handler did.
type counters struct {
	running  atomic.Int64
	sent     atomic.Int64
	received atomic.Int64

	mu       sync.Mutex
	requests map[requestKind]*requestCount
}

// requestKind is what requests are counted by: few values each, whatever clients send.
type requestKind struct {
	endpoint, method string
	status           int
}

type requestCount struct {
	number int64
	took   time.Duration
}

func (c *counters) begin() { c.running.Add(1) }

// end counts a request that was answered.
func (c *counters) end(x *exchange, status int, took time.Duration) {
	c.running.Add(-1)
	c.sent.Add(x.w.bytes)
	kind := requestKind{endpoint: "other", method: x.r.Method, status: status}
	if x.known {
		kind.endpoint = x.at.Endpoint.String()
	} else if x.r.URL.Path == tokenPath {
		kind.endpoint = "token"
	}
	switch kind.method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		kind.method = "other"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		c.requests = map[requestKind]*requestCount{}
	}
	if c.requests[kind] == nil {
		c.requests[kind] = &requestCount{}
	}
	c.requests[kind].number++
	c.requests[kind].took += took
}

// Metrics answers with what the Handler did so far, in the text form of Prometheus.
func (h *Handler) Metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var out bytes.Buffer
		h.counters.write(&out)
		metric(&out, "layform_connections", "gauge", "Connections that are open.", int64(h.conns.count()))
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
		_, _ = w.Write(out.Bytes()) // a client that has gone needs no answer
	})
}

func metric(out *bytes.Buffer, name, kind, help string, value int64) {
	fmt.Fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", name, help, name, kind, name, value)
}

func (c *counters) write(out *bytes.Buffer) {
	metric(out, "layform_requests_running", "gauge", "Requests that are being answered.", c.running.Load())
	metric(out, "layform_sent_bytes_total", "counter", "Bytes in the bodies of answers.", c.sent.Load())
	metric(out, "layform_received_bytes_total", "counter", "Bytes of uploads.", c.received.Load())
	var requests, seconds []string
	c.mu.Lock()
	for kind, count := range c.requests {
		labels := fmt.Sprintf("{endpoint=%q,method=%q,status=\"%d\"}", kind.endpoint, kind.method, kind.status)
		requests = append(requests, fmt.Sprintf("layform_requests_total%s %d\n", labels, count.number))
		seconds = append(seconds, fmt.Sprintf("layform_request_seconds_total%s %g\n", labels, count.took.Seconds()))
	}
	c.mu.Unlock()
	sort.Strings(requests)
	sort.Strings(seconds)
	out.WriteString("# HELP layform_requests_total Requests that were answered.\n# TYPE layform_requests_total counter\n")
	for _, line := range requests {
		out.WriteString(line)
	}
	out.WriteString("# HELP layform_request_seconds_total Time that their answers took.\n# TYPE layform_request_seconds_total counter\n")
	for _, line := range seconds {
		out.WriteString(line)
	}
}
