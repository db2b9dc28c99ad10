package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
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

func TestBase(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	for _, path := range []string{"/v2/", "/v2"} {
		r := s.get(path, 200)
		if string(r.body) != "{}" || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s of %s", path, r.body, r.header.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/", "/v1/", "/v2/nothing", "/v2/a/b/c"} {
		s.want(s.do("GET", path, nil), 404, registry.CodeUnsupported)
	}
	r := s.want(s.do("POST", "/v2/", nil), 405, registry.CodeUnsupported)
	if r.header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow: %q", r.header.Get("Allow"))
	}
	s.want(s.do("OPTIONS", "/v2/a/manifests/v1", nil), 405, registry.CodeUnsupported)
}

func TestPull(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	data := s.image("team/app", "content of the layer")
	desc := s.put("team/app", "v1", data)
	for path, cache := range map[string]string{"/v2/team/app/manifests/v1": "no-cache", "/v2/team/app/manifests/" + desc.Digest.String(): "public, max-age=31536000, immutable"} {
		for _, method := range []string{"GET", "HEAD"} {
			for _, accept := range []string{"", "application/vnd.docker.distribution.manifest.v2+json", ocispec.MediaTypeImageIndex} {
				r := s.want(s.do(method, path, nil, "Accept", accept), 200, "")
				want := map[string]string{
					"Docker-Content-Digest": desc.Digest.String(), "Etag": `"` + desc.Digest.String() + `"`, "Content-Type": desc.MediaType,
					"Content-Length": strconv.Itoa(len(data)), "Cache-Control": cache,
				}
				for name, value := range want {
					if r.header.Get(name) != value {
						t.Errorf("%s %s: %s is %q, want %q", method, path, name, r.header.Get(name), value)
					}
				}
				if method == "GET" && !bytes.Equal(r.body, data) || method == "HEAD" && (len(r.body) != 0 || r.length != int64(len(data))) {
					t.Errorf("%s %s: %d bytes, of %d", method, path, len(r.body), r.length)
				}
			}
		}
		if r := s.get(path, 304, "If-None-Match", `"`+desc.Digest.String()+`"`); len(r.body) != 0 {
			t.Errorf("%s: not modified, with %q", path, r.body)
		}
	}
	unknown := digest.FromString("unknown").String()
	s.want(s.do("GET", "/v2/team/app/manifests/v2", nil), 404, registry.CodeManifestUnknown)
	s.want(s.do("GET", "/v2/team/app/manifests/"+unknown, nil), 404, registry.CodeManifestUnknown)
	s.want(s.do("GET", "/v2/team/other/manifests/v1", nil), 404, registry.CodeManifestUnknown)
	s.want(s.do("GET", "/v2/team/app/manifests/.INVALID", nil), 404, registry.CodeManifestUnknown)
	s.want(s.do("GET", "/v2/team/app/blobs/"+unknown, nil), 404, registry.CodeBlobUnknown)
	s.want(s.do("GET", "/v2/team/app/blobs/latest", nil), 400, registry.CodeDigestInvalid)
	if r := s.do("HEAD", "/v2/team/app/manifests/v2", nil); r.status != 404 || len(r.body) != 0 {
		t.Errorf("HEAD of nothing: %d %q", r.status, r.body)
	}
	s.sound()
}

func TestBlobRanges(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	data := []byte("0123456789")
	d := s.pushBlob("app", data).Digest
	path := "/v2/app/blobs/" + d.String()
	for _, c := range []struct {
		header string
		status int
		body   string
		range_ string
	}{
		{"", 200, "0123456789", ""},
		{"bytes=0-", 206, "0123456789", "bytes 0-9/10"},
		{"bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"bytes=4-6", 206, "456", "bytes 4-6/10"},
		{"bytes=8-99999999999999", 206, "89", "bytes 8-9/10"},
		{"bytes=-3", 206, "789", "bytes 7-9/10"},
		{"bytes=10-", 416, "", "bytes */10"},
		{"bytes=5-4", 416, "", ""},
		{"bytes=a-b", 416, "", ""},
		{"bytes=99999999999999999999-", 416, "", ""},
		{"bytes=0-9223372036854775807", 206, "0123456789", "bytes 0-9/10"},
		{"octets=0-1", 416, "", ""},
	} {
		r := s.do("GET", path, nil, "Range", c.header)
		if r.status != c.status || c.status < 400 && string(r.body) != c.body || r.header.Get("Content-Range") != c.range_ {
			t.Errorf("%q: %d %q %q", c.header, r.status, r.body, r.header.Get("Content-Range"))
		}
		if c.status == 416 && r.code() != "RANGE_INVALID" {
			t.Errorf("%q: %s", c.header, r.body)
		}
		if c.status < 400 && (r.header.Get("Docker-Content-Digest") != d.String() || r.header.Get("Accept-Ranges") != "bytes" || r.header.Get("Content-Type") != "application/octet-stream" || r.header.Get("Content-Encoding") != "") {
			t.Errorf("%q: %v", c.header, r.header)
		}
	}
	if r := s.do("HEAD", path, nil, "Accept-Encoding", "gzip"); r.status != 200 || r.length != 10 {
		t.Errorf("HEAD: %d, %d bytes", r.status, r.length)
	}
	s.get(path, 304, "If-None-Match", `"`+d.String()+`"`)
	s.want(s.do("GET", path, nil, "If-Match", `"`+digest.FromString("other").String()+`"`), 412, registry.CodeDenied)
	if r := s.get(path, 206, "Range", "bytes=1-2, 4-5"); !strings.HasPrefix(r.header.Get("Content-Type"), "multipart/byteranges") {
		t.Errorf("two ranges: %v", r.header)
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	s.want(s.do("GET", "/v2/app/tags/list", nil), 404, registry.CodeNameUnknown)
	data := s.image("app", "one")
	for _, tag := range []string{"c", "a", "b", "D"} {
		s.put("app", tag, data)
	}
	for _, repo := range []string{"team/two", "other"} {
		s.put(repo, "v1", s.image(repo, "two"))
	}
	tags := func(query string) (list []string, link string) {
		t.Helper()
		r := s.get("/v2/app/tags/list"+query, 200)
		var doc struct {
			Name string
			Tags []string
		}
		if err := json.Unmarshal(r.body, &doc); err != nil || doc.Name != "app" || doc.Tags == nil {
			t.Fatalf("%s: %v", r.body, err)
		}
		return doc.Tags, r.header.Get("Link")
	}
	for _, c := range []struct{ query, list, link string }{
		{"", "[D a b c]", ""},
		{"?n=2", "[D a]", `</v2/app/tags/list?last=a&n=2>; rel="next"`},
		{"?n=2&last=a", "[b c]", ""},
		{"?n=1&last=a&ns=docker.io", "[b]", `</v2/app/tags/list?last=b&n=1&ns=docker.io>; rel="next"`},
		{"?last=b", "[c]", ""},
		{"?last=zz", "[]", ""},
		{"?n=0", "[]", ""},
		{"?n=100000000", "[D a b c]", ""},
	} {
		if list, link := tags(c.query); fmt.Sprint(list) != c.list || link != c.link {
			t.Errorf("%s: %v, %s", c.query, list, link)
		}
	}
	for _, n := range []string{"-1", "x", "99999999999999999999", ""} {
		if r := s.do("GET", "/v2/app/tags/list?n="+n, nil); r.status != 400 || r.code() != "PAGINATION_NUMBER_INVALID" {
			t.Errorf("n=%s: %d %s", n, r.status, r.body)
		}
	}
	r := s.get("/v2/_catalog?n=2", 200)
	if string(r.body) != `{"repositories":["app","other"]}` || r.header.Get("Link") != `</v2/_catalog?last=other&n=2>; rel="next"` {
		t.Errorf("catalog: %s, %v", r.body, r.header)
	}
	if r := s.get("/v2/_catalog?n=2&last=other", 200); string(r.body) != `{"repositories":["team/two"]}` || r.header.Get("Link") != "" {
		t.Errorf("catalog: %s, %v", r.body, r.header)
	}
}

func TestReferrers(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	subject := s.put("app", "v1", s.image("app", "one"))
	empty := s.pushBlob("app", []byte("{}"))
	empty.MediaType = ocispec.MediaTypeEmptyJSON
	for i, kind := range []string{"application/vnd.example.sbom", "application/vnd.example.signature", "application/vnd.example.sbom"} {
		data := document(t, manifest{
			SchemaVersion: 2, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: kind, Config: &empty, Layers: []ocispec.Descriptor{empty},
			Subject: &subject, Annotations: map[string]string{"n": strconv.Itoa(i)},
		})
		r := s.want(s.putTo("app", digest.FromBytes(data).String(), data), 201, "")
		if r.header.Get("OCI-Subject") != subject.Digest.String() {
			t.Errorf("OCI-Subject: %v", r.header)
		}
	}
	referrers := func(query string) (ocispec.Index, reply) {
		t.Helper()
		r := s.get("/v2/app/referrers/"+query, 200)
		var index ocispec.Index
		if err := json.Unmarshal(r.body, &index); err != nil || index.SchemaVersion != 2 || index.MediaType != ocispec.MediaTypeImageIndex || index.Manifests == nil || r.header.Get("Content-Type") != ocispec.MediaTypeImageIndex {
			t.Fatalf("%s of %s: %v", r.body, r.header.Get("Content-Type"), err)
		}
		return index, r
	}
	all, r := referrers(subject.Digest.String())
	if len(all.Manifests) != 3 || r.header.Get("OCI-Filters-Applied") != "" {
		t.Errorf("%d referrers, %v", len(all.Manifests), r.header)
	}
	for _, d := range all.Manifests {
		if d.ArtifactType == "" || d.Annotations["n"] == "" || d.Size == 0 || d.MediaType != ocispec.MediaTypeImageManifest {
			t.Errorf("%+v", d)
		}
	}
	some, r := referrers(subject.Digest.String() + "?artifactType=application/vnd.example.sbom")
	if len(some.Manifests) != 2 || r.header.Get("OCI-Filters-Applied") != "artifactType" {
		t.Errorf("%d referrers, %v", len(some.Manifests), r.header)
	}
	for _, unknown := range []string{digest.FromString("unknown").String(), all.Manifests[0].Digest.String()} {
		if none, _ := referrers(unknown); len(none.Manifests) != 0 {
			t.Errorf("%s has referrers", unknown)
		}
	}
	s.want(s.do("GET", "/v2/app/referrers/v1", nil), 400, registry.CodeDigestInvalid)
	s.sound()
}
