package remote_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	"oras.land/oras-go/v2/errdef"
)

// tokens is a token service with which a registry shares its host.
type tokens struct {
	mu     sync.Mutex
	scopes []string // that were asked for
	users  []string
	valid  int // number of the token that is valid
}

func (s *tokens) handle(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/token" {
		user, password, _ := r.BasicAuth()
		s.scopes, s.users = append(s.scopes, r.URL.Query()["scope"]...), append(s.users, user)
		if user != "" && password != secret {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}`))
			return true
		}
		s.valid++
		_, _ = fmt.Fprintf(w, `{"token":"t%d-%s-%s"}`, s.valid, user, strings.Join(r.URL.Query()["scope"], "+"))
		return true
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	action := "pull"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		action = "push"
	}
	if r.Method == http.MethodDelete {
		action = "delete"
	}
	number, rest, _ := strings.Cut(token, "-")
	user, scope, _ := strings.Cut(rest, "-")
	switch {
	case number == fmt.Sprintf("t%d", s.valid) && strings.Contains(scope, action) && (user != "" || action == "pull"):
		return false
	case number == fmt.Sprintf("t%d", s.valid) && strings.Contains(scope, action):
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"members only"}]}`))
		return true
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test",scope="repository:app:%s"`, r.Host, action))
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

func TestBearer(t *testing.T) {
	reg := registrytest.New(t)
	s := &tokens{}
	reg.Handler = s.handle
	seed(reg, "app", "v1")
	r := open(t, reg, "app", remote.Options{Credentials: withPassword})
	if err := pushImage(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := pullImage(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.scopes, "repository:app:pull,push") {
		t.Errorf("asked for the scopes %q", s.scopes)
	}
	// A token that has run out is replaced, in the middle of an upload too.
	other := blobOf(100_000)
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Times: 1, Do: func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.valid++
	}})
	if err := r.Push(t.Context(), layerOf(other), bytes.NewReader(other)); err != nil || reg.Blob("app", layerOf(other).Digest) == nil {
		t.Errorf("a token that ran out: %v", err)
	}
	// A mount needs the right to read the other repository in the same token.
	s.scopes = nil
	if _, err := r.Mount(t.Context(), layerOf(layerData), "base"); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.scopes, "repository:base:pull") {
		t.Errorf("a mount asked for the scopes %q", s.scopes)
	}
}

func TestAnonymous(t *testing.T) {
	reg := registrytest.New(t)
	reg.Handler = (&tokens{}).handle
	seed(reg, "app", "v1")
	r := open(t, reg, "app", remote.Options{})
	if err := pullImage(t.Context(), r); err != nil {
		t.Error(err)
	}
	err := r.Push(t.Context(), layerOf(layerData), bytes.NewReader(layerData))
	var denied *remote.DeniedError
	if !errors.As(err, &denied) || denied.Status != http.StatusForbidden || denied.Code != "DENIED" || errors.Is(err, errdef.ErrNotFound) {
		t.Errorf("a push without a password: %v", err)
	}
}

// 401, 403 and 404 are three things.
func TestDenied(t *testing.T) {
	reg := registrytest.New(t)
	seed(reg, "app", "v1")
	reg.Handler = basic
	for name, test := range map[string]struct {
		password string
		want     string
	}{
		"none": {"", "no credentials for " + reg.Host()}, "wrong": {"guess", "credentials are wrong"},
	} {
		opts := remote.Options{RegistryConfig: config(t, reg.Host(), "user", test.password)}
		if test.password == "" {
			opts = remote.Options{}
		}
		reg.Forget()
		_, err := open(t, reg, "app", opts).Resolve(t.Context(), "v1")
		var denied *remote.DeniedError
		if !errors.As(err, &denied) || denied.Status != http.StatusUnauthorized || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "guess") {
			t.Errorf("%s: %v", name, err)
		}
		if n := len(reg.Requests()); n > 2 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	reg.Handler = (&tokens{}).handle
	_, err := open(t, reg, "app", remote.Options{RegistryConfig: config(t, reg.Host(), "user", "guess")}).Resolve(t.Context(), "v1")
	var denied *remote.DeniedError
	if !errors.As(err, &denied) || denied.Status != http.StatusUnauthorized || !strings.Contains(err.Error(), "wrong password") {
		t.Errorf("the token service says no: %v", err)
	}
	// What the token service does not find is not what is asked for.
	for _, status := range []int{http.StatusNotFound, http.StatusBadRequest, http.StatusServiceUnavailable} {
		reg.Handler = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/token" {
				w.WriteHeader(status)
				return true
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		r := open(t, reg, "app", remote.Options{})
		_, err := r.Resolve(t.Context(), "v1")
		if ok, existsErr := r.Exists(t.Context(), layerOf(layerData)); !isTyped(err) || errors.Is(err, errdef.ErrNotFound) || ok || existsErr == nil {
			t.Errorf("token service with status %d: %v, %v", status, err, existsErr)
		}
	}
	reg.Handler = (&tokens{}).handle
	// Neither is a sign that something is absent.
	if ok, err := open(t, reg, "app", remote.Options{RegistryConfig: config(t, reg.Host(), "user", "guess")}).Exists(t.Context(), layerOf(layerData)); ok || err == nil {
		t.Errorf("exists: %v, %v", ok, err)
	}
}

// config writes a docker config.json.
func config(t *testing.T, host, user, password string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	data := fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestRegistryConfig(t *testing.T) {
	reg := registrytest.New(t)
	reg.Handler = basic
	seed(reg, "app", "v1")
	resolve := func(file string) error {
		r, err := remote.Open(reg.Host()+"/app", remote.Options{RegistryConfig: file})
		if err != nil {
			return err
		}
		_, err = r.Resolve(t.Context(), "v1")
		return err
	}
	if err := resolve(config(t, reg.Host(), "user", secret)); err != nil {
		t.Error(err)
	}
	if err := resolve(config(t, "other.example.com", "user", secret)); !errors.As(err, new(*remote.DeniedError)) {
		t.Errorf("the password of another host: %v", err)
	}
	if err := resolve(filepath.Join(t.TempDir(), "none.json")); !errors.As(err, new(*remote.DeniedError)) {
		t.Errorf("no file: %v", err)
	}
	for text, want := range map[string]string{
		`{"auths":`: "credentials for registries",
		fmt.Sprintf(`{"auths":{%q:{"auth":"!"}}}`, reg.Host()):       "credentials for " + reg.Host(),
		fmt.Sprintf(`{"credHelpers":{%q:"is-missing"}}`, reg.Host()): "is-missing",
	} {
		file := filepath.Join(t.TempDir(), "config.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := resolve(file); err == nil || !strings.Contains(err.Error(), want) || errors.As(err, new(*remote.UnavailableError)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCredentialHelper(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the helper is a shell script")
	}
	reg := registrytest.New(t)
	reg.Handler = basic
	seed(reg, "app", "v1")
	dir := t.TempDir()
	script := "#!/bin/sh\n[ \"$1\" = get ] && host=$(cat) && echo '{\"ServerURL\":\"'$host'\",\"Username\":\"user\",\"Secret\":\"" + secret + "\"}'\n"
	if err := os.WriteFile(filepath.Join(dir, "docker-credential-test"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, text := range []string{`{"credsStore":"test"}`, fmt.Sprintf(`{"credHelpers":{%q:"test"}}`, reg.Host())} {
		file := filepath.Join(dir, "config.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := open(t, reg, "app", remote.Options{RegistryConfig: file}).Resolve(t.Context(), "v1"); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
