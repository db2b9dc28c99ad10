package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/layform/layform/layout/ref"
)

// origin is scheme, host and port, the three that credentials are bound to.
type origin struct{ scheme, host, port string }

func originOf(u *url.URL) origin {
	o := origin{strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()}
	if o.port == "" {
		o.port = map[string]string{"http": "80", "https": "443"}[o.scheme]
	}
	return o
}

// hostPort is the address to dial.
func (o origin) hostPort() string { return net.JoinHostPort(o.host, o.port) }

// String writes the origin as the beginning of a URL, without the default port.
func (o origin) String() string {
	host := o.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.scheme == "http" && o.port == "80" || o.scheme == "https" && o.port == "443" {
		return o.scheme + "://" + host
	}
	return o.scheme + "://" + host + ":" + o.port
}

// blockedPrefixes are the addresses to which a registry at o may not send its
// clients. Its neighbours on the loopback interface are no secret to a registry
// that is there itself.
func blockedPrefixes(o origin, given []netip.Prefix) []netip.Prefix {
	if given == nil {
		given = auth.DefaultBlockedRealmPrefixes()
	}
	kept := []netip.Prefix{} // not nil, which would mean the defaults
	for _, p := range given {
		if !ref.IsLoopback(o.host) || !p.Addr().IsLoopback() {
			kept = append(kept, p)
		}
	}
	return kept
}

// routes sends each request by the transport of its origin: only the transports
// of origins for which TLS is given hold roots and certificates.
type routes struct {
	config  map[origin]*tls.Config // of named
	named   map[origin]*http.Transport
	other   *http.Transport
	token   int // limit on the bytes of an Authorization header
	home    origin
	blocked []netip.Prefix
	proxies sync.Map // host:port of the proxies in use
}

func newRoutes(c *Client, opts Options, blocked []netip.Prefix) (*routes, error) {
	r := &routes{config: map[origin]*tls.Config{}, named: map[origin]*http.Transport{}, token: c.limits.Token, home: c.origin, blocked: blocked}
	for _, given := range opts.TLS {
		o := c.origin
		if given.Origin != "" {
			u, err := url.Parse(given.Origin)
			if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" {
				return nil, fmt.Errorf("certificates are given for %q: write https://HOST or https://HOST:PORT", given.Origin)
			}
			o = originOf(u)
		}
		if r.config[o] != nil {
			return nil, fmt.Errorf("certificates are given twice for %s", o)
		}
		r.config[o] = tlsConfig(given)
	}
	if r.config[c.origin] == nil {
		r.config[c.origin] = tlsConfig(TLS{})
	}
	for o, config := range r.config {
		r.named[o] = r.transport(c.limits, opts, o, config)
	}
	r.other = r.transport(c.limits, opts, origin{}, tlsConfig(TLS{}))
	return r, nil
}

func tlsConfig(given TLS) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: given.Roots, Certificates: given.Certificates}
}

// transport makes the transport of one origin, or of all others if o is zero.
func (r *routes) transport(limits Limits, opts Options, o origin, config *tls.Config) *http.Transport {
	dialer := &net.Dialer{Timeout: limits.Dial, KeepAlive: 15 * time.Second}
	guarded := *dialer
	guarded.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
		return r.checkAddress(address)
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		_, proxy := r.proxies.Load(address)
		if host, _, err := net.SplitHostPort(address); proxy || o != (origin{}) || err == nil && strings.EqualFold(host, r.home.host) {
			return dialer.DialContext(ctx, network, address)
		}
		return guarded.DialContext(ctx, network, address)
	}
	t := &http.Transport{
		DialContext:            dial,
		TLSClientConfig:        config.Clone(), // net/http changes it
		TLSHandshakeTimeout:    limits.Dial,
		DisableCompression:     true, // the digest is that of the bytes as they are sent
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 256 << 10,
	}
	if opts.Proxy == nil {
		return t
	}
	t.Proxy = r.remembered(opts.Proxy)
	// A proxy that is reached by TLS would be shown TLSClientConfig, too: its
	// certificates belong to the origin behind it. DialTLSContext is called for
	// proxies and for what is reached without one.
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		config := tlsConfig(TLS{})
		for at, given := range r.config {
			if at.hostPort() == address {
				config = given.Clone()
			}
		}
		config.NextProtos = []string{"http/1.1"}
		if address == o.hostPort() {
			config.NextProtos = []string{"h2", "http/1.1"}
		}
		return dialTLS(ctx, dial, network, address, config, limits.Dial)
	}
	return t
}

func dialTLS(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error), network, address string, config *tls.Config, limit time.Duration) (net.Conn, error) {
	raw, err := dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if config.ServerName, _, err = net.SplitHostPort(address); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// remembered wraps a proxy function. It keeps the addresses of the proxies: the
// user chose them, so that no address of theirs is blocked.
func (r *routes) remembered(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		u, err := proxy(req)
		if err == nil && u != nil {
			r.proxies.Store(originOf(u).hostPort(), true)
		}
		return u, err
	}
}

// checkAddress refuses to connect to an address that is blocked.
func (r *routes) checkAddress(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	addr = inner(addr)
	if slices.ContainsFunc(r.blocked, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return untrusted{fmt.Sprintf("the registry sends its clients to %s, an address that is blocked", addr)}
	}
	return nil
}

// inner is the IPv4 address that is embedded in an IPv6 address (mapped, NAT64, 6to4);
// any other address is itself.
func inner(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	switch b := addr.As16(); {
	case netip.PrefixFrom(netip.AddrFrom16([16]byte{0, 0x64, 0xff, 0x9b}), 96).Contains(addr):
		return netip.AddrFrom4([4]byte(b[12:]))
	case b[0] == 0x20 && b[1] == 0x02:
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}

func (r *routes) RoundTrip(req *http.Request) (*http.Response, error) {
	if n := len(req.Header.Get("Authorization")); n > r.token {
		return nil, exceeded{"the token has more than %d bytes", int64(r.token)}
	}
	o := originOf(req.URL)
	if t := r.named[o]; t != nil {
		return t.RoundTrip(req)
	}
	if o.host != r.home.host {
		if err := r.checkAddress(o.hostPort()); err != nil {
			return nil, err
		}
	}
	return r.other.RoundTrip(req)
}

func (r *routes) closeIdle() {
	for _, t := range r.named {
		t.CloseIdleConnections()
	}
	r.other.CloseIdleConnections()
}

// checkRedirect decides whether a redirect is followed: reads may leave the
// registry, for the storage of its blobs, by https if they came by it. oras-go
// drops the Authorization header of what leaves the origin before it asks here.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	from, to := originOf(via[0].URL), originOf(req.URL)
	switch {
	case len(via) > c.limits.Redirects:
		return exceeded{"the registry sent more than %d redirects", int64(c.limits.Redirects)}
	case to.scheme != "http" && to.scheme != "https":
		return untrusted{fmt.Sprintf("a redirect goes to the scheme %q", clean(to.scheme))}
	case via[0].URL.Scheme == "https" && to.scheme != "https":
		return untrusted{fmt.Sprintf("a redirect goes from https to plain http, to %s", to)}
	case req.URL.User != nil:
		return untrusted{fmt.Sprintf("a redirect to %s holds a user name", to)}
	case req.Method != via[0].Method:
		return untrusted{fmt.Sprintf("a redirect turns %s into %s", via[0].Method, req.Method)}
	case from != to && req.Method != http.MethodGet && req.Method != http.MethodHead:
		return untrusted{fmt.Sprintf("a redirect takes a %s to another place, %s", req.Method, to)}
	}
	req.Header.Del("Referer") // holds the query of the URL before
	return nil
}
