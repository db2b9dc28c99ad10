package serve_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

// upload begins an upload, and gives its location.
func (s *server) upload(repo string) string {
	s.t.Helper()
	r := s.want(s.do("POST", "/v2/"+repo+"/blobs/uploads/", nil), 202, "")
	if r.header.Get("Range") != "0-0" || r.header.Get("Docker-Upload-Uuid") == "" || !strings.HasPrefix(r.header.Get("Location"), "/v2/"+repo+"/blobs/uploads/") {
		s.t.Errorf("upload: %v", r.header)
	}
	return r.header.Get("Location")
}

func TestUploadWhole(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	data := "all of it"
	d := digest.FromString(data)
	r := s.want(s.do("POST", "/v2/app/blobs/uploads/?digest="+d.String(), strings.NewReader(data)), 201, "")
	if r.header.Get("Location") != "/v2/app/blobs/"+d.String() || r.header.Get("Docker-Content-Digest") != d.String() {
		t.Errorf("%v", r.header)
	}
	if r := s.get("/v2/app/blobs/"+d.String(), 200); string(r.body) != data {
		t.Errorf("%q", r.body)
	}
	// Once more is the same, and so is one of nothing, and one by sha512.
	s.want(s.do("POST", "/v2/app/blobs/uploads/?digest="+d.String(), strings.NewReader(data)), 201, "")
	s.want(s.do("POST", "/v2/app/blobs/uploads/?digest="+digest.FromString("").String(), nil), 201, "")
	long := digest.SHA512.FromString(data)
	s.want(s.do("PUT", s.upload("app")+"?digest="+long.String(), strings.NewReader(data)), 201, "")
	if r := s.get("/v2/app/blobs/"+long.String(), 200); string(r.body) != data {
		t.Errorf("%q", r.body)
	}
	for query, code := range map[string]registry.Code{"": registry.CodeDigestInvalid, "?digest=" + digest.FromString("other").String(): registry.CodeDigestInvalid, "?digest=sha256:x": registry.CodeDigestInvalid, "?digest=..%2f": registry.CodeDigestInvalid} {
		s.want(s.do("PUT", s.upload("app")+query, strings.NewReader(data)), 400, code)
	}
	s.want(s.do("POST", "/v2/app/blobs/uploads/?digest="+digest.FromString("other").String(), strings.NewReader(data)), 400, registry.CodeDigestInvalid)
}

// Of content that comes with the request that begins its upload, and that cannot be a
// blob, nothing stays: nobody knows the id to go on with.
func TestUploadWholeLeavesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{Limits: serve.Limits{Blob: 4}})
	d := digest.FromString("five!").String()
	s.want(s.do("POST", "/v2/app/blobs/uploads/?digest=sha256:x", strings.NewReader("some")), 400, registry.CodeDigestInvalid)
	s.want(s.do("POST", "/v2/app/blobs/uploads/?digest="+d, strings.NewReader("five!")), 413, registry.CodeSizeInvalid)
	s.want(s.do("POST", "/v2/app/blobs/uploads/?digest="+d, strings.NewReader("some"), "Content-Range", "1-4"), 416, "")
	entries, err := os.ReadDir(filepath.Join(s.dir, ".layform", "uploads"))
	if err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}

// How much of an upload is there can be asked while more comes.
func TestUploadSizeMeanwhile(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	at := s.upload("app")
	in, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := s.try("PATCH", at, in)
		done <- err
	}()
	if _, err := out.Write([]byte("some")); err != nil {
		t.Fatal(err)
	}
	for s.get(at, 204).header.Get("Range") != "0-3" {
		time.Sleep(time.Millisecond)
	}
	if err := errors.Join(out.Close(), <-done); err != nil {
		t.Error(err)
	}
}

func TestUploadInChunks(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	at := s.upload("app")
	next := 0
	for _, chunk := range []string{"first ", "second ", "third"} {
		from, to := next, next+len(chunk)-1
		next += len(chunk)
		r := s.want(s.do("PATCH", at, strings.NewReader(chunk), "Content-Range", rangeOf(from, to), "Content-Type", "application/octet-stream"), 202, "")
		if r.header.Get("Range") != rangeOf(0, to) || r.header.Get("Location") == "" {
			t.Errorf("%v", r.header)
		}
		at = r.header.Get("Location")
		// The same again is out of order, and so is one that leaves something out.
		for _, wrong := range []int{from, to + 2} {
			r = s.want(s.do("PATCH", at, strings.NewReader(chunk), "Content-Range", rangeOf(wrong, wrong+len(chunk)-1)), 416, "RANGE_INVALID")
			if r.header.Get("Range") != rangeOf(0, to) {
				t.Errorf("out of order: %v", r.header)
			}
		}
		if r = s.get(at, 204); r.header.Get("Range") != rangeOf(0, to) || r.header.Get("Location") != at {
			t.Errorf("status: %v", r.header)
		}
	}
	s.want(s.do("PATCH", at, strings.NewReader("x"), "Content-Range", "5"), 400, registry.CodeBlobUploadInvalid)
	s.want(s.do("PATCH", at, strings.NewReader("x"), "Content-Range", "18-20"), 400, registry.CodeSizeInvalid)
	s.want(s.do("PATCH", at, io.MultiReader(strings.NewReader("more than it says")), "Content-Range", "18-18"), 413, registry.CodeSizeInvalid)
	// What fitted of it is there.
	d := digest.FromString("first second thirdm")
	s.want(s.do("PUT", at+"?digest="+d.String(), nil), 201, "")
	if r := s.get("/v2/app/blobs/"+d.String(), 200); string(r.body) != "first second thirdm" {
		t.Errorf("%q", r.body)
	}
	s.want(s.do("GET", at, nil), 404, registry.CodeBlobUploadUnknown)

	at = s.upload("app")
	s.want(s.do("PATCH", at, strings.NewReader("a")), 202, "")
	s.want(s.do("PUT", at+"?digest="+digest.FromString("abc").String(), strings.NewReader("bc"), "Content-Range", "1-2"), 201, "")

	at = s.upload("app")
	s.want(s.do("PATCH", at, strings.NewReader("abandoned")), 202, "")
	s.want(s.do("DELETE", at, nil), 204, "")
	s.want(s.do("PATCH", at, strings.NewReader("abandoned")), 404, registry.CodeBlobUploadUnknown)
	s.want(s.do("DELETE", at, nil), 404, registry.CodeBlobUploadUnknown)
	// An upload belongs to its repository.
	at = s.upload("app")
	s.want(s.do("GET", strings.Replace(at, "/app/", "/other/", 1), nil), 404, registry.CodeBlobUploadUnknown)
}

func rangeOf(from, to int) string { return fmt.Sprintf("%d-%d", from, to) }

func TestMount(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	d := s.pushBlob("from", []byte("shared")).Digest.String()
	r := s.want(s.do("POST", "/v2/to/blobs/uploads/?from=from&mount="+d, nil), 201, "")
	if r.header.Get("Location") != "/v2/to/blobs/"+d || r.header.Get("Docker-Content-Digest") != d {
		t.Errorf("%v", r.header)
	}
	s.get("/v2/to/blobs/"+d, 200)
	s.want(s.do("GET", "/v2/elsewhere/blobs/"+d, nil), 404, registry.CodeBlobUnknown)
	for _, query := range []string{"from=nowhere&mount=" + d, "from=from&mount=" + digest.FromString("unknown").String(), "mount=" + digest.FromString("unknown").String(), "from=..%2f..%2f&mount=" + d} {
		if r := s.want(s.do("POST", "/v2/to/blobs/uploads/?"+query, nil), 202, ""); r.header.Get("Location") == "" {
			t.Errorf("%s: %v", query, r.header)
		}
	}
	s.want(s.do("POST", "/v2/to/blobs/uploads/?mount="+d, nil), 201, "") // it is there already
	s.want(s.do("POST", "/v2/to/blobs/uploads/?from=from&mount=latest", nil), 400, registry.CodeDigestInvalid)
}

func TestPutManifest(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	one, two := s.image("app", "one"), s.image("app", "two")
	first := s.put("app", "v1", one)
	s.put("app", "v1", one)
	second := s.put("app", digest.FromBytes(two).String(), two)
	s.put("app", "v1", two) // moves it
	if r := s.get("/v2/app/manifests/v1", 200); !bytes.Equal(r.body, two) {
		t.Error("the tag did not move")
	}
	s.get("/v2/app/manifests/"+first.Digest.String(), 200) // who pinned it has it still
	r := s.want(s.putTo("app", second.Digest.String()+"?tag=a&tag=b", two), 201, "")
	if got := r.header.Values("OCI-Tag"); len(got) != 2 || got[0] != "a" || got[1] != "b" {
		t.Errorf("OCI-Tag: %q", got)
	}
	for _, tag := range []string{"a", "b"} {
		if r := s.get("/v2/app/manifests/"+tag, 200); r.header.Get("Docker-Content-Digest") != second.Digest.String() {
			t.Errorf("%s: %v", tag, r.header)
		}
	}
	s.want(s.putTo("app", first.Digest.String(), two), 400, registry.CodeDigestInvalid)
	s.want(s.putTo("app", second.Digest.String()+"?tag=..%2fx", two), 400, registry.CodeTagInvalid)
	s.want(s.putTo("app", second.Digest.String()+"?tag=x"+strings.Repeat("&tag=x", 100), two), 414, registry.CodeTagInvalid)
	s.want(s.putTo("app", "v3", []byte("no JSON")), 400, registry.CodeManifestInvalid)
	s.want(s.putTo("app", "v3", []byte(`[]`)), 400, registry.CodeManifestInvalid)
	s.want(s.putTo("app", "v3", one, "Content-Type", "text/plain"), 400, registry.CodeManifestInvalid)
	s.want(s.putTo("app", "v3", one, "Content-Type", ocispec.MediaTypeImageIndex), 400, registry.CodeManifestInvalid)
	s.want(s.putTo("app", "v3", one, "Content-Type", ";"), 400, registry.CodeManifestInvalid)
	// A member that is there twice, or in another case, is read as one or the other.
	for _, twice := range []string{`"layers":[],`, `"Layers":[],`, `"SchemaVersion":2,`} {
		s.want(s.putTo("app", "v3", bytes.Replace(one, []byte(`{`), []byte(`{`+twice), 1)), 400, registry.CodeManifestInvalid)
	}
	other := s.image("elsewhere", "one of another repository")
	r = s.want(s.putTo("app", "v3", other), 404, registry.CodeManifestBlobUnknown)
	if !bytes.Contains(r.body, []byte(digest.FromString("one of another repository"))) {
		t.Errorf("it does not say what is missing: %s", r.body)
	}
	s.want(s.putTo("app", "v3", append(one, bytes.Repeat([]byte(" "), 4<<20)...)), 413, registry.CodeSizeInvalid)
	s.want(s.do("PUT", "/v2/app/manifests/v3", io.MultiReader(bytes.NewReader(one), bytes.NewReader(bytes.Repeat([]byte(" "), 4<<20))), "Content-Type", ocispec.MediaTypeImageManifest), 413, registry.CodeSizeInvalid)
	s.want(s.do("GET", "/v2/app/manifests/v3", nil), 404, registry.CodeManifestUnknown)
	s.sound()
}

func TestConditions(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	one, two := s.image("app", "one"), s.image("app", "two")
	quoted := func(data []byte) string { return `"` + digest.FromBytes(data).String() + `"` }
	s.put("app", "v1", one, "If-None-Match", "*")
	r := s.want(s.putTo("app", "v1", two, "If-None-Match", "*"), 412, registry.CodeDenied)
	if !bytes.Contains(r.body, []byte(digest.FromBytes(one))) {
		t.Errorf("it does not say what the tag is: %s", r.body)
	}
	s.want(s.putTo("app", "v1", two, "If-Match", quoted(two)), 412, registry.CodeDenied)
	s.want(s.putTo("app", "v2", two, "If-Match", "*"), 412, registry.CodeDenied)
	s.want(s.putTo("app", "v1", two, "If-Match", `"other"`), 412, registry.CodeDenied)
	for _, bad := range []string{"x", `W/` + quoted(one), quoted(one) + ", " + quoted(two), ""} {
		if r := s.putTo("app", "v1", two, "If-Match", bad); r.status != 400 || r.code() != "UNSUPPORTED" {
			t.Errorf("If-Match: %s: %d", bad, r.status)
		}
	}
	s.want(s.putTo("app", "v1", two, "If-None-Match", quoted(one)), 400, registry.CodeUnsupported)
	s.want(s.putTo("app", "v1", two, "If-None-Match", "*", "If-Match", "*"), 400, registry.CodeUnsupported)
	if r := s.get("/v2/app/manifests/v1", 200); !bytes.Equal(r.body, one) {
		t.Error("the tag moved")
	}
	s.put("app", "v1", two, "If-Match", quoted(one))
	s.put("app", "v1", one, "If-Match", "*")
	s.want(s.do("DELETE", "/v2/app/manifests/v1", nil, "If-Match", quoted(two)), 412, registry.CodeDenied)
	s.want(s.do("DELETE", "/v2/app/manifests/v1", nil, "If-Match", quoted(one)), 202, "")
	s.want(s.do("GET", "/v2/app/manifests/v1", nil), 404, registry.CodeManifestUnknown)
}

func TestImmutable(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{Immutable: []string{"v*"}}, serve.Options{})
	one, two := s.image("app", "one"), s.image("app", "two")
	s.put("app", "v1", one)
	s.put("app", "v1", one) // the same again is nothing new
	r := s.want(s.putTo("app", "v1", two), 403, registry.CodeDenied)
	if !bytes.Contains(r.body, []byte(digest.FromBytes(one))) {
		t.Errorf("it does not say what the tag is: %s", r.body)
	}
	s.want(s.putTo("app", "v1", two, "If-None-Match", "*"), 412, registry.CodeDenied)
	s.want(s.do("DELETE", "/v2/app/manifests/v1", nil), 403, registry.CodeDenied)
	s.put("app", "latest", one)
	s.put("app", "latest", two)
	s.want(s.do("DELETE", "/v2/app/manifests/latest", nil), 202, "")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{})
	data := s.image("app", "one")
	desc := s.put("app", "v1", data)
	s.put("app", "v2", data)
	layer := digest.FromString("one").String()
	if r := s.do("DELETE", "/v2/app/blobs/"+layer, nil); r.status != 409 || r.code() != "DENIED" {
		t.Errorf("a blob that is in use: %d %s", r.status, r.body)
	}
	s.want(s.do("DELETE", "/v2/app/manifests/v1", nil), 202, "")
	s.want(s.do("DELETE", "/v2/app/manifests/v1", nil), 404, registry.CodeManifestUnknown)
	s.get("/v2/app/manifests/v2", 200)
	s.want(s.do("DELETE", "/v2/app/manifests/"+desc.Digest.String(), nil), 202, "")
	s.want(s.do("GET", "/v2/app/manifests/v2", nil), 404, registry.CodeManifestUnknown)
	s.want(s.do("GET", "/v2/app/manifests/"+desc.Digest.String(), nil), 404, registry.CodeManifestUnknown)
	s.want(s.do("DELETE", "/v2/app/manifests/"+desc.Digest.String(), nil), 404, registry.CodeManifestUnknown)
	s.want(s.do("DELETE", "/v2/app/blobs/"+digest.FromString("unknown").String(), nil), 404, registry.CodeBlobUnknown)
	loose := s.pushBlob("app", []byte("loose")).Digest.String()
	s.want(s.do("DELETE", "/v2/app/blobs/"+loose, nil), 202, "")
	s.want(s.do("GET", "/v2/app/blobs/"+loose, nil), 404, registry.CodeBlobUnknown)
	s.sound()
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	w := start(t, registry.Options{}, serve.Options{})
	data := w.image("app", "one")
	w.put("app", "v1", data)
	s := at(t, w.dir, registry.Options{ReadOnly: true}, serve.Options{HowToWrite: "ask for it"})
	s.get("/v2/app/manifests/v1", 200)
	d := digest.FromBytes(data).String()
	for _, request := range []string{
		"PUT /v2/app/manifests/v2", "DELETE /v2/app/manifests/v1", "DELETE /v2/app/manifests/" + d, "DELETE /v2/app/blobs/" + d,
		"POST /v2/app/blobs/uploads/", "PATCH /v2/app/blobs/uploads/x", "PUT /v2/app/blobs/uploads/x", "DELETE /v2/app/blobs/uploads/x",
	} {
		method, path, _ := strings.Cut(request, " ")
		r := s.want(s.do(method, path, bytes.NewReader(data), "Content-Type", ocispec.MediaTypeImageManifest), 405, registry.CodeDenied)
		if !bytes.Contains(r.body, []byte("ask for it")) || r.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %s, %v", request, r.body, r.header)
		}
	}
	// Another process, or an apply, writes into the layout: it shows with the next request.
	w.put("app", "v2", data)
	s.get("/v2/app/manifests/v2", 200)
}
