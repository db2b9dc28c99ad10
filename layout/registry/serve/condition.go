package serve

import (
	"net/http"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/registry"
)

// parseConditions parses If-Match and If-None-Match of a request that writes. A
// condition that cannot be kept is an error, for one that is not looked at is worse
// than none.
func parseConditions(h http.Header) (c registry.Condition, bad *Error) {
	match, none := h.Values("If-Match"), h.Values("If-None-Match")
	if len(match)+len(none) == 0 {
		return c, nil
	}
	if len(match)+len(none) > 1 {
		return c, newError(http.StatusBadRequest, registry.CodeUnsupported, "only one of If-Match and If-None-Match is understood, and only once")
	}
	if len(none) == 1 {
		if strings.TrimSpace(none[0]) != "*" {
			return c, newError(http.StatusBadRequest, registry.CodeUnsupported, "If-None-Match of a write must be *")
		}
		return registry.Condition{Absent: true}, nil
	}
	text := strings.TrimSpace(match[0])
	if text == "*" {
		return registry.Condition{Present: true}, nil
	}
	inner, isQuoted := strings.CutPrefix(text, `"`)
	inner, isEnded := strings.CutSuffix(inner, `"`)
	if !isQuoted || !isEnded || strings.Contains(inner, `"`) {
		return c, newError(http.StatusBadRequest, registry.CodeUnsupported, `If-Match must be * or one digest in quotes, such as "sha256:…"`)
	}
	d := digest.Digest(inner)
	if d.Validate() != nil {
		return c, newError(http.StatusPreconditionFailed, registry.CodeDenied, "If-Match names no digest, and so matches nothing")
	}
	return registry.Condition{Digest: d}, nil
}
