package serve_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
	"github.com/layform/layform/layout/validate"
)

// server is a registry over a layout of the test.
type server struct {
	t   testing.TB
	dir string
	*httptest.Server

	mu     sync.Mutex
	events []serve.Event
}

// start serves a new layout. A registry that is read-only is filled by another server of
// the same dir, see at.
func start(t testing.TB, ropts registry.Options, opts serve.Options) *server {
	t.Helper()
	return at(t, t.TempDir(), ropts, opts)
}

func at(t testing.TB, dir string, ropts registry.Options, opts serve.Options) *server {
	t.Helper()
	reg, err := registry.Open(dir, ropts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reg.Close(); err != nil {
			t.Error(err)
		}
	})
	s := serveMounts(t, []serve.Mount{{Registry: reg}}, opts)
	s.dir = dir
	return s
}

func serveMounts(t testing.TB, mounts []serve.Mount, opts serve.Options) *server {
	t.Helper()
	s := &server{t: t}
	opts.Event = func(e serve.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}
	s.Server = httptest.NewUnstartedServer(nil)
	s.Config = serve.NewMounted(mounts, opts).Server()
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// reply is an answer that was read.
type reply struct {
	status int
	header http.Header
	body   []byte
	length int64
}

// code is the error code of an answer.
func (r reply) code() string {
	var doc struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(r.body, &doc) != nil || len(doc.Errors) == 0 || doc.Errors[0].Message == "" {
		return ""
	}
	return doc.Errors[0].Code
}

// do sends a request. headers are names and values in turn.
func (s *server) do(method, path string, body io.Reader, headers ...string) reply {
	s.t.Helper()
	r, err := s.try(method, path, body, headers...)
	if err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (s *server) try(method, path string, body io.Reader, headers ...string) (reply, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, body)
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.Client().Transport.RoundTrip(req) // follows no redirects
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, data, resp.ContentLength}, err
}

// want checks the status of an answer, and the code of one that is an error. Each has
// the headers that clients count on.
func (s *server) want(r reply, status int, code registry.Code) reply {
	s.t.Helper()
	if r.status != status {
		s.t.Fatalf("status %d, want %d: %s", r.status, status, r.body)
	}
	if r.header.Get("Docker-Distribution-Api-Version") != "registry/2.0" {
		s.t.Error("no API version")
	}
	if code != "" && (r.code() != string(code) || r.header.Get("Content-Type") != "application/json") {
		s.t.Errorf("the error is %q of %s, want %s: %s", r.code(), r.header.Get("Content-Type"), code, r.body)
	}
	return r
}

// get is want of a GET.
func (s *server) get(path string, status int, headers ...string) reply {
	s.t.Helper()
	return s.want(s.do("GET", path, nil, headers...), status, "")
}

// pushBlob pushes a blob in two requests.
func (s *server) pushBlob(repo string, data []byte) ocispec.Descriptor {
	s.t.Helper()
	d := digest.FromBytes(data)
	r := s.want(s.do("POST", "/v2/"+repo+"/blobs/uploads/", nil), 202, "")
	r = s.want(s.do("PUT", r.header.Get("Location")+"?digest="+d.String(), bytes.NewReader(data), "Content-Type", "application/octet-stream"), 201, "")
	if r.header.Get("Docker-Content-Digest") != d.String() || r.header.Get("Location") != "/v2/"+repo+"/blobs/"+d.String() {
		s.t.Errorf("pushed: %v", r.header)
	}
	return ocispec.Descriptor{MediaType: "application/octet-stream", Digest: d, Size: int64(len(data))}
}

// image is a manifest of an artifact with one layer, whose blobs were pushed.
func (s *server) image(repo, content string) []byte {
	s.t.Helper()
	empty := s.pushBlob(repo, []byte("{}"))
	empty.MediaType = ocispec.MediaTypeEmptyJSON
	layer := s.pushBlob(repo, []byte(content))
	layer.MediaType = "application/vnd.example.data"
	return document(s.t, manifest{
		SchemaVersion: 2, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example", Config: &empty, Layers: []ocispec.Descriptor{layer},
	})
}

// manifest is a manifest or index, in the order of its members.
type manifest struct {
	SchemaVersion int                  `json:"schemaVersion"`
	MediaType     string               `json:"mediaType,omitempty"`
	ArtifactType  string               `json:"artifactType,omitempty"`
	Config        *ocispec.Descriptor  `json:"config,omitempty"`
	Layers        []ocispec.Descriptor `json:"layers,omitempty"`
	Manifests     []ocispec.Descriptor `json:"manifests,omitempty"`
	Subject       *ocispec.Descriptor  `json:"subject,omitempty"`
	Annotations   map[string]string    `json:"annotations,omitempty"`
}

func document(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// put puts a manifest, and gives its descriptor.
func (s *server) put(repo, reference string, data []byte, headers ...string) ocispec.Descriptor {
	s.t.Helper()
	d := digest.FromBytes(data)
	r := s.want(s.putTo(repo, reference, data, headers...), 201, "")
	if r.header.Get("Docker-Content-Digest") != d.String() || r.header.Get("Location") != "/v2/"+repo+"/manifests/"+d.String() {
		s.t.Errorf("put: %v", r.header)
	}
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: int64(len(data))}
}

func (s *server) putTo(repo, reference string, data []byte, headers ...string) reply {
	s.t.Helper()
	return s.do("PUT", "/v2/"+repo+"/manifests/"+reference, bytes.NewReader(data), append([]string{"Content-Type", ocispec.MediaTypeImageManifest}, headers...)...)
}

// sound checks the layout of a server in full.
func (s *server) sound() {
	s.t.Helper()
	sound(s.t, s.dir)
}

func sound(t testing.TB, dir string) {
	t.Helper()
	store, err := layout.Open(dir, layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for f, err := range validate.Layout(t.Context(), store.Reader, validate.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s: %v", dir, f)
	}
}
