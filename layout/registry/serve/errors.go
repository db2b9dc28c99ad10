package serve

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/registry"
)

// The error codes that a server has beside those of package registry.
const (
	codeUnauthorized    registry.Code = "UNAUTHORIZED"
	codeTooManyRequests registry.Code = "TOOMANYREQUESTS"
	codeRangeInvalid    registry.Code = "RANGE_INVALID"
	codeNumberInvalid   registry.Code = "PAGINATION_NUMBER_INVALID"
	codeUnknown         registry.Code = "UNKNOWN"
)

// Error is the answer to a request that fails: a status with one error of the
// distribution spec. Detail is left out where it is nil.
type Error struct {
	Status  int           `json:"-"`
	Code    registry.Code `json:"code"`
	Message string        `json:"message"`
	Detail  any           `json:"detail,omitempty"`

	// header is set on the answer.
	header http.Header
	// err is the cause, which the log has and no client sees.
	err error
}

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause, which may be nil.
func (e *Error) Unwrap() error { return e.err }

func newError(status int, code registry.Code, message string) *Error {
	return &Error{Status: status, Code: code, Message: message}
}

// with sets a header of the answer.
func (e *Error) with(name, value string) *Error {
	if e.header == nil {
		e.header = http.Header{}
	}
	e.header.Set(name, value)
	return e
}

// tooMany is the answer to a request beyond a limit. It is a 429 and no 503: clients
// try again after the one, and most give up after the other.
func tooMany(message string) *Error {
	return newError(http.StatusTooManyRequests, codeTooManyRequests, message).with("Retry-After", "1")
}

// internal is the answer where something is wrong with the server or its disk.
func internal(err error) *Error {
	return &Error{Status: http.StatusInternalServerError, Code: codeUnknown, Message: "the registry could not do this; its log says why", err: err}
}

// statuses are the statuses of errors of package registry.
var statuses = map[registry.Code]int{
	registry.CodeNameInvalid:         http.StatusBadRequest,
	registry.CodeNameUnknown:         http.StatusNotFound,
	registry.CodeManifestUnknown:     http.StatusNotFound,
	registry.CodeManifestInvalid:     http.StatusBadRequest,
	registry.CodeManifestBlobUnknown: http.StatusNotFound,
	registry.CodeBlobUnknown:         http.StatusNotFound,
	registry.CodeBlobUploadUnknown:   http.StatusNotFound,
	registry.CodeBlobUploadInvalid:   http.StatusBadRequest,
	registry.CodeDigestInvalid:       http.StatusBadRequest,
	registry.CodeSizeInvalid:         http.StatusBadRequest,
	registry.CodeTagInvalid:          http.StatusBadRequest,
	registry.CodeDenied:              http.StatusForbidden,
	registry.CodeUnsupported:         http.StatusBadRequest,
}

// asError gives the answer to an error.
func (x *exchange) asError(err error) *Error {
	var ready *Error
	if errors.As(err, &ready) {
		return ready
	}
	var known *registry.Error
	var condition *registry.PreconditionError
	var locked *layout.LockedError
	var blob *layout.BlobError
	switch {
	case x.gone(err):
		return &Error{Status: statusGone, err: err}
	case errors.As(err, &known):
		return x.answerTo(known)
	case errors.As(err, &condition):
		e := newError(http.StatusPreconditionFailed, registry.CodeDenied, condition.Error())
		e.Detail = map[string]digest.Digest{"digest": condition.Have}
		return e
	case errors.As(err, &locked):
		e := tooMany("the layout is being written by another process: try again")
		e.err = err
		return e
	case errors.Is(err, syscall.ENOSPC):
		return &Error{Status: http.StatusInsufficientStorage, Code: codeUnknown, Message: "the disk of the registry is full", err: err}
	case errors.As(err, &blob):
		e := internal(err)
		e.Message = "the blob " + blob.Digest.String() + " of the registry is damaged, and is not given away"
		return e
	}
	return internal(err)
}

// answerTo gives the answer to an error in the words of the distribution spec.
func (x *exchange) answerTo(known *registry.Error) *Error {
	status, ok := statuses[known.Code]
	if !ok {
		return internal(known)
	}
	if known.Code == registry.CodeDenied && x.r.Method == http.MethodDelete && !errors.Is(known, registry.ErrImmutable) {
		status = http.StatusConflict // it is in use
	}
	e := &Error{Status: status, Code: known.Code, Message: known.Error(), err: known.Err}
	if len(known.Digests) > 0 {
		list := make([]map[string]digest.Digest, len(known.Digests))
		for i, d := range known.Digests {
			list[i] = map[string]digest.Digest{"digest": d}
		}
		e.Detail = list
	}
	return e
}

// write sends the answer. What the handler set for a success is taken away.
func (e *Error) write(w http.ResponseWriter) {
	body, err := json.Marshal(map[string][]*Error{"errors": {e}})
	if err != nil { // a detail that JSON does not have
		body = []byte(`{"errors":[{"code":"` + string(e.Code) + `"}]}`)
	}
	h := w.Header()
	for _, name := range []string{"Etag", "Accept-Ranges", "Last-Modified", "Docker-Content-Digest"} {
		h.Del(name)
	}
	for name, values := range e.header {
		h[name] = values
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// writeJSON sends a document with status 200.
func writeJSON(w http.ResponseWriter, r *http.Request, body []byte) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that has gone needs no answer
	}
}
