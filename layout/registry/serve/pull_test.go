package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

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
