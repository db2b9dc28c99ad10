package remote_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestServersThatKeepPartOfTheSpec holds what breaks other clients: each of these
// servers can be pulled from and pushed to.
func TestServersThatKeepPartOfTheSpec(t *testing.T) {
	manifests, heads := "/manifests/", http.MethodHead
	for name, faults := range map[string][]registrytest.Fault{
		"as the spec has it":                   {},
		"no digest":                            {{Drop: "Docker-Content-Digest"}},
		"no digest on HEAD":                    {{Method: heads, Drop: "Docker-Content-Digest"}},
		"no digest on PUT":                     {{Method: http.MethodPut, Drop: "Docker-Content-Digest"}},
		"nonsense as the digest":               {{Header: http.Header{"Docker-Content-Digest": {"nonsense"}}}},
		"no length on HEAD":                    {{Method: heads, Drop: "Content-Length"}},
		"no length":                            {{Drop: "Content-Length"}},
		"manifest as application/json":         {{Path: manifests, Method: http.MethodGet, Header: json1("application/json")}, {Path: manifests, Method: heads, Header: json1("application/json")}},
		"manifest as octet-stream":             {{Path: manifests, Method: heads, Header: json1("application/octet-stream")}, {Path: manifests, Method: http.MethodGet, Header: json1("application/octet-stream")}},
		"manifest without Content-Type":        {{Path: manifests, Drop: "Content-Type"}},
		"Content-Type with charset":            {{Path: manifests, Method: heads, Header: json1(ocispec.MediaTypeImageManifest + "; charset=utf-8")}, {Path: manifests, Method: http.MethodGet, Header: json1(ocispec.MediaTypeImageManifest + "; charset=utf-8")}},
		"HEAD of manifests 405":                {{Path: manifests, Method: heads, Status: http.StatusMethodNotAllowed}},
		"HEAD of manifests 404, GET 200":       {{Path: manifests, Method: heads, Status: http.StatusNotFound}},
		"HEAD of manifests 400":                {{Path: manifests, Method: heads, Status: http.StatusBadRequest}},
		"HEAD of blobs 405":                    {{Path: "/blobs/", Method: heads, Status: http.StatusMethodNotAllowed}},
		"text instead of JSON for 404":         {{Path: "/blobs/", Method: heads, Times: 1, Status: http.StatusNotFound, Body: "404 page not found"}},
		"warnings":                             {{Header: http.Header{"Warning": {`299 - "this registry is old"`}}}},
		"one 429 without a body":               {{Times: 1, Status: http.StatusTooManyRequests, Body: " "}},
		"two 503":                              {{Times: 2, Status: http.StatusServiceUnavailable}},
		"referrers API 404":                    {{Path: "/referrers/", Status: http.StatusNotFound}},
		"referrers API 400":                    {{Path: "/referrers/", Status: http.StatusBadRequest}},
		"one mount that is refused by 202":     {},
		"cookies":                              {{Header: http.Header{"Set-Cookie": {"session=" + secret}}}},
		"content encoding that says identity":  {{Header: http.Header{"Content-Encoding": {"identity"}}}},
		"conditions that are ignored":          {},
		"Docker-Content-Digest of another alg": {{Method: http.MethodPut, Header: http.Header{"Docker-Content-Digest": {digest.SHA512.FromString("x").String()}}, Path: manifests}},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t)
			reg.NoConditions = name == "conditions that are ignored"
			for _, f := range faults {
				reg.Fault(f)
			}
			r := open(t, reg, "app", remote.Options{})
			if err := pushImage(t.Context(), r); err != nil {
				t.Fatalf("push: %v", err)
			}
			if err := pullImage(t.Context(), r); err != nil {
				t.Errorf("pull: %v", err)
			}
			for _, q := range reg.Requests() {
				if q.Header.Get("Cookie") != "" {
					t.Error("a cookie was sent back")
				}
			}
		})
	}
}

func json1(mediaType string) http.Header { return http.Header{"Content-Type": {mediaType}} }

// Registries answer a put with other statuses than 201: what counts is what is there.
func TestOtherSuccess(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusAccepted, http.StatusNoContent} {
		reg := registrytest.New(t)
		reg.Server.Config.Handler = rewrite(reg, http.MethodPut, func(w *httptest.ResponseRecorder) { w.Code = status })
		r := open(t, reg, "app", remote.Options{})
		if err := pushImage(t.Context(), r); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if err := pullImage(t.Context(), r); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		// And what is not there was not stored, whatever the status.
		reg.Fault(registrytest.Fault{Method: http.MethodPut, Path: "/blobs/", Status: status})
		other := blobOf(1000)
		if err := r.Push(t.Context(), layerOf(other), bytes.NewReader(other)); !isContent(err) {
			t.Errorf("%d without storing: %v", status, err)
		}
	}
}

// rewrite is a handler that changes the answers to one method.
func rewrite(next http.Handler, method string, change func(*httptest.ResponseRecorder)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		if r.Method == method {
			change(rec)
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// A proxy compresses though it was asked not to.
func TestContentEncoding(t *testing.T) {
	reg := registrytest.New(t)
	seed(reg, "app", "v1")
	reg.Server.Config.Handler = rewrite(reg, http.MethodGet, func(w *httptest.ResponseRecorder) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(w.Body.Bytes())
		_ = z.Close()
		w.Body = &b
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Del("Content-Length")
	})
	if err := pullImage(t.Context(), open(t, reg, "app", remote.Options{})); err != nil {
		t.Error(err)
	}
	for _, q := range reg.Requests() {
		if q.Header.Get("Accept-Encoding") != "identity" {
			t.Errorf("%s %s accepts %q", q.Method, q.Path, q.Header.Get("Accept-Encoding"))
		}
	}
	reg.Server.Config.Handler = rewrite(reg, http.MethodGet, func(w *httptest.ResponseRecorder) { w.Header().Set("Content-Encoding", "br") })
	if _, err := fetch(open(t, reg, "app", remote.Options{}), layerOf(layerData)); !isContent(err) || !strings.Contains(err.Error(), "br") {
		t.Errorf("an encoding that is not known: %v", err)
	}
}

// The media type of a manifest comes from itself, the registry, or its members;
// what can be read in two ways is refused.
func TestMediaTypeOfManifests(t *testing.T) {
	image, index := ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex
	docker := imagespec.MediaTypeDockerManifest
	for _, test := range []struct{ header, body, want string }{
		{image, `{"schemaVersion":2,"mediaType":"` + image + `","config":{},"layers":[]}`, image},
		{"", `{"schemaVersion":2,"config":{},"layers":[]}`, image},
		{"application/json", `{"schemaVersion":2,"manifests":[]}`, index},
		{docker, `{"schemaVersion":2,"config":{},"layers":[]}`, docker},
		{"text/plain", `{"schemaVersion":2,"mediaType":"` + docker + `","config":{},"layers":[]}`, docker},
		{image, `{"schemaVersion":2,"mediaType":"` + index + `","manifests":[]}`, ""},
		{image, `{"schemaVersion":2,"manifests":[],"layers":[]}`, ""},
		{index, `{"schemaVersion":2,"config":{},"layers":[]}`, ""},
		{image, `{"schemaVersion":2,"manifests":[]}`, ""},
		{"", `{"schemaVersion":2,"mediaType":"text/html","layers":[]}`, ""},
		{"", `{"schemaVersion":2,"mediaType":"` + image + `","mediatype":"` + index + `","manifests":[]}`, ""},
		{"application/vnd.docker.distribution.manifest.v1+prettyjws", `{"schemaVersion":1,"fsLayers":[]}`, ""},
		{"", `{}`, ""},
		{"", `[]`, ""},
		{"", ``, ""},
		{"", strings.Repeat("[", 100_000), ""},
	} {
		reg := registrytest.New(t)
		reg.PutManifest("app", "v1", test.header, []byte(test.body))
		reg.Fault(registrytest.Fault{Method: http.MethodHead, Status: http.StatusMethodNotAllowed})
		got, err := open(t, reg, "app", remote.Options{}).Resolve(t.Context(), "v1")
		if test.want == "" && !isContent(err) || test.want != "" && (err != nil || got.MediaType != test.want) {
			t.Errorf("%q as %q: %v, %v", test.body, test.header, got, err)
		}
		if n := len(reg.Requests()); n != 2 {
			t.Errorf("%q as %q: %d requests", test.body, test.header, n)
		}
	}
}

// sha512 is a digest as good as any.
func TestOtherAlgorithm(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	for _, content := range [][]byte{layerData, indexOf()} {
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.SHA512.FromBytes(content), Size: int64(len(content))}
		if json.Valid(content) {
			d.MediaType = ocispec.MediaTypeImageIndex
		}
		if err := r.Push(t.Context(), d, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := fetch(r, d); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	for _, bad := range []digest.Digest{"", "sha256:1", "md5:d41d8cd98f00b204e9800998ecf8427e", "../../etc/passwd"} {
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: bad}
		reg.Forget()
		_, fetchErr := r.Fetch(t.Context(), d)
		_, existsErr := r.Exists(t.Context(), d)
		_, pushErr := r.PushFrom(t.Context(), d, nil, "")
		for _, err := range []error{fetchErr, existsErr, pushErr, r.Delete(t.Context(), d), r.Push(t.Context(), d, strings.NewReader(""))} {
			if err == nil {
				t.Errorf("%q was taken for a digest", bad)
			}
		}
		if len(reg.Requests()) > 0 {
			t.Errorf("%q: %v", bad, reg.Requests())
		}
	}
	for _, bad := range []string{"", "a b", "../x", "sha256:1", strings.Repeat("t", 129)} {
		if _, err := r.Resolve(t.Context(), bad); err == nil {
			t.Errorf("%q was taken for a reference", bad)
		}
	}
	if n := len(reg.Requests()); n > 0 {
		t.Errorf("%d requests for what is no name", n)
	}
}

// Warnings of a registry are reported, each once.
func TestWarnings(t *testing.T) {
	reg := registrytest.New(t)
	seed(reg, "app", "v1")
	reg.Fault(registrytest.Fault{Header: http.Header{"Warning": {`299 - "old"`, `199 - "not ours"`}}})
	said := make(chan string, 100)
	r := open(t, reg, "app", remote.Options{Event: func(e remote.Event) {
		if e.Kind == remote.EventWarning {
			said <- fmt.Sprint(e.Text)
		}
	}})
	for range 3 {
		if _, err := r.Resolve(t.Context(), "v1"); err != nil {
			t.Fatal(err)
		}
	}
	close(said)
	var all []string
	for s := range said {
		all = append(all, s)
	}
	if len(all) != 1 || all[0] != "old" {
		t.Errorf("%q", all)
	}
}
