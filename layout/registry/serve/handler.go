package serve

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/registry"
)

// Options shape a Handler. The zero value serves what the registry allows to everybody
// who can connect.
type Options struct {
	// Users, where it is set, are those who may use the registry; the others may not
	// even read, unless AnonymousRead is set.
	Users *Users
	// AnonymousRead lets everybody read and asks for a user to write. Clients get their
	// tokens at /token then: with passwords in every request some of them cannot pull
	// without one, or not push with one.
	AnonymousRead bool
	// External is the URL under which clients reach the handler, where a proxy stands
	// between them; empty to take it from each request. It is used for /token.
	External string
	// Local refuses requests that were not sent to localhost, to an address of the loopback
	// interface or to External, and those of pages in browsers: without users, a page could
	// write to the registry of whoever looks at it, and read it by DNS rebinding.
	Local bool
	// Namespaces give the repository prefix for a registry that clients reach through
	// this one as a mirror: docker.io → hub. Repositories of others keep their names.
	Namespaces map[string]string
	// Redirect, where it is set, gives another place of a blob, such as a CDN.
	Redirect func(r *http.Request, repo string, desc ocispec.Descriptor) (url string, ok bool)
	// Limits bound what clients can ask for.
	Limits Limits
	// Event, where it is set, gets each request when it was answered. It is called by
	// several goroutines at once.
	Event func(Event)
	// HowToWrite is the sentence that a client gets which writes to a registry that is
	// read-only; empty for one that fits all.
	HowToWrite string
}

// Event is a request that was answered.
type Event struct {
	Start    time.Time
	Duration time.Duration
	// Remote is the address of the client, and User its name where it had to say one.
	Remote, User string
	// Method and Path are those of the request; Path is escaped, and without a query.
	Method, Path string
	// Status is that of the answer, 499 where the client went before it, and Bytes the
	// number that it had in its body.
	Status int
	Bytes  int64
	// Err is why a request failed where the client was not told all; nil otherwise.
	Err error
}

// statusGone is the status in events of a request whose client went.
const statusGone = 499

// Mount is a registry in the place that a Handler gives it: below a prefix, or at the
// root where the prefix is empty. There is at most one of a prefix.
type Mount struct {
	// Prefix is the first part of its repository names, in front of a slash.
	Prefix   string
	Registry *registry.Registry
	// Default is the repository whose name below the prefix is the prefix alone.
	Default string
}

// Handler answers the distribution spec from registries. It is an http.Handler; Server
// makes the HTTP server that it wants to be used with.
type Handler struct {
	mounts   []Mount
	opts     Options
	gate     gate
	counters counters
	requests slots
	uploads  slots
	// manifests bounds the manifests that are in memory at once.
	manifests slots
	// stopping is set when no request is begun any more.
	stopping atomic.Bool
	conns    connections
}

// manifestsAtOnce is the number of manifests that are taken in at once.
const manifestsAtOnce = 32

// New makes the Handler of one registry.
func New(reg *registry.Registry, opts Options) *Handler {
	return NewMounted([]Mount{{Registry: reg}}, opts)
}

// NewMounted makes the Handler of several registries.
func NewMounted(mounts []Mount, opts Options) *Handler {
	opts.Limits = opts.Limits.withDefaults()
	h := &Handler{
		mounts: slices.Clone(mounts), opts: opts, gate: gate{users: opts.Users, external: strings.TrimSuffix(opts.External, "/")},
		requests: make(slots, opts.Limits.Requests), uploads: make(slots, opts.Limits.Uploads), manifests: make(slots, manifestsAtOnce),
	}
	h.conns.limit = opts.Limits.Connections
	if opts.Users != nil && opts.AnonymousRead {
		h.gate.tokens = newTokens()
	}
	return h
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{h: h, w: newAnswer(w, r, h.opts.Limits.Stall), r: r, start: time.Now()}
	h.counters.begin()
	defer x.end()
	x.w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	x.w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.ContentLength != 0 && r.ProtoMajor < 2 {
		// What is not read of it is thrown away after the answer, and that ends too.
		_ = x.w.control.SetReadDeadline(time.Now().Add(h.opts.Limits.Stall))
	}
	if err := x.serve(); err != nil {
		x.fail(err)
	}
}

// exchange is a request with its answer.
type exchange struct {
	h     *Handler
	w     *answer
	r     *http.Request
	at    route
	start time.Time
	user  string
	// err is what the client was not told.
	err error
	// known is set when the path was understood.
	known bool
}

// serve finds out what is asked for, whether it may be done, and does it.
func (x *exchange) serve() error {
	if x.h.stopping.Load() {
		x.w.Header().Set("Connection", "close")
		return tooMany("the registry is stopping")
	}
	if !x.h.requests.take() {
		return tooMany("the registry answers as many requests as it may at once")
	}
	defer x.h.requests.give()
	if x.h.opts.Local && !x.h.local(x.r) {
		return newError(http.StatusForbidden, registry.CodeDenied, "this registry is for programs of its own machine: use localhost or 127.0.0.1 as its host")
	}
	if x.r.URL.Path == tokenPath && x.h.gate.tokens != nil {
		return orNil(x.h.gate.serveToken(x.w, x.r))
	}
	at, bad := parsePath(x.r.Method, x.r.URL.EscapedPath())
	if bad != nil {
		return bad
	}
	x.at, x.known = at, true
	if !slices.Contains(methods[at.Endpoint], x.r.Method) {
		return wrongMethod(methods[at.Endpoint])
	}
	if x.user, bad = x.h.gate.check(x.r, at); bad != nil {
		return bad
	}
	return x.dispatch()
}

// orNil makes no error of kind error out of no *Error.
func orNil(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

// dispatch calls what serves the endpoint.
func (x *exchange) dispatch() error {
	switch x.at.Endpoint {
	case endpointBase:
		return x.serveBase()
	case endpointCatalog:
		return x.serveCatalog()
	}
	repo, err := x.repository()
	if err != nil {
		return err
	}
	if x.writes() && !repo.writable {
		return x.readOnly()
	}
	switch x.at.Endpoint {
	case endpointTags:
		return x.serveTags(repo.Repository)
	case endpointReferrers:
		return x.serveReferrers(repo.Repository)
	case endpointManifest:
		return x.serveManifest(repo.Repository)
	case endpointBlob:
		return x.serveBlob(repo.Repository)
	}
	return x.serveUpload(repo)
}

// writes reports whether a request wants to change something.
func (x *exchange) writes() bool {
	return x.r.Method != http.MethodGet && x.r.Method != http.MethodHead
}

// readOnly is the answer to a write where nothing may be written. 405 with DENIED is
// what makes clients stop, and show the message.
func (x *exchange) readOnly() *Error {
	how := x.h.opts.HowToWrite
	if how == "" {
		how = "this registry is read-only"
	}
	return newError(http.StatusMethodNotAllowed, registry.CodeDenied, how).with("Allow", "GET, HEAD")
}

func wrongMethod(allowed []string) *Error {
	return newError(http.StatusMethodNotAllowed, registry.CodeUnsupported, "this is not done here: the methods are "+strings.Join(allowed, ", ")).
		with("Allow", strings.Join(allowed, ", "))
}

// fail answers with an error. One that came in the middle of a body ends the
// connection, for a client must not take half a body for the whole.
func (x *exchange) fail(err error) {
	e := x.asError(err)
	x.err = e.err
	if e.Status == statusGone || x.w.status != 0 {
		if x.w.status == 0 {
			x.w.status = e.Status
		}
		panic(http.ErrAbortHandler)
	}
	e.write(x.w)
}

// end tells what became of a request.
func (x *exchange) end() {
	status := x.w.status
	if status == 0 {
		status = http.StatusOK
	}
	took := time.Since(x.start)
	x.h.counters.end(x, status, took)
	if x.h.opts.Event == nil {
		return
	}
	x.h.opts.Event(Event{
		Start: x.start, Duration: took, Remote: x.r.RemoteAddr, User: x.user, Method: x.r.Method, Path: x.r.URL.EscapedPath(),
		Status: status, Bytes: x.w.bytes, Err: x.err,
	})
}

// target is a repository, with what the handler has to know beside it.
type target struct {
	*registry.Repository
	registry *registry.Registry
	writable bool
}

// repository finds the repository of a request.
func (x *exchange) repository() (target, error) {
	name := x.at.Repo
	if ns := x.r.URL.Query().Get("ns"); ns != "" {
		if prefix, ok := x.h.opts.Namespaces[ns]; ok {
			name = prefix + "/" + name
			x.w.Header().Set("OCI-Namespace", ns)
		}
	}
	return x.h.locate(name)
}

// locate finds a repository among the mounts.
func (h *Handler) locate(name string) (target, error) {
	for _, m := range h.mounts {
		inner, ok := m.inner(name)
		if !ok {
			continue
		}
		repo, err := m.Registry.Repository(inner)
		return target{repo, m.Registry, m.Registry.Writable()}, err
	}
	return target{}, newError(http.StatusNotFound, registry.CodeNameUnknown, "there is no repository "+name)
}

// inner is the name that a repository has in the mount's registry.
func (m Mount) inner(name string) (string, bool) {
	if m.Prefix == "" {
		return name, true
	}
	if name == m.Prefix && m.Default != "" {
		return m.Default, true
	}
	inner, ok := strings.CutPrefix(name, m.Prefix+"/")
	return inner, ok && inner != m.Default
}

// outer is the name that a repository of the mount's registry has for clients.
func (m Mount) outer(inner string) string {
	switch {
	case m.Prefix == "":
		return inner
	case inner == m.Default:
		return m.Prefix
	}
	return m.Prefix + "/" + inner
}

// serveBase says that this is a registry.
func (x *exchange) serveBase() error {
	for _, m := range x.h.mounts {
		if err := m.Registry.Ping(x.r.Context()); err != nil {
			return err
		}
	}
	writeJSON(x.w, x.r, []byte("{}"))
	return nil
}

// gone reports whether an error is that of a client that went.
func (x *exchange) gone(err error) bool {
	return errors.Is(err, errGone) || x.r.Context().Err() != nil
}
