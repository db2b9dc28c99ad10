package serve_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

func TestLocal(t *testing.T) {
	t.Parallel()
	reg, err := registry.Open(t.TempDir(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	h := serve.New(reg, serve.Options{Local: true, External: "https://registry.example.com"})
	for _, c := range []struct {
		host, header, value string
		status              int
	}{
		{host: "localhost:5000", status: 200},
		{host: "localhost", status: 200},
		{host: "127.0.0.1:5000", status: 200},
		{host: "[::1]:5000", status: 200},
		{host: "[::1]", status: 200},
		{host: "registry.example.com", status: 200},
		{host: "localhost:5000", header: "Sec-Fetch-Site", value: "none", status: 200},
		{host: "localhost:5000", header: "Sec-Fetch-Site", value: "cross-site", status: 403},
		{host: "localhost:5000", header: "Origin", value: "https://evil.example", status: 403},
		{host: "evil.example:5000", status: 403},
		{host: "localhost.evil.example", status: 403},
		{host: "192.0.2.1:5000", status: 403},
		{host: "[", status: 403},
		{host: "", status: 403},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			path := map[string]string{http.MethodGet: "/v2/", http.MethodPost: "/v2/app/blobs/uploads/"}[method]
			want := c.status
			if method == http.MethodPost && want == 200 {
				want = 202
			}
			r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
			r.Host = c.host
			if c.header != "" {
				r.Header.Set(c.header, c.value)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s of %q with %s %q: %d, not %d: %s", method, c.host, c.header, c.value, w.Code, want, w.Body)
			}
		}
	}
}
