package serve_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

func (s *server) blobFile(d digest.Digest) string {
	return filepath.Join(s.dir, "blobs", d.Algorithm().String(), d.Encoded())
}

// raw sends bytes, and reads the answer that comes.
func (s *server) raw(text string) (status int, body string) {
	s.t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatalf("%.100q: %v", text, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// Nothing outside of the layout can be named, however a path is written: each is
// refused, and no answer holds the secret that lies beside the layout.
func TestPathsLeadNowhere(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	if err := os.WriteFile(filepath.Join(parent, "secret"), []byte("the secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := at(t, filepath.Join(parent, "layout"), registry.Options{}, serve.Options{})
	s.put("app", "v1", s.image("app", "one"))
	for _, up := range []string{"..", "%2e%2e", "..%2f..", "..%2F..%2Fsecret", "....//", "%252e%252e", "..\\..", "%5c..%5c", "a/../..", "%00", "%c0%ae%c0%ae/", "sha256:..%2fsecret", "..;/"} {
		for _, path := range []string{"/v2/" + up + "/manifests/v1", "/v2/app/manifests/" + up, "/v2/app/blobs/" + up, "/v2/app/blobs/uploads/" + up, "/v2/app/referrers/" + up, "/v2/" + up + "/tags/list", "/" + up, "/v2/" + up + "/secret"} {
			for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
				status, body := s.raw(method + " " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				if status < 400 || status >= 500 || strings.Contains(body, "the secret") {
					t.Errorf("%s %s: %d %s", method, path, status, body)
				}
			}
		}
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 2 {
		t.Errorf("beside the layout lie %v: %v", entries, err)
	}
	s.sound()
}

// A body that is cut is not taken for a whole one. What came of a chunk is kept.
func TestShortBodies(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	s.put("first", "v1", s.image("first", "makes it a layout"))
	data := []byte("all of the content")
	d := digest.FromBytes(data)
	at := s.upload("app")
	cut := func(method, path string) {
		t.Helper()
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%s", method, path, len(data), data[:6])
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(c); err != nil { // until the server is done with it
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cut("PATCH", at)
	if r := s.get(at, 204); r.header.Get("Range") != "0-5" {
		t.Errorf("after a chunk that was cut: %v", r.header)
	}
	s.want(s.do("PATCH", at, bytes.NewReader(data[6:10]), "Content-Range", "6-9"), 202, "")
	s.want(s.do("PUT", at+"?digest="+d.String(), bytes.NewReader(data[10:])), 201, "")

	other := digest.FromBytes(data[:6])
	at = s.upload("app")
	cut("PUT", at+"?digest="+other.String())
	cut("POST", "/v2/app/blobs/uploads/?digest="+other.String())
	cut("PUT", "/v2/app/manifests/v1")
	s.want(s.do("GET", "/v2/app/blobs/"+other.String(), nil), 404, registry.CodeBlobUnknown)
	s.want(s.do("GET", "/v2/app/manifests/v1", nil), 404, registry.CodeManifestUnknown)
	s.sound()
}

// endless gives bytes for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestLongBodies(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{Limits: serve.Limits{Blob: 1 << 20}})
	s.put("first", "v1", s.image("first", "makes it a layout"))
	d := digest.FromString("x").String()
	for _, request := range []string{"PUT /v2/app/manifests/v1", "POST /v2/app/blobs/uploads/?digest=" + d, "PATCH " + s.upload("app"), "PUT " + s.upload("app") + "?digest=" + d} {
		method, path, _ := strings.Cut(request, " ")
		// The answer comes while the client sends; where it does not look, the connection ends.
		r, err := s.try(method, path, io.LimitReader(endless{}, 1<<40))
		if err == nil && (r.status != 413 || r.code() != "SIZE_INVALID") {
			t.Errorf("%s: %d %s", request, r.status, r.body)
		}
	}
	// One that says beforehand how long it is is not read at all.
	if status, body := s.raw("PATCH " + s.upload("app") + " HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"); status != 413 || !strings.Contains(body, "SIZE_INVALID") {
		t.Errorf("%d %s", status, body)
	}
	whole := bytes.Repeat([]byte("x"), 1<<20)
	s.want(s.do("PUT", s.upload("app")+"?digest="+digest.FromBytes(whole).String(), bytes.NewReader(whole)), 201, "")
	s.sound()
}

// A client that stalls is cut off, in its request and in its answer. Others are served.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{Limits: serve.Limits{Stall: 200 * time.Millisecond}})
	big := bytes.Repeat([]byte("0123456789abcdef"), 4<<20)
	d := s.pushBlob("app", big).Digest
	for _, request := range []string{
		"PATCH " + s.upload("app") + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome",
		"PATCH " + s.upload("app") + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
		"PUT /v2/app/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 1000\r\n\r\n{",
	} {
		if status, body := s.raw(request); status != http.StatusRequestTimeout || !strings.Contains(body, "BLOB_UPLOAD_INVALID") {
			t.Errorf("%.30s: %d %s", request, status, body)
		}
	}
	// This one asks for a blob and reads no byte of it.
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(c, "GET /v2/app/blobs/%s HTTP/1.1\r\nHost: x\r\n\r\n", d)
	s.get("/v2/app/blobs/"+d.String(), 206, "Range", "bytes=0-9")
	s.until(func(e serve.Event) bool { return e.Method == "GET" && e.Status == 200 && e.Bytes < int64(len(big)) })
}

// until waits for an event.
func (s *server) until(is func(serve.Event) bool) {
	s.t.Helper()
	for range 1000 {
		s.mu.Lock()
		for _, e := range s.events {
			if is(e) {
				s.mu.Unlock()
				return
			}
		}
		s.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Error("the event did not come")
}

// Blobs that several clients push at once, and read, and delete, are whole or unknown.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	s.put("first", "v1", s.image("first", "makes it a layout"))
	data := bytes.Repeat([]byte("shared content "), 20_000)
	d := digest.FromBytes(data)
	kept := s.pushBlob("kept", data).Digest
	var clients sync.WaitGroup
	for n := range 8 {
		clients.Go(func() {
			for range 5 {
				r, err := s.try("POST", "/v2/app/blobs/uploads/?digest="+d.String(), bytes.NewReader(data))
				if err != nil || r.status != 201 {
					t.Errorf("push: %d %s %v", r.status, r.body, err)
				}
				r, err = s.try("GET", "/v2/app/blobs/"+d.String(), nil)
				if err != nil || r.status != 404 && (r.status != 200 || !bytes.Equal(r.body, data)) {
					t.Errorf("pull: %d, %d bytes, %v", r.status, len(r.body), err)
				}
				if n == 0 {
					r, err = s.try("DELETE", "/v2/app/blobs/"+d.String(), nil)
					if err != nil || r.status != 202 && r.status != 404 {
						t.Errorf("delete: %d %s %v", r.status, r.body, err)
					}
				}
			}
		})
	}
	clients.Wait()
	if r := s.get("/v2/kept/blobs/"+kept.String(), 200); !bytes.Equal(r.body, data) {
		t.Error("the blob of another repository is gone")
	}
	s.sound()
}

// More connections than allowed close those that wait: a client that works is served.
func TestIdleConnections(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{Limits: serve.Limits{Connections: 20}})
	var idle []net.Conn
	for range 100 {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		idle = append(idle, c)
	}
	for range 10 {
		s.get("/v2/", 200)
	}
	// The first one was closed.
	if err := idle[0].SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := idle[0].Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the first connection is open: %v", err)
	}
}
