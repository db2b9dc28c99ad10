package serve

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// tokenLife is how long a token is good for. Clients ask for a new one after that.
const tokenLife = 5 * time.Minute

// maxToken is the longest token, and maxScopes the number of scopes of one.
const (
	maxToken  = 8 << 10
	maxScopes = 64
)

// The actions of scopes.
const (
	actionPull   = "pull"
	actionPush   = "push"
	actionDelete = "delete"
	actionAll    = "*"
)

// The types of what scopes are about.
const (
	typeRepository = "repository"
	typeRegistry   = "registry"
)

// nameCatalog is the name of the list of repositories in scopes.
const nameCatalog = "catalog"

// scope is what a token allows: actions on a repository, or on the registry's list of
// them.
type scope struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// String is the scope as a challenge has it.
func (s scope) String() string { return s.Type + ":" + s.Name + ":" + strings.Join(s.Actions, ",") }

// allowed reports whether scopes have every action that need asks for.
func allowed(access []scope, need scope) bool {
	for _, action := range need.Actions {
		if !slices.ContainsFunc(access, func(s scope) bool {
			return s.Type == need.Type && s.Name == need.Name && (slices.Contains(s.Actions, action) || slices.Contains(s.Actions, actionAll))
		}) {
			return false
		}
	}
	return true
}

// parseScope parses TYPE:NAME:ACTION,… as token requests have it. The name may have
// colons, and the type a class in parentheses, which means nothing here.
func parseScope(s string) (scope, bool) {
	kind, rest, ok := strings.Cut(s, ":")
	i := strings.LastIndexByte(rest, ':')
	if !ok || i <= 0 {
		return scope{}, false
	}
	kind, _, _ = strings.Cut(kind, "(")
	return scope{Type: kind, Name: rest[:i], Actions: strings.Split(rest[i+1:], ",")}, true
}

// claims are the content of a token.
type claims struct {
	// User is empty for somebody who did not say who they are.
	User    string  `json:"sub,omitempty"`
	Expires int64   `json:"exp"` // in seconds since 1970
	Access  []scope `json:"access,omitempty"`
}

// tokens issues tokens and reads them: claims in JSON and their HMAC under a random key
// of this process. Those of another process mean nothing here.
type tokens struct {
	key [32]byte
	now func() time.Time
}

func newTokens() *tokens {
	t := &tokens{now: time.Now}
	rand.Read(t.key[:])
	return t
}

// issue makes a token that is good for tokenLife.
func (t *tokens) issue(user string, access []scope) (string, error) {
	body, err := json.Marshal(claims{User: user, Expires: t.now().Add(tokenLife).Unix(), Access: access})
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode(body) + "." + encode(t.sign(body)), nil
}

func (t *tokens) sign(body []byte) []byte {
	h := hmac.New(sha256.New, t.key[:])
	h.Write(body)
	return h.Sum(nil)
}

// The reasons why a token is refused.
var (
	errTokenInvalid = errors.New("the token was not issued here, or before a restart: ask for another one")
	errTokenExpired = errors.New("the token has expired: ask for another one")
)

// read checks a token and returns its claims.
func (t *tokens) read(token string) (claims, error) {
	if len(token) > maxToken {
		return claims{}, errTokenInvalid
	}
	first, second, _ := strings.Cut(token, ".")
	body, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil {
		return claims{}, errTokenInvalid
	}
	sum, err := base64.RawURLEncoding.Strict().DecodeString(second)
	if err != nil || !hmac.Equal(sum, t.sign(body)) {
		return claims{}, errTokenInvalid
	}
	var c claims
	if err := json.Unmarshal(body, &c); err != nil {
		return claims{}, errTokenInvalid
	}
	if t.now().Unix() >= c.Expires {
		return claims{}, errTokenExpired
	}
	return c, nil
}
