package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const secret = "s3cr3t-v4lue"

// elsewhere is a server that no credential may get to. It keeps what it was sent.
type elsewhere struct {
	*httptest.Server
	mu     sync.Mutex
	asked  int
	tokens []string
}

func newElsewhere(t *testing.T, body []byte) *elsewhere {
	e := &elsewhere{}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.asked++
		for _, name := range []string{"Authorization", "Cookie", "Referer", "Proxy-Authorization"} {
			if v := r.Header.Get(name); v != "" {
				e.tokens = append(e.tokens, name+": "+v)
			}
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *elsewhere) check(t *testing.T, requests int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked != requests {
		t.Errorf("another server got %d requests, not %d", e.asked, requests)
	}
	if len(e.tokens) > 0 {
		t.Errorf("another server got %q", e.tokens)
	}
}

// basic makes a registry ask for a user and a password.
func basic(w http.ResponseWriter, r *http.Request) bool {
	if _, password, ok := r.BasicAuth(); ok && password == secret {
		return false
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

func withPassword(context.Context, string) (remote.Credential, error) {
	return remote.Credential{Username: "user", Password: secret}, nil
}

// tells reports whether err, or a cause that it gives, holds the secret.
func tells(err error) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			return true
		}
	}
	return false
}

func isUntrusted(err error) bool { return errors.As(err, new(*remote.UntrustedError)) }
func isLimit(err error) bool     { return errors.As(err, new(*remote.LimitError)) }
func isContent(err error) bool   { return errors.As(err, new(*remote.ContentError)) }

// GHSA-jxpm-75mh-9fp7: the Location of an upload on another host.
func TestHostileLocation(t *testing.T) {
	other := newElsewhere(t, nil)
	for name, location := range map[string]string{
		"another port":   other.URL + "/v2/app/blobs/uploads/1",
		"another host":   strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/upload",
		"another scheme": "https://%HOST%/upload",
		"user name":      "http://user:pass@%HOST%/upload",
		"no scheme":      strings.TrimPrefix(other.URL, "http:") + "/upload",
		"a file":         "file:///etc/passwd",
		"nonsense":       "http://[::1",
		"none":           "",
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t)
			reg.Handler = basic
			r := open(t, reg, "app", remote.Options{Credentials: withPassword})
			reg.Fault(registrytest.Fault{Method: http.MethodPost, After: 1, Status: http.StatusAccepted, Location: strings.ReplaceAll(location, "%HOST%", reg.Host())})
			err := r.Push(t.Context(), layerOf(layerData), bytes.NewReader(layerData))
			if err == nil || location != "" && name != "nonsense" && !isUntrusted(err) {
				t.Errorf("followed: %v", err)
			}
			if reg.Count(http.MethodPut, "") != 0 {
				t.Error("content was sent")
			}
		})
	}
	other.check(t, 0)
}

// GHSA-28r5-37g7-p6mp, xf85-363p-868w, mm27-wq9c-mxxr: the token service of the
// attacker. registry.test and tokens.test are reached by a proxy.
func TestHostileRealm(t *testing.T) {
	for name, test := range map[string]struct {
		realm, redirect string
		blocked         bool
	}{
		"metadata service":             {realm: "http://169.254.169.254/token?x=" + secret, blocked: true},
		"metadata service, mapped":     {realm: "http://[::ffff:169.254.169.254]/token", blocked: true},
		"loopback":                     {realm: "http://127.0.0.1:1/token", blocked: true},
		"loopback by name":             {realm: "http://localhost:1/token", blocked: true},
		"unspecified":                  {realm: "http://0.0.0.0/token", blocked: true},
		"scheme":                       {realm: "file:///etc/passwd?x=" + secret, blocked: true},
		"redirect to metadata":         {realm: "http://tokens.test/token", redirect: "http://169.254.169.254/token", blocked: true},
		"another host":                 {realm: "http://tokens.test/token"},
		"private address, a company's": {realm: "http://10.1.2.3/token"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t)
			seed(reg, "app", "v1")
			var mu sync.Mutex
			var hosts []string
			reg.Handler = func(w http.ResponseWriter, r *http.Request) bool {
				mu.Lock()
				hosts = append(hosts, r.URL.Host)
				mu.Unlock()
				switch {
				case r.URL.Path == "/token" && test.redirect != "" && r.URL.Host == "tokens.test":
					w.Header().Set("Location", test.redirect)
					w.WriteHeader(http.StatusFound)
				case r.URL.Path == "/token":
					_, _ = w.Write([]byte(`{"token":"t"}`))
				case r.Header.Get("Authorization") == "":
					w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="x"`, test.realm))
					w.WriteHeader(http.StatusUnauthorized)
				default:
					return false
				}
				return true
			}
			proxy, err := url.Parse(reg.Server.URL)
			if err != nil {
				t.Fatal(err)
			}
			r, err := remote.Open("registry.test/app", remote.Options{Scheme: "http", Credentials: withPassword, Proxy: http.ProxyURL(proxy)})
			if err != nil {
				t.Fatal(err)
			}
			r.FakeWaits()
			defer r.Close()
			_, err = r.Resolve(t.Context(), "v1")
			if test.blocked && !isUntrusted(err) || !test.blocked && err != nil {
				t.Errorf("%v", err)
			}
			if tells(err) {
				t.Errorf("the error holds the query of the realm: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, host := range hosts {
				if host != "registry.test" && host != "tokens.test" && host != "10.1.2.3" {
					t.Errorf("%s was asked", host)
				}
			}
		})
	}
}

// The same for redirects and for names that lead inside, which only the
// connection shows.
func TestHostileAddresses(t *testing.T) {
	r, err := remote.Open("registry.test/app", remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for address, blocked := range map[string]bool{
		"169.254.169.254:80": true, "127.0.0.1:80": true, "[::1]:80": true, "[fe80::1%eth0]:80": true, "[::ffff:127.0.0.1]:80": true,
		"0.0.0.0:80": true, "100.100.100.200:80": true, "[64:ff9b::a9fe:a9fe]:80": true, "[2002:7f00:1::]:80": true, "[2001:db8::1]:80": false, "10.0.0.1:443": false, "93.184.216.34:443": false,
	} {
		if err := r.CheckAddress(address); (err != nil) != blocked {
			t.Errorf("%s: %v", address, err)
		}
	}
	reg := registrytest.New(t)
	desc := layerOf(layerData)
	reg.PutBlob("app", layerData)
	// Behind a proxy no connection shows it.
	proxy, err := url.Parse(reg.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	behind, err := remote.Open("registry.test/app", remote.Options{Scheme: "http", Proxy: http.ProxyURL(proxy)})
	if err != nil {
		t.Fatal(err)
	}
	defer behind.Close()
	reg.Fault(registrytest.Fault{Path: "/blobs/", Status: http.StatusTemporaryRedirect, Location: "http://169.254.169.254/latest"})
	if _, err := fetch(behind, desc); !isUntrusted(err) || reg.Count("", "/latest") != 0 {
		t.Errorf("behind a proxy: %v", err)
	}
	for _, location := range []string{"http://169.254.169.254/latest", "http://[fe80::1]/", "gopher://example.com/", "http://u:p@example.com/", "http:///"} {
		reg.NoFaults()
		reg.Fault(registrytest.Fault{Path: "/blobs/", Status: http.StatusTemporaryRedirect, Location: location})
		if _, err := fetch(open(t, reg, "app", remote.Options{}), desc); err == nil || location != "http:///" && !isUntrusted(err) {
			t.Errorf("%s: %v", location, err)
		}
	}
}

// GHSA-vh4v-2xq2-g5cg: a redirect to another port keeps the password to itself.
func TestHostileRedirect(t *testing.T) {
	other := newElsewhere(t, layerData)
	reg := registrytest.New(t)
	reg.Handler = basic
	r := open(t, reg, "app", remote.Options{Credentials: withPassword})
	reg.Fault(registrytest.Fault{Method: http.MethodGet, After: 1, Path: "/blobs/", Status: http.StatusTemporaryRedirect, Location: other.URL + "/blob?sig=" + secret})
	if data, err := fetch(r, layerOf(layerData)); err != nil || !bytes.Equal(data, layerData) {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	other.check(t, 1)
	// Writes do not leave the registry, and do not turn into reads.
	for _, status := range []int{http.StatusTemporaryRedirect, http.StatusPermanentRedirect, http.StatusFound, http.StatusSeeOther} {
		reg.NoFaults()
		reg.Fault(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/", Status: status, Location: other.URL + "/x"})
		data := indexOf()
		if err := r.Push(t.Context(), descriptor(ocispec.MediaTypeImageIndex, data), bytes.NewReader(data)); !isUntrusted(err) {
			t.Errorf("a put with status %d: %v", status, err)
		}
	}
	reg.NoFaults()
	reg.Fault(registrytest.Fault{Path: "/blobs/", Status: http.StatusFound, Location: "/v2/app/blobs/again"})
	reg.Forget()
	if _, err := fetch(r, layerOf(layerData)); !isLimit(err) || len(reg.Requests()) > 7 {
		t.Errorf("redirects in a circle: %v after %d requests", err, len(reg.Requests()))
	}
	other.check(t, 1)
}

// GHSA-h7vf-4x9w-h99v: the next page at another origin.
func TestHostileLink(t *testing.T) {
	other := newElsewhere(t, []byte(`{"tags":["evil"]}`))
	for _, link := range []string{
		"<" + other.URL + `/v2/app/tags/list?n=1>; rel="next"`,
		"<//" + strings.TrimPrefix(other.URL, "http://") + `/>; rel=next`,
		"<http://169.254.169.254/>",
		`<https://%HOST%/v2/app/tags/list>; rel="next"`,
		`<http://u:p@%HOST%/v2/app/tags/list>; rel="next"`,
	} {
		reg := registrytest.New(t)
		seed(reg, "app", "v1")
		r := open(t, reg, "app", remote.Options{})
		reg.Fault(registrytest.Fault{Header: http.Header{"Link": {strings.ReplaceAll(link, "%HOST%", reg.Host())}}})
		var last error
		for tag, err := range r.Tags(t.Context(), "") {
			if last = err; err == nil && tag != "v1" {
				t.Errorf("%s: %s", link, tag)
			}
		}
		if !isUntrusted(last) {
			t.Errorf("%s: %v", link, last)
		}
		for _, err := range r.Referrers(t.Context(), layerOf(layerData), "") {
			if last = err; err != nil && !isUntrusted(err) {
				t.Errorf("%s: %v", link, err)
			}
		}
		if last == nil {
			t.Errorf("%s: referrers followed", link)
		}
	}
	other.check(t, 0)
}

// GHSA-5jhf-2qmf-m8c5: nothing that is said holds the query of a URL, a token, a
// password, or what a terminal would take for a command.
func TestHostileNothingIsSaid(t *testing.T) {
	reg := registrytest.New(t)
	reg.PutBlob("app", layerData)
	var mu sync.Mutex
	var said []string
	say := func(v any) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, fmt.Sprintf("%v | %+v", v, v))
	}
	opts := remote.Options{
		Event: func(e remote.Event) { say(e) },
		Credentials: func(context.Context, string) (remote.Credential, error) {
			return remote.Credential{AccessToken: secret}, nil
		},
	}
	challenge := func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "" {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token?code=`+secret+`",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, fault := range map[string]registrytest.Fault{
		"redirect to nowhere":   {Path: "/blobs/", Method: http.MethodGet, Status: http.StatusFound, Location: closed.URL + "/b?sig=" + secret},
		"redirect to nonsense":  {Path: "/blobs/", Method: http.MethodGet, Status: http.StatusFound, Location: "ftp://example.com/b?sig=" + secret},
		"redirect in a circle":  {Path: "/blobs/", Method: http.MethodGet, Status: http.StatusFound, Location: "/v2/app/blobs/x?sig=" + secret},
		"upload to nowhere":     {Method: http.MethodPost, Status: http.StatusAccepted, Location: closed.URL + "/b?sig=" + secret},
		"upload is cut":         {Method: http.MethodPut, CutBefore: true},
		"session that is cut":   {Method: http.MethodPost, Status: http.StatusAccepted, Location: "/v2/app/blobs/uploads/1?sig=" + secret},
		"cut":                   {CutBefore: true},
		"page elsewhere":        {Path: "/tags/", Header: http.Header{"Link": {"<http://example.com/?sig=" + secret + ">"}}},
		"message for terminals": {Path: "/", Status: http.StatusBadRequest, Body: `{"errors":[{"code":"X\u001b[2J","message":"a\u001b]0;b\u0007\r\n` + strings.Repeat("c", 10_000) + `"}]}`},
		"warning for terminals": {Header: http.Header{"Warning": {"299 - \"a\x1b[2Jb\""}}},
	} {
		t.Run(name, func(t *testing.T) {
			reg.NoFaults()
			reg.Handler = challenge
			reg.Fault(fault)
			r := open(t, reg, "app", opts)
			_, err := fetch(r, layerOf(layerData))
			say(err)
			say(r.Push(t.Context(), layerOf(layerData), bytes.NewReader(layerData)))
			for _, err := range r.Tags(t.Context(), "") {
				say(err)
			}
			_, err = r.Resolve(t.Context(), "v1")
			say(err)
			for ; err != nil; err = errors.Unwrap(err) {
				say(err)
			}
		})
	}
	if len(said) < 30 {
		t.Fatalf("only %d things were said", len(said))
	}
	for _, s := range said {
		if strings.Contains(s, secret) || strings.ContainsAny(s, "\x1b\x07\r\n") || len(s) > 3000 {
			t.Errorf("said %q", s)
		}
	}
}
