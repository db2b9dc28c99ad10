package remote_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
)

// clientCertificate makes a certificate that signs itself.
func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func pool(servers ...*httptest.Server) *x509.CertPool {
	p := x509.NewCertPool()
	for _, s := range servers {
		p.AddCert(s.Certificate())
	}
	return p
}

func TestTLS(t *testing.T) {
	reg := registrytest.NewTLS(t, nil)
	desc, _ := seed(reg, "app", "v1")
	r := open(t, reg, "app", remote.Options{Scheme: "https"})
	_, err := r.Resolve(t.Context(), "v1")
	if !errors.As(err, new(*remote.UnavailableError)) || !strings.Contains(err.Error(), "name the file with the root certificate") {
		t.Errorf("a root that is not known: %v", err)
	}
	r = open(t, reg, "app", remote.Options{TLS: []remote.TLS{{Roots: pool(reg.Server)}}})
	if got, err := r.Resolve(t.Context(), "v1"); err != nil || got.Digest != desc.Digest {
		t.Errorf("%v, %v", got, err)
	}
	if requests := reg.Requests(); len(requests) != 1 || requests[0].Proto != "HTTP/2.0" {
		t.Errorf("%+v", requests)
	}
	// The wrong scheme, both ways.
	r = open(t, reg, "app", remote.Options{})
	if _, err := r.Resolve(t.Context(), "v1"); err == nil {
		t.Error("plain http to a port of https")
	}
	plain := registrytest.New(t)
	r = open(t, plain, "app", remote.Options{Scheme: "https"})
	if _, err := r.Resolve(t.Context(), "v1"); err == nil || !strings.Contains(err.Error(), "allow plain http") {
		t.Errorf("https to a port of plain http: %v", err)
	}
	for _, opts := range []remote.Options{
		{Scheme: "http", TLS: []remote.TLS{{}}},
		{TLS: []remote.TLS{{}, {}}},
		{TLS: []remote.TLS{{Origin: "registry.example.com"}}},
		{TLS: []remote.TLS{{Origin: "http://registry.example.com"}}},
		{TLS: []remote.TLS{{Origin: "https://registry.example.com/path"}}},
	} {
		if _, err := remote.Open("registry.example.com/app", opts); err == nil {
			t.Errorf("accepted: %+v", opts)
		}
	}
}

// GHSA-whvf-jp7m-59f3: the client certificate gets to the registry alone, and
// GHSA-h3wm-jjqf-8jm2: not to a proxy that is reached by TLS.
func TestClientCertificateStaysAtItsOrigin(t *testing.T) {
	shown := map[string]*atomic.Int64{"registry": {}, "storage": {}, "proxy": {}}
	config := func(name string, need tls.ClientAuthType) *tls.Config {
		return &tls.Config{ClientAuth: need, VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) > 0 {
				shown[name].Add(1)
			}
			return nil
		}}
	}
	reg := registrytest.NewTLS(t, config("registry", tls.RequireAnyClientCert))
	storage := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(layerData) }))
	storage.TLS = config("storage", tls.RequestClientCert)
	storage.StartTLS()
	defer storage.Close()
	proxy := httptest.NewUnstartedServer(http.HandlerFunc(connect))
	proxy.TLS = config("proxy", tls.RequestClientCert)
	proxy.StartTLS()
	defer proxy.Close()
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	reg.Fault(registrytest.Fault{Path: "/blobs/", Status: http.StatusFound, Location: storage.URL})
	for name, opts := range map[string]remote.Options{
		"direct": {}, "proxy": {Proxy: http.ProxyURL(proxyURL)},
	} {
		opts.TLS = []remote.TLS{
			{Roots: pool(reg.Server), Certificates: []tls.Certificate{clientCertificate(t)}},
			{Origin: storage.URL, Roots: pool(storage)},
			{Origin: proxy.URL, Roots: pool(proxy)},
		}
		r := open(t, reg, "app", opts)
		if data, err := fetch(r, layerOf(layerData)); err != nil || !bytes.Equal(data, layerData) {
			t.Errorf("%s: %d bytes, %v", name, len(data), err)
		}
		if shown["registry"].Load() == 0 || shown["storage"].Load() != 0 || shown["proxy"].Load() != 0 {
			t.Errorf("%s: the certificate was shown to registry %d, storage %d, proxy %d", name, shown["registry"].Load(), shown["storage"].Load(), shown["proxy"].Load())
		}
		shown["registry"].Store(0)
	}
	// Roots are bound, too: a host without its own is checked with the system's.
	r := open(t, reg, "app", remote.Options{TLS: []remote.TLS{{Roots: pool(reg.Server, storage), Certificates: []tls.Certificate{clientCertificate(t)}}}})
	if _, err := fetch(r, layerOf(layerData)); err == nil {
		t.Error("the registry's roots were used for another host")
	}
}

// connect is a proxy for TLS.
func connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	out, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	in, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	_, _ = in.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
	_ = in.Close()
}

// What came by https does not go on by plain http.
func TestNoDowngrade(t *testing.T) {
	other := newElsewhere(t, layerData)
	reg := registrytest.NewTLS(t, nil)
	reg.Handler = basic
	r := open(t, reg, "app", remote.Options{TLS: []remote.TLS{{Roots: pool(reg.Server)}}, Credentials: withPassword})
	reg.Fault(registrytest.Fault{Method: http.MethodGet, After: 1, Path: "/blobs/", Status: http.StatusFound, Location: other.URL})
	if _, err := fetch(r, layerOf(layerData)); !isUntrusted(err) {
		t.Errorf("redirect: %v", err)
	}
	reg.NoFaults()
	reg.Handler = func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("WWW-Authenticate", `Bearer realm="`+other.URL+`/token?x=`+secret+`"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	}
	r = open(t, reg, "app", remote.Options{TLS: []remote.TLS{{Roots: pool(reg.Server)}}, Credentials: withPassword})
	if _, err := r.Resolve(t.Context(), "v1"); !isUntrusted(err) || tells(err) {
		t.Errorf("realm: %v", err)
	}
	other.check(t, 0)
}
