package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// maxHeader is the longest header of a request in bytes.
const maxHeader = 32 << 10

// Server is an HTTP server of the Handler with its limits of time and size. The caller
// may set ErrorLog and TLSConfig, and gives it to Serve.
func (h *Handler) Server() *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: h.opts.Limits.Header, IdleTimeout: h.opts.Limits.Idle, MaxHeaderBytes: maxHeader,
		ConnState: h.conns.changed,
	}
}

// Serve answers on a listener until ctx ends, over TLS where the server has a
// TLSConfig. Then it takes no request any more, and ends when those that run are
// answered: at the latest after Limits.Grace, with an error that says so. The listener
// is closed.
func (h *Handler) Serve(ctx context.Context, server *http.Server, l net.Listener) error {
	if server.TLSConfig != nil {
		server.TLSConfig = server.TLSConfig.Clone()
		server.TLSConfig.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, server.TLSConfig)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	h.stopping.Store(true)
	h.conns.closeIdle()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.opts.Limits.Grace)
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(errors.New("requests that were still running were cut off"), server.Close())
	}
	<-ended
	return err
}

// connections are the connections of a server. When there are more than limit, the one
// that has waited for a request for the longest is closed.
type connections struct {
	limit int

	mu   sync.Mutex
	open map[net.Conn]time.Time // since when it waits; zero for one with a request
}

// changed notes the state of a connection.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[net.Conn]time.Time{}
	}
	switch state {
	case http.StateNew, http.StateIdle:
		c.open[conn] = time.Now()
	case http.StateActive:
		c.open[conn] = time.Time{}
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
	if state == http.StateNew && len(c.open) > c.limit {
		c.closeOne(conn)
	}
}

// closeOne closes the connection that has waited longest, or the new one where all
// others are at work.
func (c *connections) closeOne(oldest net.Conn) {
	for conn, since := range c.open {
		if !since.IsZero() && since.Before(c.open[oldest]) {
			oldest = conn
		}
	}
	delete(c.open, oldest)
	drop(oldest)
}

// drop closes a connection at once: over TLS, a farewell could wait for the client. The
// server finds it closed.
func drop(conn net.Conn) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	_ = conn.Close()
}

// closeIdle closes those that wait, new ones included, which http.Server leaves open
// for some seconds.
func (c *connections) closeIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn, since := range c.open {
		if !since.IsZero() {
			drop(conn)
		}
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
