package serve

import (
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/registry"
)

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParsePath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]route{
		"/v2":                           {Endpoint: endpointBase},
		"/v2/":                          {Endpoint: endpointBase},
		"/v2/_catalog":                  {Endpoint: endpointCatalog},
		"/v2/a/tags/list":               {Endpoint: endpointTags, Repo: "a"},
		"/v2/a/b/manifests/v1":          {Endpoint: endpointManifest, Repo: "a/b", Tag: "v1"},
		"/v2/a/manifests/" + someDigest: {Endpoint: endpointManifest, Repo: "a", Digest: someDigest},
		"/v2/a/manifests/sha256%3A" + someDigest[7:]: {Endpoint: endpointManifest, Repo: "a", Digest: someDigest},
		"/v2/a/blobs/" + someDigest:                  {Endpoint: endpointBlob, Repo: "a", Digest: someDigest},
		"/v2/a/blobs/uploads/":                       {Endpoint: endpointUploads, Repo: "a"},
		"/v2/a/blobs/uploads":                        {Endpoint: endpointUploads, Repo: "a"},
		"/v2/a/blobs/uploads/0-aB":                   {Endpoint: endpointUpload, Repo: "a", ID: "0-aB"},
		"/v2/a/referrers/" + someDigest:              {Endpoint: endpointReferrers, Repo: "a", Digest: someDigest},
		// Repositories may be called as endpoints are.
		"/v2/manifests/manifests/manifests": {Endpoint: endpointManifest, Repo: "manifests", Tag: "manifests"},
		"/v2/a/blobs/uploads/tags/list":     {Endpoint: endpointTags, Repo: "a/blobs/uploads"},
		"/v2/tags/list/tags/list":           {Endpoint: endpointTags, Repo: "tags/list"},
		"/v2/blobs/blobs/" + someDigest:     {Endpoint: endpointBlob, Repo: "blobs", Digest: someDigest},
	} {
		if got, bad := parsePath(http.MethodGet, path); bad != nil || got != want {
			t.Errorf("%s is %+v, want %+v: %v", path, got, want, bad)
		}
	}
}

func TestParsePathRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path string
		status       int
		code         registry.Code
	}{
		{"GET", "/", 404, registry.CodeUnsupported},
		{"GET", "/v1/", 404, registry.CodeUnsupported},
		{"GET", "/v22/", 404, registry.CodeUnsupported},
		{"GET", "/v2//", 404, registry.CodeUnsupported},
		{"GET", "/v2/a", 404, registry.CodeUnsupported},
		{"GET", "/v2/a/tags/other", 404, registry.CodeUnsupported},
		{"GET", "/v2/manifests/v1", 404, registry.CodeUnsupported},
		{"GET", "/v2/blobs/uploads/", 404, registry.CodeUnsupported},
		{"GET", "/v2//manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/a//b/manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/../manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/..%2f..%2fetc/manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/a%2Fb/manifests/v1", 200, ""},
		{"GET", "/v2/a/%2e%2e/manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/A/manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/a%00/manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/a%zz/manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/" + strings.Repeat("a", 256) + "/manifests/v1", 400, registry.CodeNameInvalid},
		{"GET", "/v2/" + strings.Repeat("a/", 3000) + "/manifests/v1", 414, registry.CodeNameInvalid},
		{"GET", "/v2/a/manifests/.v1", 404, registry.CodeManifestUnknown},
		{"GET", "/v2/a/manifests/..%2f..", 404, registry.CodeManifestUnknown},
		{"DELETE", "/v2/a/manifests/..%2f..", 404, registry.CodeManifestUnknown},
		{"PUT", "/v2/a/manifests/.v1", 400, registry.CodeTagInvalid},
		{"PUT", "/v2/a/manifests/", 400, registry.CodeTagInvalid},
		{"GET", "/v2/a/manifests/sha256:..%2f..", 400, registry.CodeDigestInvalid},
		{"GET", "/v2/a/manifests/sha384:" + strings.Repeat("a", 96), 400, registry.CodeDigestInvalid},
		{"GET", "/v2/a/blobs/..%2f..%2findex.json", 400, registry.CodeDigestInvalid},
		{"GET", "/v2/a/blobs/sha256:" + strings.ToUpper(someDigest[7:]), 400, registry.CodeDigestInvalid},
		{"GET", "/v2/a/referrers/latest", 400, registry.CodeDigestInvalid},
		{"GET", "/v2/a/blobs/uploads/..%2f..%2findex.json", 404, registry.CodeBlobUploadUnknown},
		{"GET", "/v2/a/blobs/uploads/..", 404, registry.CodeBlobUploadUnknown},
		{"GET", "/v2/a/blobs/uploads/" + strings.Repeat("a", 65), 404, registry.CodeBlobUploadUnknown},
	} {
		got, bad := parsePath(c.method, c.path)
		if bad == nil {
			if c.status != 200 {
				t.Errorf("%s %s is %+v, want an error", c.method, c.path, got)
			}
			continue
		}
		if bad.Status != c.status || bad.Code != c.code {
			t.Errorf("%s %s: %d %s (%v), want %d %s", c.method, c.path, bad.Status, bad.Code, bad, c.status, c.code)
		}
	}
}

// FuzzPath: what is accepted keeps the grammar of its kind, whatever the path.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/v2/", "/v2/a/tags/list", "/v2/a/b/manifests/v1", "/v2/a/blobs/uploads/id", "/v2/..%2f/blobs/" + someDigest, "/v2/a/referrers/" + someDigest, "/v2/%61/manifests/%2e%2e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			r, bad := parsePath(method, path)
			if bad != nil {
				if bad.Status < 400 || bad.Status >= 500 || bad.Code == "" {
					t.Fatalf("%q: %d %s", path, bad.Status, bad.Code)
				}
				continue
			}
			if r.Endpoint != endpointBase && r.Endpoint != endpointCatalog {
				if err := ref.CheckRepository(r.Repo); err != nil {
					t.Fatalf("%q gave the repository %q, which %v", path, r.Repo, err)
				}
			}
			if r.Tag != "" && ref.CheckTag(r.Tag) != nil || r.Digest != "" && digest.Digest(r.Digest).Validate() != nil || r.ID != "" && !isUploadID(r.ID) {
				t.Fatalf("%q gave %+v", path, r)
			}
			needs := r.Endpoint == endpointBlob || r.Endpoint == endpointReferrers
			if needs && r.Digest == "" || r.Endpoint == endpointManifest && (r.Digest == "") == (r.Tag == "") || (r.Endpoint == endpointUpload) != (r.ID != "") {
				t.Fatalf("%q gave %+v", path, r)
			}
		}
	})
}

func TestContentRange(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]contentRange{
		"0-0": {0, 1}, "5-9": {5, 5}, "bytes 5-9/20": {5, 5}, "bytes 5-9/*": {5, 5}, "0-9223372036854775806": {0, 1<<63 - 1},
	} {
		if got, ok, bad := parseContentRange(text); got != want || !ok || bad != nil {
			t.Errorf("%q is %v: %v", text, got, bad)
		}
	}
	for _, text := range []string{"-", "0", "1-0", "-1-5", "+1-5", "1-+5", "a-b", "0-9223372036854775807", "0-99999999999999999999", "99999999999999999999-0", "0x1-5", "1_0-20", " 0-1"} {
		if got, ok, bad := parseContentRange(text); bad == nil || ok {
			t.Errorf("%q is %v", text, got)
		}
	}
	if _, ok, bad := parseContentRange(""); ok || bad != nil {
		t.Errorf("none is %v, %v", ok, bad)
	}
}

// FuzzContentRange: a range has a length, and neither of its ends overflows.
func FuzzContentRange(f *testing.F) {
	for _, seed := range []string{"0-0", "bytes 0-9/10", "9223372036854775807-9223372036854775807", "-1-0", "1-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, ok, bad := parseContentRange(text)
		if ok && (bad != nil || r.start < 0 || r.length <= 0 || r.start+r.length < r.start) || !ok && bad == nil && text != "" {
			t.Fatalf("%q is %v, %v, %v", text, r, ok, bad)
		}
	})
}
