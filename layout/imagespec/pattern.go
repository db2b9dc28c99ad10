package imagespec

import (
	"regexp"
	"sync"
)

// Pattern is a regular expression that is compiled when it is first asked for: most
// runs need few of them, and compiling all would take longer than many a plan.
func Pattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
