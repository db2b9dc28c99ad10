package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// suggest is a sentence that names the candidate closest to a mistyped word, or
// "" when none is close.
func suggest(given string, candidates []string) string {
	slices.Sort(candidates)
	best, least := "", 3
	for _, c := range candidates {
		if d := levenshtein.Distance(given, c, nil); d < least && d < len(c) {
			best, least = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}

// suggestOr is suggest for a short list, which it names when no candidate is close.
func suggestOr(given string, candidates []string) string {
	if hint := suggest(given, slices.Clone(candidates)); hint != "" {
		return hint
	}
	return " There is " + strings.Join(candidates, ", ") + "."
}

// keysOf lists the keys of a map, sorted.
func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
