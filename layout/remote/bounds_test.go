package remote_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// GHSA-f36w-mj3v-6jqv: a size of 2^62 decides no allocation.
func TestHostileSizes(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	data := indexOf()
	reg.PutManifest("app", "v1", ocispec.MediaTypeImageIndex, data)
	reg.PutBlob("app", data)
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, size := range []int64{1 << 62, 1<<63 - 1, 5 << 20, -1} {
		for _, mediaType := range []string{ocispec.MediaTypeImageIndex, ocispec.MediaTypeImageLayer} {
			d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: size}
			if _, err := fetch(r, d); !isLimit(err) && !isContent(err) {
				t.Errorf("%s of %d bytes: %v", mediaType, size, err)
			}
			if mediaType == ocispec.MediaTypeImageLayer {
				if _, err := r.Fetch(t.Context(), d); !isContent(err) {
					t.Errorf("%d bytes, though the registry says another length: %v", size, err)
				}
				reg.NoFaults()
				reg.Fault(registrytest.Fault{Drop: "Content-Length"})
				if _, err := fetch(r, d); !isContent(err) {
					t.Errorf("%s of %d bytes without a length: %v", mediaType, size, err)
				}
				reg.NoFaults()
			}
		}
	}
	small := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(data), Size: 5}
	reg.Fault(registrytest.Fault{Drop: "Content-Length"})
	if got, err := fetch(r, small); !isContent(err) || len(got) > 5 {
		t.Errorf("more bytes than the descriptor says: %d, %v", len(got), err)
	}
	reg.NoFaults()
	huge := fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":%q,"digest":%q,"size":%d}]}`, ocispec.MediaTypeImageManifest, digest.FromBytes(data), int64(1)<<62)
	reg.PutManifest("app", remote.ReferrersTag(digest.FromBytes(data)), ocispec.MediaTypeImageIndex, []byte(huge))
	reg.NoReferrers = true
	for _, err := range r.Referrers(t.Context(), descriptor(ocispec.MediaTypeImageIndex, data), "") {
		if !isLimit(err) {
			t.Errorf("a referrer of 2^62 bytes: %v", err)
		}
	}
	reg.PutManifest("app", "big", ocispec.MediaTypeImageIndex, bytes.Repeat([]byte(" "), 5<<20))
	for _, drop := range []string{"", "Content-Length"} {
		reg.Fault(registrytest.Fault{Drop: drop})
		if _, err := r.Resolve(t.Context(), "big"); !isLimit(err) {
			t.Errorf("a manifest of 5 MiB: %v", err)
		}
		reg.NoFaults()
	}
	runtime.ReadMemStats(&now)
	if n := now.TotalAlloc - before.TotalAlloc; n > 256<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// A manifest that grows without end when it is decompressed.
func TestHostileCompression(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for range 64 {
		if _, err := z.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	reg := registrytest.New(t)
	reg.Handler = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(b.Bytes())
		return true
	}
	r := open(t, reg, "app", remote.Options{})
	if _, err := r.Resolve(t.Context(), "v1"); !isLimit(err) {
		t.Errorf("manifest: %v", err)
	}
	if _, err := fetch(r, layerOf(layerData)); !isContent(err) {
		t.Errorf("blob: %v", err)
	}
}

// Tokens that are no tokens.
func TestHostileToken(t *testing.T) {
	for name, answer := range map[string]string{
		"long":      `{"token":"` + strings.Repeat("x", 60<<10) + `"}`,
		"endless":   `{"token":"` + strings.Repeat("x", 1<<20) + `"}`,
		"empty":     `{}`,
		"no JSON":   `<html>`,
		"line feed": `{"token":"a\r\nX-Evil: 1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t)
			seed(reg, "app", "v1")
			reg.Handler = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/token" {
					_, _ = w.Write([]byte(answer))
					return true
				}
				w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token"`)
				w.WriteHeader(http.StatusUnauthorized)
				return true
			}
			r := open(t, reg, "app", remote.Options{})
			_, err := r.Resolve(t.Context(), "v1")
			if err == nil || name == "long" && !isLimit(err) || len(err.Error()) > 1000 {
				t.Errorf("%v", err)
			}
			for _, q := range reg.Requests() {
				if q.Header.Get("X-Evil") != "" || len(q.Header.Get("Authorization")) > 20<<10 {
					t.Error("the token was sent")
				}
			}
			if n := len(reg.Requests()); n > 12 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// GHSA-298f-872v-2rcx: pages without end, and referrers in a circle.
func TestHostilePages(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{Limits: remote.Limits{Pages: 7, Tags: 50, Referrers: 50}})
	var perPage, pages atomic.Int64
	reg.Handler = func(w http.ResponseWriter, r *http.Request) bool {
		page := pages.Add(1)
		w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, r.URL.Path, page))
		var tags []string
		var list []ocispec.Descriptor
		for i := range perPage.Load() {
			name := fmt.Sprintf("t%d-%d", page, i)
			tags, list = append(tags, name), append(list, descriptor(ocispec.MediaTypeImageManifest, []byte(name)))
		}
		_, _ = w.Write(marshal(map[string]any{"schemaVersion": 2, "tags": tags, "manifests": list}))
		return true
	}
	for _, test := range []struct {
		perPage  int64
		requests int
	}{{1, 7}, {0, 7}, {30, 2}} {
		perPage.Store(test.perPage)
		reg.Forget()
		var last error
		for _, err := range r.Tags(t.Context(), "") {
			last = err
		}
		if !isLimit(last) || len(reg.Requests()) != test.requests {
			t.Errorf("tags, %d a page: %v after %d requests", test.perPage, last, len(reg.Requests()))
		}
		reg.Forget()
		for _, err := range r.Referrers(t.Context(), layerOf(layerData), "") {
			last = err
		}
		if !isLimit(last) || len(reg.Requests()) != test.requests {
			t.Errorf("referrers, %d a page: %v after %d requests", test.perPage, last, len(reg.Requests()))
		}
	}
	reg.Handler = func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("Link", `</v2/app/tags/list>; rel="next"`)
		_, _ = w.Write([]byte(`{"tags":["a"]}`))
		return true
	}
	var last error
	for _, err := range r.Tags(t.Context(), "") {
		last = err
	}
	if !isContent(last) {
		t.Errorf("pages in a circle: %v", last)
	}
}

func TestHostileReferrerCycle(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	a, b := descriptor(ocispec.MediaTypeImageManifest, []byte("a")), descriptor(ocispec.MediaTypeImageManifest, []byte("b"))
	reg.Handler = func(w http.ResponseWriter, r *http.Request) bool {
		list := []ocispec.Descriptor{a, b, a}
		_, _ = w.Write(marshal(map[string]any{"schemaVersion": 2, "manifests": list}))
		return true
	}
	var found []ocispec.Descriptor
	for d, err := range r.WalkReferrers(t.Context(), a) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, d)
	}
	if len(found) != 1 || found[0].Digest != b.Digest || len(reg.Requests()) != 2 {
		t.Errorf("found %v after %d requests", found, len(reg.Requests()))
	}
}
