package spec

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/moby/patternmatcher"
	"golang.org/x/text/unicode/norm"

	"github.com/layform/layform/spec/eval"
)

// Selection decides what a copy takes of a directory: its ignore_file, exclude
// and include patterns. The last pattern that matches a path or a directory above
// it decides, and one that begins with "!" decides the other way round. The lines
// of the ignore file come first and those of exclude after them, so that exclude
// has the last word; include chooses among what they leave. It is safe for
// concurrent use.
type Selection struct {
	ignore, exclude, include []rule
	// base is the path of what is copied below the root of the ignore file.
	base string
	// all is every directory of a selection without rules.
	all Folder
	// written are the paths of what an apply writes below what is copied.
	written []string
	// text is set where exclude or include hold characters beyond ASCII.
	text bool
	// misread is a path that patterns would treat otherwise in composed form.
	misread atomic.Pointer[string]
}

// rule is one pattern.
type rule struct {
	// text is the pattern without its "!".
	text    string
	negated bool
	// plain is set for a pattern that matches itself alone.
	plain bool
	// lines matches a line of an ignore file; nil for globs.
	lines *patternmatcher.PatternMatcher
	// used is set when the pattern matched.
	used *atomic.Bool
}

// NewSelection prepares the patterns of a copy. The error names a pattern that is
// none.
func NewSelection(n *FileOp) (*Selection, error) {
	s := &Selection{}
	for _, line := range n.Ignore {
		r := newRule(line)
		m, err := patternmatcher.New([]string{r.text})
		if err == nil && r.text == "" {
			err = errEmptyPattern
		}
		if err == nil {
			// The first match compiles the pattern, which is not safe for concurrent use.
			_, err = m.MatchesOrParentMatches(".")
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no pattern of an ignore file", line)
		}
		r.lines = m
		s.ignore = append(s.ignore, r)
	}
	for _, list := range []struct {
		texts []string
		rules *[]rule
	}{{n.Exclude, &s.exclude}, {n.Include, &s.include}} {
		for _, text := range list.texts {
			r := newRule(text)
			if !doublestar.ValidatePattern(r.text) {
				return nil, fmt.Errorf("%q is not a valid glob pattern", text)
			}
			s.text = s.text || !eval.IsASCII(text)
			*list.rules = append(*list.rules, r)
		}
	}
	s.base, s.written, s.all.s = ignoredBase(n), n.Written, s
	for _, file := range n.Written {
		dir, name := splitLast(file)
		s.Folder(dir).Take(name) // patterns that leave it out match it before it is there
	}
	return s, nil
}

var errEmptyPattern = errors.New("the pattern is empty")

func newRule(text string) rule {
	r := rule{used: new(atomic.Bool)}
	r.text, r.negated = strings.CutPrefix(text, "!")
	r.plain = !strings.ContainsAny(r.text, `*?[{\`)
	return r
}

// ignoredBase is the path of what n copies, as the lines of its ignore file see
// it: below the directory of that file where it lies there, else the root.
func ignoredBase(n *FileOp) string {
	dir := path.Dir(n.IgnoreFile)
	switch {
	case n.From == dir || n.From == ".":
		return ""
	case dir == ".":
		return n.From
	}
	if rel, ok := strings.CutPrefix(n.From, dir+"/"); ok {
		return rel
	}
	return ""
}

// Everything reports whether the selection has no rules, so that it matches every path.
func (s *Selection) Everything() bool { return len(s.ignore)+len(s.exclude)+len(s.include) == 0 }

// Unused gives the patterns of exclude, and of include, that matched nothing
// that the selection was asked about.
func (s *Selection) Unused() (exclude, include []string) {
	collect := func(rules []rule) (out []string) {
		for _, r := range rules {
			if !r.used.Load() {
				out = append(out, r.String())
			}
		}
		return out
	}
	return collect(s.exclude), collect(s.include)
}

// Misread gives a path whose name is written with combining characters and that
// the patterns treat otherwise than the same text in composed form, as which HCL
// has every pattern; empty where there was none.
func (s *Selection) Misread() string {
	if p := s.misread.Load(); p != nil {
		return *p
	}
	return ""
}

// String is the pattern as it was written.
func (r *rule) String() string {
	if r.negated {
		return "!" + r.text
	}
	return r.text
}

// Folder is a directory that is selected from.
type Folder struct {
	s *Selection
	// rel is its path below what is copied, and full the one that the lines of the
	// ignore file see; empty for the root of either.
	rel, full string
	// ignore, exclude and include are set if such a rule matches it or a directory
	// above.
	ignore, exclude, include []bool
}

// Folder is the directory at a path below what is copied, empty for that itself.
func (s *Selection) Folder(rel string) *Folder {
	if s.Everything() {
		return &s.all
	}
	f := &Folder{s: s, rel: rel, full: below(s.base, rel)}
	f.ignore, f.exclude, f.include = make([]bool, len(s.ignore)), make([]bool, len(s.exclude)), make([]bool, len(s.include))
	for _, list := range []struct {
		rules []rule
		above []bool
		path  string
	}{{s.ignore, f.ignore, f.full}, {s.exclude, f.exclude, rel}, {s.include, f.include, rel}} {
		for end := 1; end <= len(list.path); end++ {
			if end < len(list.path) && list.path[end] != '/' {
				continue
			}
			dir, name := splitLast(list.path[:end])
			for i := range list.rules {
				list.above[i] = list.above[i] || list.rules[i].matches(dir, name, list.path[:end])
			}
		}
	}
	return f
}

// Take reports whether a name in the directory is taken, and whether something
// may be taken from below it should it be a directory. A directory that leads to
// what an apply writes is not taken itself.
func (f *Folder) Take(name string) (included, descend bool) {
	if f.s.Everything() {
		return true, true
	}
	included, descend = f.take(name)
	if f.s.text && (!eval.IsASCII(name) || !eval.IsASCII(f.rel)) {
		rel := below(f.rel, name)
		if composed := norm.NFC.String(rel); composed != rel {
			dir, base := splitLast(composed)
			if i, d := f.s.Folder(dir).take(base); i != included || d != descend {
				f.s.misread.CompareAndSwap(nil, &rel)
			}
		}
	}
	if included && len(f.s.written) > 0 {
		dir := below(f.rel, name) + "/"
		included = !slices.ContainsFunc(f.s.written, func(file string) bool { return strings.HasPrefix(file, dir) })
	}
	return included, descend
}

// Names gives the only names in the directory of which Take may answer true for
// either; it answers false where there may be others. Where include lists paths
// without wildcards and nothing else chooses, no other name has to be looked at.
func (f *Folder) Names() (names []string, only bool) {
	s := f.s
	if len(s.include) == 0 || len(s.ignore)+len(s.exclude) > 0 || s.text {
		return nil, false
	}
	for i, r := range s.include {
		if !r.plain || r.negated || f.include[i] {
			return nil, false
		}
		rest, in := r.text, true
		if f.rel != "" {
			rest, in = strings.CutPrefix(r.text, f.rel+"/")
		}
		if name, _, _ := strings.Cut(rest, "/"); in {
			names = append(names, name)
		}
	}
	return names, true
}

func (f *Folder) take(name string) (included, descend bool) {
	rel, full := below(f.rel, name), below(f.full, name)
	dropped := last(f.s.ignore, f.ignore, f.full, name, full, false)
	dropped = last(f.s.exclude, f.exclude, f.rel, name, rel, dropped)
	chosen := last(f.s.include, f.include, f.rel, name, rel, len(f.s.include) == 0)
	if chosen && !dropped {
		return true, true
	}
	below := chosen || slices.ContainsFunc(f.s.include, func(r rule) bool { return !r.negated && r.reaches(rel) })
	if dropped {
		below = below && (slices.ContainsFunc(f.s.exclude, func(r rule) bool { return r.negated && r.reaches(rel) }) ||
			slices.ContainsFunc(f.s.ignore, func(r rule) bool { return r.negated && r.reaches(full) }))
	}
	return false, below
}

// last gives what the last rule decides that matches name in dir or, as above
// tells, a directory above it: otherwise the verdict of before.
func last(rules []rule, above []bool, dir, name, full string, before bool) bool {
	verdict, decided := before, false
	for i := len(rules) - 1; i >= 0; i-- {
		r := &rules[i]
		if decided && (r.lines != nil || r.used.Load()) {
			continue // a glob that was never used is asked all the same: Unused tells of it
		}
		if (above[i] || r.matches(dir, name, full)) && !decided {
			verdict, decided = !r.negated, true
		}
	}
	return verdict
}

// matches reports whether the rule matches name in dir, whose path is full.
func (r *rule) matches(dir, name, full string) bool {
	ok := false
	switch {
	case r.plain && dir == "":
		ok = r.text == name
	case r.plain:
		ok = len(r.text) == len(dir)+1+len(name) && r.text[len(dir)] == '/' && strings.HasPrefix(r.text, dir) && strings.HasSuffix(r.text, name)
	case r.lines != nil:
		ok, _ = r.lines.MatchesOrParentMatches(full) // NewSelection saw that it is a pattern
	default:
		ok = doublestar.MatchUnvalidated(r.text, full)
	}
	if ok && !r.used.Load() {
		r.used.Store(true)
	}
	return ok
}

// reaches reports whether the rule may match something below the directory dir.
func (r *rule) reaches(dir string) bool {
	match := doublestar.MatchUnvalidated
	if r.lines != nil {
		match = func(pattern, name string) bool { ok, err := path.Match(pattern, name); return ok || err != nil }
	} else if strings.Contains(r.text, "{") { // which may hold slashes
		base, _ := doublestar.SplitPattern(r.text)
		return base == "." || strings.HasPrefix(dir+"/", base+"/") || strings.HasPrefix(base+"/", dir+"/")
	}
	rest := r.text
	for name := range strings.SplitSeq(dir, "/") {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		if strings.Contains(part, "**") {
			return true
		}
		if !match(part, name) {
			return false
		}
	}
	return rest != ""
}

// below joins clean relative paths, either of which may be empty.
func below(dir, name string) string {
	switch {
	case dir == "":
		return name
	case name == "":
		return dir
	}
	return dir + "/" + name
}

// splitLast splits the last name off a clean relative path.
func splitLast(p string) (dir, name string) {
	i := strings.LastIndexByte(p, '/')
	return p[:max(i, 0)], p[i+1:]
}
