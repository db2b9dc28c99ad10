// Package suggest proposes names for mistyped ones, in the words of diagnostics.
package suggest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// maxEdits is how many edits lie at most between a mistyped word and a name that
// is proposed for it.
const maxEdits = 2

// Closest is a sentence with a leading space that names the candidate closest to
// a mistyped word, or "" when none is close.
func Closest(given string, candidates []string) string {
	best, least := "", maxEdits+1
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		if d := levenshtein.Distance(given, c, nil); d < least && d < len(c) {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// ClosestOrAll is Closest for a short list, which it names in its order when no
// candidate is close.
func ClosestOrAll(given string, candidates []string) string {
	if hint := Closest(given, candidates); hint != "" {
		return hint
	}
	return " There is " + strings.Join(candidates, ", ") + "."
}
