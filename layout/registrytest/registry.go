package registrytest

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// Registry is a registry in memory with its HTTP server. Its fields may be set before
// the first request.
type Registry struct {
	Faults
	// Server is the server; its URL ends in no slash.
	Server *httptest.Server

	NoReferrers  bool // 404 for the referrers API, and no OCI-Subject
	NoMount      bool // every mount is answered with an upload session
	NoMultiTag   bool // ?tag= is ignored
	NoConditions bool // If-Match and If-None-Match are ignored
	NoTagDelete  bool // 400 for the deletion of a tag, as old registries do
	NameUnknown  bool // a repository without manifests is NAME_UNKNOWN, not MANIFEST_UNKNOWN
	Immutable    bool // a tag that exists cannot be put again, whatever its digest
	Reverse      bool // tags are listed backwards, all of them whatever is asked
	Page         int  // entries of a page of tags or referrers; 0 is all

	// Handler, if it is there, is asked first. It reports whether it has answered.
	Handler func(w http.ResponseWriter, r *http.Request) bool

	mu      sync.Mutex
	repos   map[string]*repository
	uploads map[string]*upload
	serial  int
}

// repository is the content of one repository.
type repository struct {
	blobs     map[digest.Digest][]byte
	manifests map[digest.Digest]manifest
	tags      map[string]digest.Digest
}

type manifest struct {
	mediaType string
	data      []byte
}

type upload struct {
	repo string
	data []byte
}

// Request is a request that the registry got.
type Request struct {
	Method, Path, Query string
	Proto               string // HTTP/1.1 or HTTP/2.0
	Header              http.Header
	Status              int // of the answer; 0 where the connection was cut
}

// New starts a registry by plain http, which ends with the test.
func New(t testing.TB) *Registry { return start(t, httptest.NewUnstartedServer(nil), nil) }

// NewTLS starts a registry by https, with config where it is not nil.
func NewTLS(t testing.TB, config *tls.Config) *Registry {
	s := httptest.NewUnstartedServer(nil)
	s.TLS = config
	if s.TLS == nil {
		s.TLS = &tls.Config{}
	}
	return start(t, s, s.TLS)
}

func start(t testing.TB, s *httptest.Server, config *tls.Config) *Registry {
	t.Helper()
	reg := &Registry{Server: s, repos: map[string]*repository{}, uploads: map[string]*upload{}}
	s.Config.Handler = reg
	if config != nil {
		s.EnableHTTP2 = true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() { end(s) })
	return reg
}

// end ends a server, whatever its clients do.
func end(s *httptest.Server) {
	s.CloseClientConnections()
	s.Close()
}

// ServeHTTP answers a request, with the fault that it meets.
func (reg *Registry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	reg.Faults.serve(w, r, func(w http.ResponseWriter, r *http.Request) {
		if reg.Handler == nil || !reg.Handler(w, r) {
			reg.serve(w, r)
		}
	})
}

// Host is the registry's address, HOST:PORT.
func (reg *Registry) Host() string { return hostOf(reg.Server) }

func hostOf(s *httptest.Server) string {
	_, host, _ := strings.Cut(s.URL, "://")
	return host
}

// PutBlob puts a blob into a repository, without a request.
func (reg *Registry) PutBlob(repo string, data []byte) digest.Digest {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	d := digest.FromBytes(data)
	reg.repo(repo).blobs[d] = data
	return d
}

// PutManifest puts a manifest into a repository, under a tag if it is not empty,
// without a request and without a look at it.
func (reg *Registry) PutManifest(repo, tag, mediaType string, data []byte) digest.Digest {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	d := digest.FromBytes(data)
	reg.repo(repo).manifests[d] = manifest{mediaType, data}
	if tag != "" {
		reg.repo(repo).tags[tag] = d
	}
	return d
}

// SetTag makes a tag of a digest, or deletes it if d is empty, without a request.
func (reg *Registry) SetTag(repo, tag string, d digest.Digest) {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	if d == "" {
		delete(reg.repo(repo).tags, tag)
		return
	}
	reg.repo(repo).tags[tag] = d
}

// Tag is the digest of a tag; empty if it does not exist.
func (reg *Registry) Tag(repo, tag string) digest.Digest {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	return reg.repo(repo).tags[tag]
}

// Blob is the content of a blob; nil if it does not exist.
func (reg *Registry) Blob(repo string, d digest.Digest) []byte {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	return reg.repo(repo).blobs[d]
}

// Manifest is the content of a manifest; nil if it does not exist.
func (reg *Registry) Manifest(repo string, d digest.Digest) []byte {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	return reg.repo(repo).manifests[d].data
}

// Wrong lists the digests of a repository whose content is another: always empty,
// unless a registry stores what it did not check.
func (reg *Registry) Wrong(repo string) []digest.Digest {
	reg.mu.Lock()
	defer reg.mu.Unlock()
	var wrong []digest.Digest
	for d, data := range reg.repo(repo).blobs {
		if d.Algorithm().FromBytes(data) != d {
			wrong = append(wrong, d)
		}
	}
	for d, m := range reg.repo(repo).manifests {
		if d.Algorithm().FromBytes(m.data) != d {
			wrong = append(wrong, d)
		}
	}
	return wrong
}

// repo is the repository of that name, made where it is not there. The lock is held.
func (reg *Registry) repo(name string) *repository {
	if reg.repos[name] == nil {
		reg.repos[name] = &repository{map[digest.Digest][]byte{}, map[digest.Digest]manifest{}, map[string]digest.Digest{}}
	}
	return reg.repos[name]
}
