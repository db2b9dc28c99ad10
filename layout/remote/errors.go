package remote

import (
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/printable"
)

// Failure is the context of a failed request, part of each error of this package.
type Failure struct {
	Host       string
	Repository string
	Reference  string // tag, digest, or empty
	Doing      string // "read the manifest"
	Status     int    // of HTTP; 0 without an answer
	Code       string // of the distribution spec, or empty
	Message    string // what the registry said, or what is wrong
	Err        error  // cause, or nil
}

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Err }

// place writes the object, as a user would.
func (f *Failure) place() string {
	s := f.Host
	if f.Repository != "" {
		s += "/" + f.Repository
	}
	switch {
	case f.Reference == "":
		return s
	case strings.Contains(f.Reference, ":"):
		return s + "@" + f.Reference
	}
	return s + ":" + f.Reference
}

// sentence writes place, what was tried, what is wrong, and what to do.
func (f *Failure) sentence(what, advice string) string {
	s := f.place() + ": cannot " + f.Doing + ": " + what
	var detail []string
	if f.Status != 0 {
		detail = append(detail, fmt.Sprintf("status %d", f.Status))
	}
	if f.Code != "" {
		detail = append(detail, f.Code)
	}
	if len(detail) > 0 {
		s += " (" + strings.Join(detail, " ") + ")"
	}
	if f.Message != "" {
		s += ": " + f.Message
	}
	return s + "; " + advice
}

// NotFoundError says that the registry holds no such repository, tag, manifest or
// blob. It is errdef.ErrNotFound, too.
type NotFoundError struct{ Failure }

// Error gives the place, what is wrong, and what to do.
func (e *NotFoundError) Error() string {
	return e.sentence("not found", "check the name, and whether it has been pushed; some registries say this instead of asking for a login")
}

// Unwrap gives oras-go's sentinel and the cause.
func (e *NotFoundError) Unwrap() []error { return causes(errdef.ErrNotFound, e.Err) }

// DeniedError says that the registry refuses who asks: with status 401 because
// there is no credential or a wrong one, with 403 because it lacks the rights,
// with 405 because the registry is read-only.
type DeniedError struct{ Failure }

// Error gives the place, what is wrong, and what to do.
func (e *DeniedError) Error() string {
	switch e.Status {
	case http.StatusUnauthorized:
		return e.sentence("not logged in, or the credentials are wrong", "log in to "+e.Host+", or name the file that holds the credentials")
	case http.StatusMethodNotAllowed:
		return e.sentence("the registry is read-only", "write to another registry, or allow writes there")
	}
	return e.sentence("no permission", "ask the owner of "+e.Host+"/"+e.Repository+" for the rights, or log in as somebody who has them")
}

// OfflineError says that a registry would have been asked, and connections are forbidden.
type OfflineError struct {
	Failure
	// Method and URL are those of the first request.
	Method, URL string
}

// Error gives the place, what would have been asked, and what to do.
func (e *OfflineError) Error() string {
	return e.sentence(fmt.Sprintf("connections are forbidden, and %s %s would have been asked", e.Method, e.URL), "allow them, or take what is needed from a layout or an archive")
}

// PreconditionError says that a tag is not what the caller said it must be before
// it is changed. Nothing was changed, but for what Failure.Message says.
type PreconditionError struct {
	Failure
	Tag  string
	Want digest.Digest // empty: the tag was to be absent
	Have digest.Digest // empty: it is absent, or could not be read
}

// Error gives the place, what is wrong, and what to do.
func (e *PreconditionError) Error() string {
	name := func(d digest.Digest) string {
		if d == "" {
			return "absent"
		}
		return d.String()
	}
	return e.sentence("the tag "+e.Tag+" is "+name(e.Have)+", not "+name(e.Want), "somebody else moved it: look again, then decide")
}

// LimitError says that a registry sent, or was to be sent, more than Limits allow.
type LimitError struct{ Failure }

// Error gives the place, what is wrong, and what to do.
func (e *LimitError) Error() string {
	return e.sentence("more than is accepted", "if the registry is to be trusted, raise the limit")
}

// UnavailableError says that a registry could not be reached, or answered too
// slowly or with 429 or a 5xx, until Limits.Attempts or Limits.Wait were spent.
type UnavailableError struct {
	Failure
	RetryAfter time.Duration // what the last answer asked for, or 0
}

// Error gives the place, what is wrong, and what to do.
func (e *UnavailableError) Error() string {
	switch {
	case errors.As(e.Err, new(x509.UnknownAuthorityError)):
		return e.sentence("the certificate has an unknown issuer", "name the file with the root certificate of "+e.Host)
	case errors.As(e.Err, new(x509.HostnameError)), errors.As(e.Err, new(x509.CertificateInvalidError)):
		return e.sentence("the certificate is not valid", "check the name of the registry, and the clocks")
	case e.Err != nil && strings.Contains(e.Err.Error(), "server gave HTTP response to HTTPS client"):
		return e.sentence("it does not speak https", "allow plain http for it, if the network is to be trusted")
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return e.sentence("no connection", "check host and port, and whether the registry runs")
	case e.Status == http.StatusTooManyRequests && e.RetryAfter > 0:
		return e.sentence("too many requests", fmt.Sprintf("try again in %s, or log in: limits are often higher then", e.RetryAfter))
	case e.Status == http.StatusTooManyRequests:
		return e.sentence("too many requests", "try again later, or log in: limits are often higher then")
	}
	return e.sentence("the registry is not available", "check the network, and try again later")
}

// ContentError says that content is not what its descriptor, its digest or the
// spec says: bytes, length or media type.
type ContentError struct{ Failure }

// Error gives the place, what is wrong, and what to do.
func (e *ContentError) Error() string {
	return e.sentence("wrong content", "try again; if it stays, the registry or a proxy in front of it is damaged")
}

// UntrustedError says that a registry tried to send the client, or its
// credentials, where they may not go.
type UntrustedError struct{ Failure }

// Error gives the place, what is wrong, and what to do.
func (e *UntrustedError) Error() string {
	return e.sentence("refused to follow the registry", "ask its owner: behind a proxy it has to know its own address, by X-Forwarded-Proto and Host")
}

// UnsupportedError says that a registry does not have an operation, or has
// switched it off. It is errdef.ErrUnsupported, too.
type UnsupportedError struct{ Failure }

// Error gives the place, what is wrong, and what to do.
func (e *UnsupportedError) Error() string {
	return e.sentence("the registry does not allow this operation", "enable it there, or use the registry's own interface")
}

// Unwrap gives oras-go's sentinel and the cause.
func (e *UnsupportedError) Unwrap() []error { return causes(errdef.ErrUnsupported, e.Err) }

// RefusedError says that a registry refuses a request as wrong.
type RefusedError struct {
	Failure
	Missing []digest.Digest // content that a manifest needs and the registry lacks
}

// Error gives the place, what is wrong, and what to do.
func (e *RefusedError) Error() string {
	switch {
	case len(e.Missing) > 0:
		return e.sentence(fmt.Sprintf("the registry lacks %s", e.Missing[0]), "push what the manifest refers to first")
	case e.Status == http.StatusRequestEntityTooLarge:
		return e.sentence("too large for the registry", "raise the limit of the registry or of the proxy in front of it")
	}
	return e.sentence("the registry refuses it", "see what it says, and its documentation")
}

func causes(sentinel, cause error) []error {
	if cause == nil {
		return []error{sentinel}
	}
	return []error{sentinel, cause}
}

// untrusted is the cause of an UntrustedError, exceeded that of a LimitError; both
// come out of net/http, which wraps them.
type untrusted struct{ text string }

func (e untrusted) Error() string { return e.text }

type exceeded struct {
	format string
	limit  int64
}

func (e exceeded) Error() string { return fmt.Sprintf(e.format, e.limit) }

// failed makes the error for an operation that got no answer.
func (f Failure) failed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: cannot %s: %w", f.place(), f.Doing, context.Cause(ctx))
	}
	if typed(err) {
		return err
	}
	var limit exceeded
	var denied *errcode.ErrorResponse
	f.Err, f.Message = withoutURL(err), withoutQueries(err)
	text := err.Error()
	switch {
	case errors.As(err, &limit):
		return &LimitError{f}
	case errors.As(err, new(encodingError)), errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return &ContentError{f}
	case errors.As(err, new(untrusted)), strings.Contains(text, "bearer realm"), strings.Contains(text, "token request"):
		return &UntrustedError{f}
	case errors.Is(err, auth.ErrBasicCredentialNotFound):
		f.Status, f.Message = http.StatusUnauthorized, "no credentials for "+f.Host
		return &DeniedError{f}
	case errors.As(err, &denied):
		f.Err, f.Status, f.Code, f.Message = nil, denied.StatusCode, "", "the token service of the registry said no"
		if len(denied.Errors) > 0 {
			f.Code, f.Message = clean(denied.Errors[0].Code), clean(denied.Errors[0].Message)
		}
		if s := denied.StatusCode; busy(s) || s == http.StatusUnauthorized || s == http.StatusForbidden {
			return f.answered(0, nil)
		}
		return &RefusedError{Failure: f} // a token that is not found says nothing of what it is for
	}
	return &UnavailableError{Failure: f}
}

// answered makes the error for an answer with the status of f.
func (f Failure) answered(after time.Duration, missing []digest.Digest) error {
	switch s := f.Status; {
	case s == http.StatusNotFound:
		return &NotFoundError{f}
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusMethodNotAllowed && f.Code == errcode.ErrorCodeDenied:
		return &DeniedError{f}
	case s == http.StatusMethodNotAllowed, s == http.StatusNotImplemented:
		return &UnsupportedError{f}
	case s == http.StatusTooManyRequests, s == http.StatusRequestTimeout, s >= 500:
		return &UnavailableError{f, after}
	}
	return &RefusedError{f, missing}
}

// typed reports whether err is one of this package's already.
func typed(err error) bool {
	var place interface{ place() string }
	return errors.As(err, &place)
}

// withoutURL is err without the wrappings that hold URLs.
func withoutURL(err error) error {
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			break
		}
		err = u.Err
	}
	if urlQuery().MatchString(err.Error()) {
		return nil
	}
	return err
}

var urlQuery = imagespec.Pattern(`([A-Za-z][A-Za-z0-9+.-]*://[^\s"'?#]*)[?#][^\s"']*`)

// withoutQueries is the text of err without the queries of URLs.
func withoutQueries(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return clean(urlQuery().ReplaceAllString(err.Error(), "$1"))
}

// clean makes what a registry said fit for a message: one line, printable, and
// not too long.
func clean(s string) string {
	const most = 300
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + " …"
	}
	return printable.Line(s)
}
