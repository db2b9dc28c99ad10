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
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
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

// What was tampered with is not given away, whether it was verified before or not.
func TestTamperedBlobs(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	data := s.image("app", "the layer")
	desc := s.put("app", "v1", data)
	layer := digest.FromString("the layer")
	s.get("/v2/app/blobs/"+layer.String(), 200)
	s.get("/v2/app/manifests/v1", 200)
	for _, d := range []digest.Digest{layer, desc.Digest} {
		file := s.blobFile(d)
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Clone(content)
		changed[len(changed)/2] ^= 1
		for _, wrong := range [][]byte{changed, content[:len(content)-1], append(bytes.Clone(content), 'x'), {}} {
			replace(t, file, wrong)
			for _, method := range []string{"GET", "HEAD"} {
				for _, path := range []string{"/v2/app/blobs/" + d.String(), "/v2/app/manifests/" + d.String()} {
					if d == layer && strings.Contains(path, "manifests") {
						continue
					}
					r := s.do(method, path, nil)
					if r.status != 500 || len(wrong) > 3 && bytes.Contains(r.body, wrong) {
						t.Errorf("%s %s with %d bytes: %d %s", method, path, len(wrong), r.status, r.body)
					}
					if method == "GET" && r.code() != "UNKNOWN" {
						t.Errorf("%s: %s", path, r.body)
					}
				}
			}
		}
		replace(t, file, content)
		s.get("/v2/app/blobs/"+d.String(), 200)
	}
	// Removed altogether, it is unknown.
	if err := os.Remove(s.blobFile(layer)); err != nil {
		t.Fatal(err)
	}
	s.want(s.do("GET", "/v2/app/blobs/"+layer.String(), nil), 404, registry.CodeBlobUnknown)
	// Others get theirs.
	s.get("/v2/app/manifests/v1", 200)
}

// replace writes a file anew, with a time of its own.
func replace(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// A layout that vanishes, or that is no layout any more, is an error and comes back.
func TestLayoutVanishes(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	s.put("app", "v1", s.image("app", "one"))
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(s.dir, away); err != nil {
		t.Fatal(err)
	}
	if r := s.do("GET", "/v2/app/manifests/v1", nil); r.status < 400 || r.code() == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if err := os.Rename(away, s.dir); err != nil {
		t.Fatal(err)
	}
	s.get("/v2/app/manifests/v1", 200)
	index := filepath.Join(s.dir, "index.json")
	whole, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(index, []byte("nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v2/", "/v2/app/manifests/v1", "/v2/app/tags/list", "/v2/_catalog"} {
		s.want(s.do("GET", path, nil), 500, "UNKNOWN")
	}
	if err := os.WriteFile(index, whole, 0o644); err != nil {
		t.Fatal(err)
	}
	s.get("/v2/app/manifests/v1", 200)
	s.sound()
}

// A disk that fills up at any step of a push is an error, and once there is room all
// is as it was.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	left := -1 // steps until the disk is full; -1 for never
	fault := func(layouttest.Step) error {
		mu.Lock()
		defer mu.Unlock()
		if left == 0 {
			return syscall.ENOSPC
		}
		left--
		return nil
	}
	s := start(t, registry.Options{Layout: layout.Options{Fault: fault}}, serve.Options{})
	set := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		left = n
	}
	set(1 << 30)
	before := s.image("app", "before")
	s.put("app", "v1", before)
	data := bytes.Replace(before, []byte(`"schemaVersion"`), []byte(`"annotations":{"n":"2"},"schemaVersion"`), 1)
	content := []byte("new content")
	full := 0
	for n := 0; ; n++ {
		if n > 500 {
			t.Fatal("a push has no end")
		}
		set(n)
		failed := func(r reply, err error) bool {
			if err != nil {
				t.Fatal(err)
			}
			if r.status == 507 && r.code() == "UNKNOWN" {
				full++
				return true
			}
			if r.status >= 400 && r.status != 404 {
				t.Fatalf("after %d steps: %d %s", n, r.status, r.body)
			}
			return r.status == 404
		}
		r, err := s.try("POST", "/v2/app/blobs/uploads/", nil)
		ok := !failed(r, err)
		if ok {
			r, err = s.try("PUT", r.header.Get("Location")+"?digest="+digest.FromBytes(content).String(), bytes.NewReader(content))
			ok = !failed(r, err)
		}
		if ok {
			r, err = s.try("PUT", "/v2/app/manifests/v1", bytes.NewReader(data), "Content-Type", "application/vnd.oci.image.manifest.v1+json")
			ok = !failed(r, err)
		}
		set(1 << 30)
		r = s.get("/v2/app/manifests/v1", 200)
		if !bytes.Equal(r.body, before) && !bytes.Equal(r.body, data) {
			t.Fatalf("after %d steps the tag is something else", n)
		}
		if ok {
			break
		}
	}
	if full < 5 {
		t.Errorf("the disk was full %d times only", full)
	}
	s.sound()
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
