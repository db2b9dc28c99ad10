package serve_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/crypto/bcrypt"

	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

// users makes an htpasswd file with the user ann, whose password is "secret".
func users(t testing.TB) *serve.Users {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte("ann:"+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := serve.OpenUsers(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const (
	goodLogin = "Basic YW5uOnNlY3JldA==" // ann:secret
	badLogin  = "Basic YW5uOmd1ZXNzZWQ=" // ann:guessed
)

func TestBasicAuth(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{Users: users(t)})
	for _, path := range []string{"/v2/", "/v2/app/manifests/v1", "/v2/_catalog"} {
		for _, login := range []string{"", badLogin, "Basic", "Basic !", "Bearer x", "Digest x"} {
			r := s.want(s.do("GET", path, nil, "Authorization", login), 401, "UNAUTHORIZED")
			if r.header.Get("Www-Authenticate") != `Basic realm="layform", charset="UTF-8"` {
				t.Errorf("%s: %v", path, r.header)
			}
		}
	}
	s.get("/v2/", 200, "Authorization", goodLogin)
	s.want(s.do("GET", "/v2/app/manifests/v1", nil, "Authorization", goodLogin), 404, registry.CodeManifestUnknown)
	s.want(s.do("POST", "/v2/app/blobs/uploads/", nil, "Authorization", goodLogin), 202, "")
	s.want(s.do("GET", "/token", nil), 404, registry.CodeUnsupported) // there are no tokens
	s.until(func(e serve.Event) bool { return e.User == "ann" && e.Status == 202 })
}

var challenge = regexp.MustCompile(`^Bearer realm="([^"]*)",service="layform"(?:,scope="([^"]*)")?(?:,error="([^"]*)")?$`)

// challenged reads the challenge of a 401.
func (s *server) challenged(r reply) (realm, scope, reason string) {
	s.t.Helper()
	s.want(r, 401, "UNAUTHORIZED")
	m := challenge.FindStringSubmatch(r.header.Get("Www-Authenticate"))
	if m == nil {
		s.t.Fatalf("challenge: %v", r.header)
	}
	return m[1], m[2], m[3]
}

// token asks for a token as clients do: with the URL and the scope of a challenge.
func (s *server) token(query url.Values, headers ...string) string {
	s.t.Helper()
	return s.readToken(s.get("/token?"+query.Encode(), 200, headers...))
}

func (s *server) readToken(r reply) string {
	s.t.Helper()
	var doc struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		IssuedAt    string `json:"issued_at"`
	}
	if err := json.Unmarshal(r.body, &doc); err != nil || doc.Token == "" || doc.AccessToken != doc.Token || doc.ExpiresIn != 300 || doc.IssuedAt == "" || r.header.Get("Cache-Control") != "no-store" {
		s.t.Fatalf("%s, %v", r.body, err)
	}
	return "Bearer " + doc.Token
}

func TestAnonymousRead(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{Users: users(t), AnonymousRead: true})
	// Everything asks for a token, the base included.
	realm, scope, _ := s.challenged(s.do("GET", "/v2/", nil))
	if realm != s.URL+"/token" || scope != "" {
		t.Errorf("realm %q, scope %q", realm, scope)
	}
	_, scope, _ = s.challenged(s.do("PUT", "/v2/team/app/manifests/v1", nil))
	if scope != "repository:team/app:pull,push" {
		t.Errorf("scope %q", scope)
	}
	// A user pushes with a token.
	user := s.token(url.Values{"service": {"layform"}, "scope": {scope}}, "Authorization", goodLogin)
	data := []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`)
	push := []string{"Content-Type", ocispec.MediaTypeImageIndex, "Authorization"}
	s.want(s.do("PUT", "/v2/team/app/manifests/v1", bytes.NewReader(data), append(push, user)...), 201, "")
	// It is no token for other repositories, and none for deletions.
	_, scope, reason := s.challenged(s.do("PUT", "/v2/other/manifests/v1", bytes.NewReader(data), append(push, user)...))
	if reason != "insufficient_scope" || scope != "repository:other:pull,push" {
		t.Errorf("%s, %s", scope, reason)
	}
	_, scope, _ = s.challenged(s.do("DELETE", "/v2/team/app/manifests/v1", nil, "Authorization", user))
	if scope != "repository:team/app:delete" {
		t.Errorf("%s", scope)
	}
	// Nor does it mount what others have: the client sends that.
	secret := digest.FromString("secret").String()
	s.want(s.do("POST", "/v2/other/blobs/uploads/?digest="+secret, strings.NewReader("secret"), "Authorization", goodLogin), 201, "")
	mount := "/v2/team/app/blobs/uploads/?from=other&mount=" + secret
	s.want(s.do("POST", mount, nil, "Authorization", user), 202, "")
	s.want(s.do("GET", "/v2/team/app/blobs/"+secret, nil, "Authorization", user), 404, registry.CodeBlobUnknown)
	s.want(s.do("POST", mount, nil, "Authorization", s.token(url.Values{"scope": {"repository:team/app:pull,push repository:other:pull"}}, "Authorization", goodLogin)), 201, "")
	// Anybody reads, and gets nothing more, whatever they ask for.
	anybody := s.token(url.Values{"scope": {"repository:team/app:pull,push,delete", "repository:other:pull"}})
	s.get("/v2/", 200, "Authorization", anybody)
	s.get("/v2/team/app/manifests/v1", 200, "Authorization", anybody)
	s.want(s.do("GET", "/v2/other/manifests/v1", nil, "Authorization", anybody), 404, registry.CodeManifestUnknown)
	s.challenged(s.do("PUT", "/v2/team/app/manifests/v1", bytes.NewReader(data), append(push, anybody)...))
	s.challenged(s.do("DELETE", "/v2/team/app/manifests/v1", nil, "Authorization", anybody))
	s.challenged(s.do("GET", "/v2/app/blobs/uploads/x", nil, "Authorization", s.token(url.Values{"scope": {"repository:app:pull"}})))
	s.get("/v2/_catalog", 200, "Authorization", s.token(url.Values{"scope": {"registry:catalog:*"}}))
	// A password in every request does as well, and a wrong one is nobody.
	s.get("/v2/team/app/manifests/v1", 200, "Authorization", goodLogin)
	s.challenged(s.do("GET", "/v2/team/app/manifests/v1", nil, "Authorization", badLogin))
	if _, _, reason := s.challenged(s.do("GET", "/v2/", nil, "Authorization", anybody+"x")); reason != "invalid_token" {
		t.Errorf("reason %q", reason)
	}
}

func TestTokenEndpoint(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{Users: users(t), AnonymousRead: true})
	post := func(form, kind string) reply {
		return s.do("POST", "/token", strings.NewReader(form), "Content-Type", kind)
	}
	const kind = "application/x-www-form-urlencoded"
	form := url.Values{"grant_type": {"password"}, "username": {"ann"}, "password": {"secret"}, "service": {"layform"}, "client_id": {"x"}, "scope": {"repository:app:pull,push"}}
	token := s.readToken(s.want(post(form.Encode(), kind+"; charset=utf-8"), 200, ""))
	s.want(s.do("POST", "/v2/app/blobs/uploads/", nil, "Authorization", token), 202, "")
	form.Set("password", "guessed")
	s.want(post(form.Encode(), kind), 401, "UNAUTHORIZED")
	form.Del("username")
	s.want(post(form.Encode(), kind), 401, "UNAUTHORIZED") // is not the same as nobody
	form.Set("grant_type", "refresh_token")
	s.want(post(form.Encode(), kind), 400, registry.CodeUnsupported)
	s.want(post("%zz", kind), 400, registry.CodeUnsupported)
	s.want(post("{}", "application/json"), 415, registry.CodeUnsupported)
	s.want(post("a="+strings.Repeat("x", 100_000), kind), 400, registry.CodeUnsupported)
	s.want(s.do("PUT", "/token", nil), 405, registry.CodeUnsupported)
	s.want(s.do("GET", "/token?scope=x", nil), 400, registry.CodeUnsupported)
	s.want(s.do("GET", "/token", nil, "Authorization", badLogin), 401, "UNAUTHORIZED")
}

// The place of the token endpoint is that of the request, or of the proxy; what a Host
// header holds beside a host does not get into the challenge.
func TestRealm(t *testing.T) {
	t.Parallel()
	u := users(t)
	s := start(t, registry.Options{}, serve.Options{Users: u, AnonymousRead: true})
	_, body := s.raw("GET /v2/ HTTP/1.1\r\nHost: a\",error=\"x\r\nConnection: close\r\n\r\n")
	if strings.Contains(body, "error") && !strings.Contains(body, "Bad Request") && !strings.Contains(body, "errors") {
		t.Errorf("%s", body)
	}
	s = start(t, registry.Options{}, serve.Options{Users: u, AnonymousRead: true, External: "https://registry.example.com/"})
	if realm, _, _ := s.challenged(s.do("GET", "/v2/", nil)); realm != "https://registry.example.com/token" {
		t.Errorf("realm %q", realm)
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	open := func(defaultRepo string) *registry.Registry {
		reg, err := registry.Open(t.TempDir(), registry.Options{DefaultRepo: defaultRepo})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := reg.Close(); err != nil {
				t.Error(err)
			}
		})
		return reg
	}
	s := serveMounts(t, []serve.Mount{{Prefix: "web", Registry: open("web"), Default: "web"}, {Prefix: "hub", Registry: open("")}}, serve.Options{Namespaces: map[string]string{"docker.io": "hub"}})
	one := s.image("web", "one")
	s.put("web", "v1", one)
	s.put("web/sub", "v1", s.image("web/sub", "two"))
	hub := s.image("hub/library/alpine", "three")
	s.put("hub/library/alpine", "3", hub)
	if r := s.get("/v2/_catalog", 200); string(r.body) != `{"repositories":["hub/library/alpine","web","web/sub"]}` {
		t.Errorf("%s", r.body)
	}
	r := s.get("/v2/_catalog?n=1&last=hub/library/alpine", 200)
	if string(r.body) != `{"repositories":["web"]}` || r.header.Get("Link") != `</v2/_catalog?last=web&n=1>; rel="next"` {
		t.Errorf("%s, %v", r.body, r.header)
	}
	s.want(s.do("GET", "/v2/other/manifests/v1", nil), 404, registry.CodeNameUnknown)
	s.want(s.do("GET", "/v2/web/web/manifests/v1", nil), 404, registry.CodeNameUnknown)
	// A mirror asks with the namespace of the registry that it stands for.
	r = s.get("/v2/library/alpine/manifests/3?ns=docker.io", 200)
	if !bytes.Equal(r.body, hub) || r.header.Get("OCI-Namespace") != "docker.io" {
		t.Errorf("%s, %v", r.body, r.header)
	}
	// One that may write goes on there.
	pushed := digest.FromString("pushed").String()
	r = s.want(s.do("POST", "/v2/library/alpine/blobs/uploads/?ns=docker.io", nil), 202, "")
	r = s.want(s.do("PUT", r.header.Get("Location")+"&digest="+pushed, strings.NewReader("pushed")), 201, "")
	if r := s.get(r.header.Get("Location"), 200); string(r.body) != "pushed" {
		t.Errorf("%s", r.body)
	}
	r = s.get("/v2/web/manifests/v1?ns=quay.io", 200)
	if r.header.Get("OCI-Namespace") != "" {
		t.Errorf("%v", r.header)
	}
	// Between layouts nothing is mounted: the client sends it.
	d := digest.FromString("one").String()
	s.want(s.do("POST", "/v2/hub/x/blobs/uploads/?from=web&mount="+d, nil), 202, "")
	s.want(s.do("POST", "/v2/web/x/blobs/uploads/?from=web&mount="+d, nil), 201, "")
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	s := start(t, registry.Options{}, serve.Options{Redirect: func(r *http.Request, repo string, desc ocispec.Descriptor) (string, bool) {
		return "https://cdn.example.com/" + repo + "/" + desc.Digest.Encoded(), desc.Size > 5
	}})
	small, large := s.pushBlob("app", []byte("small")).Digest, s.pushBlob("app", []byte("larger")).Digest
	s.get("/v2/app/blobs/"+small.String(), 200)
	r := s.get("/v2/app/blobs/"+large.String(), 307)
	if r.header.Get("Location") != "https://cdn.example.com/app/"+large.Encoded() || r.header.Get("Docker-Content-Digest") != large.String() {
		t.Errorf("%v", r.header)
	}
	if r := s.do("HEAD", "/v2/app/blobs/"+large.String(), nil); r.status != 200 || r.length != 6 {
		t.Errorf("HEAD: %d", r.status)
	}
	s.want(s.do("GET", "/v2/app/blobs/"+digest.FromString("unknown").String(), nil), 404, registry.CodeBlobUnknown)
}
