package serve

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// usersFile writes an htpasswd file of users whose passwords are their names backwards.
func usersFile(t testing.TB, names ...string) string {
	t.Helper()
	var lines strings.Builder
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte(passwordOf(name)), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		lines.WriteString(name + ":" + string(hash) + "\n")
	}
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func passwordOf(name string) string {
	p := []byte(name)
	slices.Reverse(p)
	return string(p)
}

func TestUsers(t *testing.T) {
	t.Parallel()
	path := usersFile(t, "ann", "bob")
	var failed []error
	users, err := OpenUsers(path, func(err error) { failed = append(failed, err) })
	if err != nil {
		t.Fatal(err)
	}
	verify := func(name, password string) bool {
		t.Helper()
		ok, err := users.Verify(t.Context(), name, password)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	for range 2 { // the second time it is remembered
		if !verify("ann", "nna") || !verify("bob", "bob") {
			t.Error("a password that is right is refused")
		}
		if verify("ann", "bob") || verify("ann", "") || verify("", "") || verify("carl", "lrac") {
			t.Error("a password that is wrong is accepted")
		}
	}
	// The file changes: the one who is not there any more is not known from before.
	text, err := os.ReadFile(usersFile(t, "carl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	users.file.looked = time.Time{}
	if !verify("carl", "lrac") || verify("ann", "nna") {
		t.Error("the file was not read again")
	}
	// One that cannot be read leaves what was there.
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	users.file.looked = time.Time{}
	if !verify("carl", "lrac") {
		t.Error("a damaged file threw the users away")
	}
	if len(failed) != 1 || !strings.Contains(failed[0].Error(), path+": line 1") {
		t.Errorf("the damaged file gave %v", failed)
	}
}

func TestBadHtpasswd(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "no user",
		"# only this\n":                         "no user",
		"ann":                                   "line 1 is not of the form",
		":x":                                    "line 1 is not of the form",
		"\nann:{SHA}fEqN":                       "line 2: the hash of \"ann\" is not one of bcrypt",
		"ann:$apr1$x$y":                         "htpasswd -B",
		"ann:$2y$31$" + strings.Repeat("a", 53): "the cost 31",
		"ann:$2y$05$" + strings.Repeat("a", 53) + "\nann:$2y$05$" + strings.Repeat("a", 53): "line 2: the user \"ann\" is there twice",
	} {
		if _, err := parseHtpasswd([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	tk := newTokens()
	tk.now = func() time.Time { return now }
	access := []scope{{Type: typeRepository, Name: "team/app", Actions: []string{actionPull}}}
	token, err := tk.issue("ann", access)
	if err != nil {
		t.Fatal(err)
	}
	c, err := tk.read(token)
	if err != nil || c.User != "ann" || !allowed(c.Access, access[0]) {
		t.Errorf("read %+v, %v", c, err)
	}
	first, second, _ := strings.Cut(token, ".")
	forged := base64.RawURLEncoding.EncodeToString([]byte(`{"exp":9999999999,"access":[{"type":"repository","name":"team/app","actions":["*"]}]}`))
	for _, bad := range []string{"", ".", first, first + ".", "." + second, forged + "." + second, token + "A", token[1:], first + "=." + second, strings.Repeat("A", maxToken+1)} {
		if c, err := tk.read(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, c)
		}
	}
	if c, err := newTokens().read(token); err == nil {
		t.Errorf("another process reads %+v", c)
	}
	now = now.Add(tokenLife)
	if _, err := tk.read(token); err != errTokenExpired {
		t.Errorf("after its life: %v", err)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"repository:a/b:pull":              "repository:a/b:pull",
		"repository:host:5000/a:pull,push": "repository:host:5000/a:pull,push",
		"repository(plugin):a:pull":        "repository:a:pull",
		"registry:catalog:*":               "registry:catalog:*",
	} {
		if s, ok := parseScope(text); !ok || s.String() != want {
			t.Errorf("%q is %v", text, s)
		}
	}
	for _, text := range []string{"", "repository", "repository:a", "repository::pull", ":"} {
		if s, ok := parseScope(text); ok {
			t.Errorf("%q is %v", text, s)
		}
	}
	// Who did not log in may only read, whatever they ask for.
	access, bad := grant([]string{"repository:a:pull,push repository:b:push,delete", "registry:catalog:*", "other:x:pull"}, false)
	if bad != nil {
		t.Fatal(bad)
	}
	var got []string
	for _, s := range access {
		got = append(got, s.String())
	}
	if want := []string{"repository:a:pull", "registry:catalog:*"}; !slices.Equal(got, want) {
		t.Errorf("anonymous: %q, want %q", got, want)
	}
	// Two scopes for one repository count together.
	access, bad = grant([]string{"repository:a:pull", "repository:a:push,unheard"}, true)
	if bad != nil || !allowed(access, scope{typeRepository, "a", []string{actionPull, actionPush}}) || allowed(access, scope{typeRepository, "a", []string{actionDelete}}) {
		t.Errorf("a user: %v, %v", access, bad)
	}
	if _, bad := grant([]string{strings.Repeat("repository:a:pull ", maxScopes+1)}, true); bad == nil {
		t.Error("so many scopes are granted")
	}
	if _, bad := grant([]string{"nonsense"}, true); bad == nil {
		t.Error("nonsense is granted")
	}
}

// FuzzToken: no token but those that were issued is read.
func FuzzToken(f *testing.F) {
	tk := newTokens()
	token, err := tk.issue("ann", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(token + ".")
	f.Add("e30.e30")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := tk.read(text); err == nil && text != token {
			t.Fatalf("%q is read as %+v", text, c)
		}
	})
}

// FuzzScope: what is granted to somebody unknown is to read.
func FuzzScope(f *testing.F) {
	f.Add("repository:a:pull,push registry:catalog:*")
	f.Add("repository(x):a:b:*")
	f.Fuzz(func(t *testing.T, text string) {
		access, bad := grant([]string{text}, false)
		if bad != nil {
			return
		}
		for _, s := range access {
			reads := s.Type == typeRepository && !slices.ContainsFunc(s.Actions, func(a string) bool { return a != actionPull })
			if !reads && (s.Type != typeRegistry || s.Name != nameCatalog) {
				t.Fatalf("%q grants %v", text, s)
			}
		}
	})
}
