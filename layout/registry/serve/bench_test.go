package serve_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

// BenchmarkGet is a request of a client that keeps its connection.
func BenchmarkGet(b *testing.B) {
	s := start(b, registry.Options{}, serve.Options{})
	d := s.pushBlob("app", make([]byte, 64<<10)).Digest.String()
	s.put("app", "v1", s.image("app", "one"))
	for name, path := range map[string]string{"base": "/v2/", "manifest": "/v2/app/manifests/v1", "blob": "/v2/app/blobs/" + d, "tags": "/v2/app/tags/list"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				resp, err := http.Get(s.URL + path)
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(resp, err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				if err := resp.Body.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
