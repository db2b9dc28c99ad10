package main

import (
	"fmt"
	"io"
	"log"
	"strings"
	"sync"
	"time"

	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/layout/registry/serve"
)

// accessLog writes one line for each request, and for what goes wrong beside them.
type accessLog struct {
	// quiet leaves out requests that went well.
	quiet bool

	mu sync.Mutex
	to io.Writer
}

// event writes the line of a request.
func (l *accessLog) event(e serve.Event) {
	if l.quiet && e.Status < 500 {
		return
	}
	user := e.User
	if user == "" {
		user = "-"
	}
	line := fmt.Sprintf("%s %s %s %s %s %d %d %s", e.Start.UTC().Format(time.RFC3339), e.Remote, user, e.Method, e.Path, e.Status, e.Bytes, e.Duration.Round(time.Microsecond))
	if e.Err != nil && e.Status >= 500 {
		line += ": " + e.Err.Error()
	}
	l.line(line)
}

// failed writes what went wrong beside requests.
func (l *accessLog) failed(err error) {
	l.line(time.Now().UTC().Format(time.RFC3339) + " layform: " + err.Error())
}

// line writes one line. Nothing is left to be done about one that cannot be written.
func (l *accessLog) line(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = writeTo(l.to, printable.Line(text)+"\n")
}

// Write takes lines from the HTTP server.
func (l *accessLog) Write(p []byte) (int, error) {
	if !l.quiet {
		l.line(time.Now().UTC().Format(time.RFC3339) + " layform: " + strings.TrimSuffix(string(p), "\n"))
	}
	return len(p), nil
}

// server is the log for an http.Server.
func (l *accessLog) server() *log.Logger { return log.New(l, "", 0) }
