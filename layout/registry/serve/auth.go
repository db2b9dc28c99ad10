package serve

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/layform/layform/layout/registry"
)

// tokenPath is the path of the token endpoint.
const tokenPath = "/token"

// service is the name of the registry in challenges.
const service = "layform"

// gate lets requests pass that may be done. Without users all may.
type gate struct {
	users *Users
	// tokens is nil where users show their passwords with every request.
	tokens *tokens
	// external is the URL under which clients reach the server; empty to take it from
	// the request.
	external string
}

// scopeOf is what a request needs.
func scopeOf(r *http.Request, at route) (scope, bool) {
	if at.Endpoint == endpointBase {
		return scope{}, false
	}
	if at.Endpoint == endpointCatalog {
		return scope{Type: typeRegistry, Name: nameCatalog, Actions: []string{actionAll}}, true
	}
	need := scope{Type: typeRepository, Name: at.Repo}
	switch {
	case r.Method == http.MethodGet && at.Endpoint != endpointUpload, r.Method == http.MethodHead && at.Endpoint != endpointUpload:
		need.Actions = []string{actionPull}
	case r.Method == http.MethodDelete && at.Endpoint != endpointUpload:
		need.Actions = []string{actionDelete}
	default:
		need.Actions = []string{actionPull, actionPush}
	}
	return need, true
}

// check finds out who sent a request and whether they may do it. The user is empty
// where nobody has to say who they are.
func (g *gate) check(r *http.Request, at route) (user string, refused *Error) {
	if g.users == nil {
		return "", nil
	}
	need, any := scopeOf(r, at)
	kind, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(kind, "basic"):
		name, password, _ := r.BasicAuth()
		ok, err := g.users.Verify(r.Context(), name, password)
		if err != nil {
			return "", tooMany("the password could not be checked in time: try again")
		}
		if ok {
			return name, nil
		}
		return "", g.challenge(r, need, any, "", "the user name or the password is wrong")
	case strings.EqualFold(kind, "bearer") && g.tokens != nil:
		c, err := g.tokens.read(strings.TrimSpace(value))
		switch {
		case err != nil:
			return "", g.challenge(r, need, any, "invalid_token", err.Error())
		case any && !allowed(c.Access, need):
			return c.User, g.challenge(r, need, any, "insufficient_scope", "the token does not allow this: log in as a user who may")
		}
		return c.User, nil
	}
	return "", g.challenge(r, need, any, "", "log in to use this registry")
}

// mayPull reports whether a request that passed may read another repository, too. A
// password may read all.
func (g *gate) mayPull(r *http.Request, repo string) bool {
	kind, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if g.tokens == nil || !strings.EqualFold(kind, "bearer") {
		return true
	}
	c, err := g.tokens.read(strings.TrimSpace(value))
	return err == nil && allowed(c.Access, scope{Type: typeRepository, Name: repo, Actions: []string{actionPull}})
}

// challenge is the 401 that tells a client how to say who it is.
func (g *gate) challenge(r *http.Request, need scope, any bool, reason, message string) *Error {
	e := newError(http.StatusUnauthorized, codeUnauthorized, message)
	if g.tokens == nil {
		return e.with("Www-Authenticate", `Basic realm="`+service+`", charset="UTF-8"`)
	}
	value := fmt.Sprintf(`Bearer realm="%s%s",service="%s"`, g.url(r), tokenPath, service)
	if any {
		value += fmt.Sprintf(`,scope="%s"`, need)
		e.Detail = []scope{need}
	}
	if reason != "" {
		value += fmt.Sprintf(`,error="%s"`, reason)
	}
	return e.with("Www-Authenticate", value)
}

// url is the server's URL, without a slash at its end, as the client of a request
// reaches it.
func (g *gate) url(r *http.Request) string {
	if g.external != "" {
		return g.external
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	// Quotes and the like end the parameter of a header.
	return (&url.URL{Scheme: scheme, Host: strings.Map(hostRune, r.Host)}).String()
}

// hostRune leaves out what no host has.
func hostRune(c rune) rune {
	if c <= ' ' || c > '~' || strings.ContainsRune(`"\,;<>`, c) {
		return -1
	}
	return c
}

// tokenAnswer is the answer of the token endpoint.
type tokenAnswer struct {
	Token       string `json:"token"`
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"` // seconds
	IssuedAt    string `json:"issued_at"`
	Scope       string `json:"scope,omitempty"`
}

// serveToken issues a token: for a GET with query and Basic credentials, or a POST of
// an OAuth 2 form. Somebody without credentials gets what everybody may: to read.
func (g *gate) serveToken(w http.ResponseWriter, r *http.Request) *Error {
	values, name, password, known, bad := tokenRequest(w, r)
	if bad != nil {
		return bad
	}
	if known {
		ok, err := g.users.Verify(r.Context(), name, password)
		if err != nil {
			return tooMany("the password could not be checked in time: try again")
		}
		if !ok {
			return newError(http.StatusUnauthorized, codeUnauthorized, "the user name or the password is wrong").
				with("Www-Authenticate", `Basic realm="`+service+`", charset="UTF-8"`)
		}
	}
	access, bad := grant(values["scope"], known)
	if bad != nil {
		return bad
	}
	token, err := g.tokens.issue(name, access)
	if err != nil {
		return internal(err)
	}
	answer := tokenAnswer{Token: token, AccessToken: token, ExpiresIn: int(tokenLife / time.Second), IssuedAt: g.tokens.now().UTC().Format(time.RFC3339)}
	for _, s := range access {
		answer.Scope = strings.TrimSpace(answer.Scope + " " + s.String())
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return internal(err)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, r, body)
	return nil
}

// maxForm is the longest form of a token request.
const maxForm = 64 << 10

// tokenRequest reads what a token request asks for, and who says to send it.
func tokenRequest(w http.ResponseWriter, r *http.Request) (values url.Values, name, password string, known bool, bad *Error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		name, password, known = r.BasicAuth()
		return r.URL.Query(), name, password, known, nil
	case http.MethodPost:
	default:
		return nil, "", "", false, wrongMethod([]string{http.MethodGet, http.MethodHead, http.MethodPost})
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, "", "", false, newError(http.StatusUnsupportedMediaType, registry.CodeUnsupported, "a token is asked for with a form")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, "", "", false, newError(http.StatusBadRequest, registry.CodeUnsupported, "the form cannot be read: "+err.Error())
	}
	values = r.PostForm
	if grantType := values.Get("grant_type"); grantType != "password" {
		return nil, "", "", false, newError(http.StatusBadRequest, registry.CodeUnsupported, "the grant type must be password")
	}
	return values, values.Get("username"), values.Get("password"), true, nil
}

// grant is what of the scopes that were asked for is given. Users may do everything,
// all others read; what else they ask for is left out, and the request that needs it
// is refused.
func grant(asked []string, known bool) ([]scope, *Error) {
	var access []scope
	for _, list := range asked {
		for text := range strings.FieldsSeq(list) {
			s, ok := parseScope(text)
			if !ok {
				return nil, newError(http.StatusBadRequest, registry.CodeUnsupported, "a scope is not of the form TYPE:NAME:ACTION")
			}
			may := []string{actionPull, actionPush, actionDelete, actionAll}
			switch {
			case s.Type == typeRegistry && s.Name == nameCatalog:
			case s.Type != typeRepository:
				continue
			case !known:
				may = []string{actionPull}
			}
			s.Actions = slices.DeleteFunc(s.Actions, func(a string) bool { return !slices.Contains(may, a) })
			if len(s.Actions) > 0 {
				access = append(access, s)
			}
			if len(access) > maxScopes {
				return nil, newError(http.StatusBadRequest, registry.CodeUnsupported, "these are too many scopes for one token")
			}
		}
	}
	return access, nil
}
