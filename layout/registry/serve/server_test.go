package serve_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

// Beyond the limits a client is told to come again, in JSON. Once there is room, it is
// served.
func TestTooMany(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]serve.Limits{"requests": {Requests: 1}, "uploads": {Uploads: 1}} {
		t.Run(name, func(t *testing.T) {
			s := start(t, registry.Options{}, serve.Options{Limits: limits})
			in, out := io.Pipe()
			w := httptest.NewRecorder()
			done := make(chan struct{})
			go func() {
				s.Config.Handler.ServeHTTP(w, httptest.NewRequest("PATCH", s.upload("app"), in))
				close(done)
			}()
			if _, err := out.Write([]byte("begun")); err != nil { // which the handler has read then
				t.Fatal(err)
			}
			small := func() reply {
				return s.do("POST", "/v2/app/blobs/uploads/?digest="+digest.FromString("x").String(), strings.NewReader("x"))
			}
			if r := s.want(small(), 429, "TOOMANYREQUESTS"); r.header.Get("Retry-After") != "1" {
				t.Errorf("%v", r.header)
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			if <-done; w.Code != 202 {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			s.want(small(), 201, "")
		})
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reg, err := registry.Open(t.TempDir(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	h := serve.New(reg, serve.Options{})
	for _, request := range []string{"GET /v2/", "GET /v2/", "GET /v2/app/manifests/v1", "BREW /v2/", "GET /elsewhere"} {
		method, path, _ := strings.Cut(request, " ")
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
	}
	w := httptest.NewRecorder()
	h.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`layform_requests_total{endpoint="base",method="GET",status="200"} 2`,
		`layform_requests_total{endpoint="base",method="other",status="405"} 1`,
		`layform_requests_total{endpoint="manifest",method="GET",status="404"} 1`,
		`layform_requests_total{endpoint="other",method="GET",status="404"} 1`,
		`layform_requests_running 0`,
		`# TYPE layform_sent_bytes_total counter`,
		`layform_connections 0`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, w.Body)
		}
	}
	if !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("%v", w.Header())
	}
}

// running is a server that Serve runs.
type running struct {
	t     *testing.T
	addr  string
	stop  context.CancelFunc
	ended chan error
	reg   *registry.Registry
	h     *serve.Handler
}

func (r *running) metrics() string {
	w := httptest.NewRecorder()
	r.h.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func run(t *testing.T, limits serve.Limits, config *tls.Config) *running {
	t.Helper()
	reg, err := registry.Open(t.TempDir(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h := serve.New(reg, serve.Options{Limits: limits})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{t: t, addr: l.Addr().String(), stop: stop, ended: make(chan error, 1), reg: reg, h: h}
	server := h.Server()
	server.TLSConfig = config
	go func() { r.ended <- h.Serve(ctx, server, l) }()
	t.Cleanup(func() {
		stop()
		if err := reg.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// An idle server stops at once, although clients hold connections, new ones included.
func TestStopIdle(t *testing.T) {
	t.Parallel()
	r := run(t, serve.Limits{Grace: time.Hour}, nil)
	for range 3 {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	resp, err := http.Get("http://" + r.addr + "/v2/")
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// busy is a server with an upload whose body has begun.
type busy struct {
	*running
	body   *io.PipeWriter
	status chan int // of the answer; 0 where there is none
}

func runBusy(t *testing.T, grace time.Duration) busy {
	t.Helper()
	r := run(t, serve.Limits{Grace: grace}, nil)
	repo, err := r.reg.Repository("app")
	if err != nil {
		t.Fatal(err)
	}
	up, err := repo.StartUpload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Close(); err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	req, err := http.NewRequest("PUT", "http://"+r.addr+"/v2/app/blobs/uploads/"+up.ID()+"?digest="+digest.FromString("begun and ended").String(), in)
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan int, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			status <- 0
			return
		}
		_ = resp.Body.Close()
		status <- resp.StatusCode
	}()
	if _, err := out.Write([]byte("begun")); err != nil {
		t.Fatal(err)
	}
	for !strings.Contains(r.metrics(), "\nlayform_requests_running 1\n") {
		time.Sleep(time.Millisecond)
	}
	return busy{r, out, status}
}

// What runs when the server stops is ended first.
func TestStopBusy(t *testing.T) {
	t.Parallel()
	b := runBusy(t, time.Hour)
	b.stop()
	if _, err := b.body.Write([]byte(" and ended")); err != nil {
		t.Fatal(err)
	}
	if err := b.body.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-b.status; got != 201 {
		t.Errorf("the request that ran is answered with %d", got)
	}
	if err := <-b.ended; err != nil {
		t.Error(err)
	}
}

// What has no end is cut off when the server stops.
func TestStopEndless(t *testing.T) {
	t.Parallel()
	b := runBusy(t, 50*time.Millisecond)
	b.stop()
	if err := <-b.ended; err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Errorf("ended with %v", err)
	}
	if err := b.body.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-b.status; got == 201 {
		t.Errorf("a request that was cut is answered with %d", got)
	}
}

// certificate writes a new self-signed certificate and its key.
func certificate(t *testing.T, dir string, serial int64) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "layform"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "crt.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// A certificate that is renewed is used without a restart, and one that cannot be read
// leaves the one before.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir, 1)
	failed := make(chan error, 100)
	config, err := serve.TLS{Certificate: cert, Key: key, Failed: func(err error) { failed <- err }}.Config()
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, serve.Limits{}, config)
	serial := func() (int64, string) {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		defer client.CloseIdleConnections()
		resp, err := client.Get("https://" + r.addr + "/v2/")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), resp.Proto
	}
	if n, proto := serial(); n != 1 || proto != "HTTP/2.0" {
		t.Errorf("certificate %d by %s", n, proto)
	}
	if err := os.WriteFile(cert, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	for len(failed) == 0 {
		if n, _ := serial(); n != 1 {
			t.Fatalf("certificate %d", n)
		}
		time.Sleep(50 * time.Millisecond)
	}
	certificate(t, dir, 2)
	for range 200 {
		if n, _ := serial(); n == 2 {
			r.stop()
			if err := <-r.ended; err != nil {
				t.Error(err)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Error("the certificate was not read again")
}

func TestBadTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := certificate(t, dir, 1)
	for _, bad := range []serve.TLS{{Certificate: cert, Key: cert}, {Certificate: filepath.Join(dir, "none"), Key: key}, {Certificate: cert, Key: key, ClientCA: key}, {Certificate: cert, Key: key, ClientCA: filepath.Join(dir, "none")}} {
		if _, err := bad.Config(); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
	// Who has no certificate of the authority is not served.
	config, err := serve.TLS{Certificate: cert, Key: key, ClientCA: cert}.Config()
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, serve.Limits{}, config)
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range [][]tls.Certificate{nil, {pair}} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: own}}}
		resp, err := client.Get("https://" + r.addr + "/v2/")
		if (err == nil) != (own != nil) {
			t.Errorf("with %d certificates: %v", len(own), err)
		}
		if err == nil {
			_ = resp.Body.Close()
		}
		client.CloseIdleConnections()
	}
}

// steady is a body that moves, and takes longer than what Stall allows for a part.
type steady struct {
	rest []byte
	step time.Duration
}

func (s *steady) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	time.Sleep(s.step)
	n := copy(p, s.rest[:min(len(s.rest), 4<<10)])
	s.rest = s.rest[n:]
	return n, nil
}

// A body that moves may take as long as it needs, by HTTP/2 as well, where a deadline
// that passes resets the stream although nothing was to be written.
func TestLongUpload(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t, t.TempDir(), 1)
	config, err := serve.TLS{Certificate: cert, Key: key}.Config()
	if err != nil {
		t.Fatal(err)
	}
	const stall = 800 * time.Millisecond
	r := run(t, serve.Limits{Stall: stall}, config)
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	data := bytes.Repeat([]byte("x"), 48<<10)
	body := &steady{rest: data, step: stall / 8}
	req, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+r.addr+"/v2/app/blobs/uploads/?digest="+digest.FromBytes(data).String(), body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated || resp.ProtoMajor != 2 {
		t.Errorf("%s by %s", resp.Status, resp.Proto)
	}
}
