package serve

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/layform/layform/layout/registry"
)

// The parts of bodies that must move within Limits.Stall.
const (
	stepIn  = 4 << 10
	stepOut = 256 << 10
)

// answer is the writer of an answer. It counts what it sends, and a client that does
// not take it ends the connection, however long the whole takes.
type answer struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	status  int
	bytes   int64
	// since counts what was sent since the deadline was set.
	since int
}

func newAnswer(w http.ResponseWriter, r *http.Request, stall time.Duration) *answer {
	a := &answer{ResponseWriter: w, control: http.NewResponseController(w), stall: stall}
	if r.ProtoMajor < 2 {
		// A connection may have the deadline of its last request still. A stream has none,
		// and one that passes before there is an answer would reset it: a long upload.
		a.extend()
	}
	return a
}

// extend sets the deadline of the next part. A writer without deadlines, as tests
// have it, needs none.
func (a *answer) extend() {
	a.since = 0
	_ = a.control.SetWriteDeadline(time.Now().Add(a.stall))
}

// Unwrap serves http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader notes the status.
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.extend()
	a.ResponseWriter.WriteHeader(status)
}

// Write sends p.
func (a *answer) Write(p []byte) (int, error) {
	if a.since += len(p); a.status == 0 || a.since > stepOut {
		a.extend()
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	return n, err
}

// ReadFrom sends what r has in parts, each of which the kernel may copy from a file.
func (a *answer) ReadFrom(r io.Reader) (n int64, err error) {
	to, ok := a.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{a}, r)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: r, N: 1<<63 - 1}
	}
	for limited.N > 0 {
		a.extend()
		part := &io.LimitedReader{R: limited.R, N: min(limited.N, stepOut)}
		want := part.N
		m, err := to.ReadFrom(part)
		n, limited.N, a.bytes = n+m, limited.N-m, a.bytes+m
		if err != nil || m < want {
			return n, err
		}
	}
	return n, nil
}

// body is the body of a request that brings content: no longer than its limit, and
// moving. Its errors are of kind *Error, but for those of a client that went.
type body struct {
	r       io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
	// left is how much may come, and since what came since the deadline was set.
	left    int64
	since   int
	tooLong *Error
	began   bool
}

// errGone says that a client went in the middle of its request.
var errGone = errors.New("the client went before its request was complete")

// Read reads at most what is allowed.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		var one [1]byte
		p = one[:]
	}
	if !b.began || b.since >= stepIn {
		b.began, b.since = true, 0
		_ = b.control.SetReadDeadline(time.Now().Add(b.stall))
	}
	if b.left > 0 {
		p = p[:min(int64(len(p)), b.left)]
	}
	n, err := b.r.Read(p)
	b.since += n
	switch {
	case b.left == 0 && n > 0:
		return 0, b.tooLong
	case err == io.EOF:
		// Else the server takes the deadline for the end of the connection.
		_ = b.control.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = &Error{Status: http.StatusRequestTimeout, Code: registry.CodeBlobUploadInvalid, Message: "the content of the request did not come in time", err: err}
	case err != nil:
		err = errors.Join(errGone, err)
	}
	b.left -= int64(n)
	return n, err
}
