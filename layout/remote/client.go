package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/layform/layform/layout/ref"
	"oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Options says how a registry is reached. The zero value reaches it without
// credentials, by https, or by http if it is on the loopback interface.
type Options struct {
	// Scheme is "http" or "https". Empty is https, and http for a registry on the
	// loopback interface for which no TLS without an Origin is given.
	Scheme string
	// Credentials finds the credential for a registry, HOST or HOST:PORT as it is
	// reached: registry-1.docker.io for Docker Hub. An empty Credential is none. Nil
	// reads RegistryConfig.
	Credentials func(ctx context.Context, host string) (Credential, error)
	// RegistryConfig is the path of a docker config.json, or of a file of that
	// form; its credential helpers are run. Empty, or a file that does not exist,
	// gives no credentials.
	RegistryConfig string
	// TLS gives roots and client certificates, each for one origin.
	TLS []TLS
	// Proxy chooses the proxy of a request, as http.Transport's does. Nil is none.
	Proxy func(*http.Request) (*url.URL, error)
	// BlockedPrefixes are addresses that a registry may not send the client to, for
	// tokens or by redirects. Nil blocks loopback, link-local and metadata
	// addresses; a list that is empty blocks nothing. The registry's own host is
	// never blocked, nor are loopback addresses for a registry that is on one.
	BlockedPrefixes []netip.Prefix
	// Offline forbids all connections: what would be asked is an *OfflineError.
	Offline bool
	// UserAgent is sent with each request. Empty is "layform".
	UserAgent string
	Limits    Limits
	// Event is called for each request, repetition and warning, by several
	// goroutines at a time. It may be nil.
	Event func(Event)
}

// Credential authenticates a client: user name and password, an identity token
// (RefreshToken), or a registry token (AccessToken).
type Credential = auth.Credential

// TLS holds the roots and client certificates for one origin, which get to no other.
type TLS struct {
	// Origin is "https://HOST" or "https://HOST:PORT"; empty is the registry's.
	Origin       string
	Roots        *x509.CertPool // nil is the system's
	Certificates []tls.Certificate
}

// EventKind is the type of an Event.
type EventKind string

// The kinds of events.
const (
	EventRequest EventKind = "request" // a request was answered, or failed: Status is 0
	EventRetry   EventKind = "retry"   // it will be sent again after Wait
	EventWarning EventKind = "warning" // the registry sent the warning Text
)

// Event is a report of progress. No field ever holds the query of a URL.
type Event struct {
	Kind               EventKind
	Method, Host, Path string
	Status             int
	Wait               time.Duration
	Text               string
}

// Client reaches one registry. It is safe for use by several goroutines, which
// share its connections and tokens.
type Client struct {
	host   string // as errors name it
	origin origin
	limits Limits
	event  func(Event)
	auth   *auth.Client
	single *auth.Client // sends each request once
	routes *routes
	// offline is Options.Offline.
	offline bool
	sleep   func(context.Context, time.Duration) error // nil is by the clock; set by tests
}

// New makes a client of the registry at host, which is HOST or HOST:PORT. It
// connects to nothing.
func New(host string, opts Options) (*Client, error) {
	if err := ref.CheckHost(host); err != nil {
		return nil, fmt.Errorf("the host %q %w", host, err)
	}
	c := &Client{host: host, limits: opts.Limits.withDefaults(), event: opts.Event, offline: opts.Offline}
	if c.event == nil {
		c.event = func(Event) {}
	}
	var err error
	if c.origin, err = registryOrigin(registry.Reference{Registry: host}.Host(), opts); err != nil {
		return nil, err
	}
	blocked := blockedPrefixes(c.origin, opts.BlockedPrefixes)
	if c.routes, err = newRoutes(c, opts, blocked); err != nil {
		return nil, err
	}
	credentials, err := credentialFunc(opts)
	if err != nil {
		return nil, err
	}
	agent := opts.UserAgent
	if agent == "" {
		agent = "layform"
	}
	attempt := &watchdog{next: c.routes, limits: c.limits, event: c.event}
	base := auth.Client{
		Header:               http.Header{"User-Agent": {agent}},
		Credential:           credentials,
		Cache:                auth.NewCache(),
		ClientID:             "layform",
		BlockedRealmPrefixes: blocked,
	}
	again, once := base, base
	again.Client = &http.Client{Transport: &repeater{next: attempt, client: c}, CheckRedirect: c.checkRedirect}
	once.Client = &http.Client{Transport: attempt, CheckRedirect: c.checkRedirect}
	c.auth, c.single = &again, &once
	return c, nil
}

// Close closes the connections that are idle. The client stays usable.
func (c *Client) Close() { c.routes.closeIdle() }

// Repository is a repository of the client's registry. It connects to nothing.
func (c *Client) Repository(name string) (*Repository, error) {
	if err := ref.CheckRepository(name); err != nil {
		return nil, fmt.Errorf("the repository %q %w", name, err)
	}
	return &Repository{Client: c, name: name}, nil
}

// Repository is one repository of a registry. It is safe for use by several
// goroutines.
type Repository struct {
	*Client
	name  string
	state capabilities
}

// Open opens the repository HOST/REPOSITORY, with Docker Hub's short names as
// ref.ParseImage takes them. It connects to nothing: whether the repository
// exists, and may be read, the first request shows.
func Open(name string, opts Options) (*Repository, error) {
	image, err := ref.ParseImage(name)
	if err != nil {
		return nil, err
	}
	if image.Reference() != "" {
		return nil, fmt.Errorf("%q: a repository is meant here: write it without %q", name, image.Reference())
	}
	c, err := New(image.Host, opts)
	if err != nil {
		return nil, err
	}
	return c.Repository(image.Repository)
}

// Name is the repository's name with its host, HOST/REPOSITORY.
func (r *Repository) Name() string { return r.host + "/" + r.name }

// registryOrigin is the origin of the registry at host.
func registryOrigin(host string, opts Options) (origin, error) {
	u := &url.URL{Scheme: "https", Host: host}
	own := slices.ContainsFunc(opts.TLS, func(t TLS) bool { return t.Origin == "" })
	switch opts.Scheme {
	case "http", "https":
		u.Scheme = opts.Scheme
	case "":
		if ref.IsLoopback(u.Hostname()) && !own {
			u.Scheme = "http"
		}
	default:
		return origin{}, fmt.Errorf("the scheme %q is none of registries: write http or https", opts.Scheme)
	}
	if u.Scheme == "http" && own {
		return origin{}, errors.New("certificates are given for a registry that is reached by plain http: leave one of the two out")
	}
	return originOf(u), nil
}
