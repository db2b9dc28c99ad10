package registrytest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

// Served is the registry of layform serve over a layout of the test, with its HTTP
// server. It takes in what the distribution spec allows and nothing else.
type Served struct {
	Faults
	// Server is the server; its URL ends in no slash.
	Server *httptest.Server
	// Registry is what it serves: what a test writes there shows with the next request.
	Registry *registry.Registry
	// Dir is the layout, or the folder of layouts, which is gone after the test.
	Dir string

	handler http.Handler
}

// NewServed starts a registry by plain http, which ends with the test. It holds a copy of
// the layout in the directory preload, or nothing where that is empty.
func NewServed(t testing.TB, preload string, opts registry.Options) *Served {
	t.Helper()
	s := &Served{Dir: filepath.Join(t.TempDir(), "layout")}
	if preload != "" {
		if err := os.CopyFS(s.Dir, os.DirFS(preload)); err != nil {
			t.Fatal(err)
		}
	}
	reg, err := registry.Open(s.Dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	h := serve.New(reg, serve.Options{})
	s.Registry, s.handler, s.Server = reg, h, httptest.NewUnstartedServer(nil)
	s.Server.Config = h.Server()
	s.Server.Config.Handler = s
	s.Server.Start()
	t.Cleanup(func() {
		end(s.Server)
		if err := reg.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Host is the registry's address, HOST:PORT.
func (s *Served) Host() string { return hostOf(s.Server) }

// ServeHTTP answers a request, with the fault that it meets.
func (s *Served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Faults.serve(w, r, s.handler.ServeHTTP)
}
