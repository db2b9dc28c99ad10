package layer

import (
	"archive/tar"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/layform/layform/layout/imagespec"
)

// mark is the state of a path in a check: the type of its entry in the low bits, 0
// where it has none, and flags: it is a parent, a whiteout hides it, a hard link awaits
// it.
type mark uint8

const (
	markType mark = 1<<3 - 1
	// markParent is set for a path that has an entry below it, whiteouts left out.
	markParent mark = 1 << 3
	// markHidden is set for a path that a whiteout of the layer hides.
	markHidden mark = 1 << 4
	// markAwaited is set for a path that a hard link names before it has an entry.
	markAwaited mark = 1 << 5
)

// entryType is the type of the path's entry, "" where it has none.
func (m mark) entryType() Type {
	if code := int(m & markType); code > 0 {
		return typeCodes()[code-1]
	}
	return ""
}

// withType gives the path an entry.
func (m mark) withType(t Type) mark {
	for code, known := range typeCodes() {
		if known == t {
			return m&^markType | mark(code+1)
		}
	}
	return m
}

// checker checks the entries of a layer by its rules, in the order of the tar.
// It keeps some bytes for each path, unless each entry is checked alone.
type checker struct {
	breach func(*Breach) error
	alone  bool
	paths  Paths[mark]
	// name is the entry that is checked, and err what breach returned for it.
	name string
	err  error
}

func newChecker(breach func(*Breach) error, alone bool) *checker {
	return &checker{breach: breach, alone: alone, paths: NewPaths[mark]()}
}

// found reports a breach.
func (c *checker) found(b *Breach) error {
	if c.breach == nil {
		return nil
	}
	return c.breach(b)
}

// report reports a breach of a rule.
func (c *checker) report(rule Rule, name, format string, args ...any) error {
	return c.found(&Breach{Rule: rule, Name: shortened(name), Problem: fmt.Sprintf(format, args...)})
}

// violated reports a breach of the entry that is checked, unless an earlier one of
// it ended the scan.
func (c *checker) violated(rule Rule, format string, args ...any) {
	if c.err == nil {
		c.err = c.report(rule, c.name, format, args...)
	}
}

// entry checks an entry by all rules.
func (c *checker) entry(h *tar.Header, headers []rawHeader, e *Entry) error {
	c.name, c.err = h.Name, nil
	if rule, problem := ambiguity(h, headers); rule != "" {
		c.violated(rule, "%s", problem)
	}
	if imagespec.TooLong(e.Path) || len(e.Linkname) > imagespec.MaxPath {
		// What nobody can unpack leads nowhere, and would take long to look at.
		c.violated(RulePath, "the path is longer than Linux allows, or that of a link's target is: %d bytes for a name, %d for a path", imagespec.MaxName, imagespec.MaxPath)
		return c.err
	}
	if typeOf(h.Typeflag) == "" || h.Typeflag == tar.TypeCont {
		c.violated(RuleEntryType, "the tar entry has the type %q, which layers do not have", h.Typeflag)
		return c.err
	}
	c.form(h, e)
	dir, base := path.Split(e.Path)
	dir = path.Clean(dir)
	if c.alone {
		if imagespec.IsWhiteout(base) {
			c.whiteoutForm(e, base)
		}
		return c.err
	}
	was := c.paths.Value(e.Path)
	c.checkPath(h, e, was)
	if e.Type == Hardlink {
		c.hardlink(h, e)
	}
	c.paths.Set(e.Path, was.withType(e.Type))
	if imagespec.IsWhiteout(base) {
		c.whiteout(e, dir, base)
		return c.err
	}
	if was&markHidden != 0 {
		c.violated(RuleWhiteoutOwn, "a whiteout of the same layer is for this path")
	}
	if e.Path != "." {
		c.paths.Set(dir, c.paths.Value(dir)|markParent)
	}
	return c.err
}

// form checks what an entry says of itself.
func (c *checker) form(h *tar.Header, e *Entry) {
	switch {
	case goesUp(h.Name):
		c.violated(RulePath, "the path leads out of the layer: it has %q", "..")
	case strings.HasPrefix(h.Name, "/") && e.Path != ".": // all readers take "/" for the root
		c.violated(RuleAbsolute, "the path begins with a slash, but paths in a layer are relative")
	}
	if !utf8.ValidString(h.Name) {
		c.violated(RuleName, "the name is not valid UTF-8")
	}
	if isSparse(h) {
		c.violated(RuleSparse, "it is a sparse file in GNU's format, which not every runtime reads: make the tar without --sparse")
	}
	if e.Path == "." && e.Type != Directory {
		c.violated(RuleRoot, "the root of the layer is a %s here, and no directory", e.Type)
	}
}

// checkPath checks the path of an entry against those before it.
func (c *checker) checkPath(h *tar.Header, e *Entry, was mark) {
	if t := was.entryType(); t != "" {
		c.violated(RuleDuplicate, "the path stands in the tar twice; a layer holds one entry for a path")
	}
	if was&markAwaited != 0 && was.entryType() == "" {
		c.violated(RuleHardlink, "a hard link to it comes before it: no program can make that")
	}
	if was&markParent != 0 && e.Type != Directory && e.Path != "." {
		c.violated(RuleBelowFile, "it is a %s, but entries before it lie below it", e.Type)
	}
	if dir, m, ok := c.above(e.Path); ok {
		rule := RuleBelowFile
		if m.entryType() == Symlink {
			rule = RuleThroughLink
		}
		c.violated(rule, "it lies below %q, which is a %s in the same layer", shortened(dir), m.entryType())
	}
}

// above gives the first thing on the way to a path that is no directory.
func (c *checker) above(p string) (string, mark, bool) {
	return c.paths.Above(p, func(m mark) bool {
		t := m.entryType()
		return t != "" && t != Directory
	})
}

// hardlink checks the target of a hard link.
func (c *checker) hardlink(h *tar.Header, e *Entry) {
	target := shortened(h.Linkname)
	dir, m, below := c.above(e.Linkname)
	switch t := c.paths.Value(e.Linkname).entryType(); {
	case goesUp(h.Linkname):
		c.violated(RuleHardlink, "it is a hard link to %q, which leads out of the layer", target)
	case below:
		c.violated(RuleHardlink, "it is a hard link to %q, which lies below %q, a %s", target, shortened(dir), m.entryType())
	case e.Linkname == e.Path:
		c.violated(RuleHardlink, "it is a hard link to itself")
	case t == Directory || e.Linkname == ".":
		c.violated(RuleHardlink, "it is a hard link to %q, which is a directory: only files can have several names", target)
	case imagespec.IsWhiteout(path.Base(e.Linkname)):
		c.violated(RuleHardlink, "it is a hard link to %q, which is a whiteout", target)
	case strings.HasPrefix(h.Linkname, "/"):
		c.violated(RuleAbsolute, "it is a hard link to %q, which begins with a slash: the target of a hard link is a path in the layer, here %q", target, shortened(e.Linkname))
	}
	if was := c.paths.Value(e.Linkname); was.entryType() == "" && e.Linkname != e.Path && e.Linkname != "." && !below && !goesUp(h.Linkname) {
		c.paths.Set(e.Linkname, was|markAwaited)
		c.violated(RuleHardlinkLower, "it is a hard link to %q, which does not come before it in the layer", target)
	}
}

// whiteoutForm checks the form of a whiteout, and is the path that it hides; false
// where that is ambiguous.
func (c *checker) whiteoutForm(e *Entry, base string) (hidden string, ok bool) {
	hidden, err := imagespec.Hidden(base)
	switch {
	case err != nil && imagespec.IsWhiteout(strings.TrimPrefix(base, imagespec.WhiteoutPrefix)):
		c.violated(RuleWhiteoutReserved, "names that begin with %q mean different things to different readers", ".wh..wh.")
		return "", false
	case err != nil:
		c.violated(RuleWhiteoutName, "the whiteout %s", err)
		return "", false
	case e.Type != Regular || e.Size != 0:
		c.violated(RuleWhiteoutForm, "it is a whiteout, but no empty regular file")
	}
	return hidden, true
}

// whiteout checks a whiteout.
func (c *checker) whiteout(e *Entry, dir, base string) {
	hidden, ok := c.whiteoutForm(e, base)
	if !ok {
		return
	}
	if hidden != "" {
		p := path.Join(dir, hidden)
		was := c.paths.Value(p)
		c.paths.Set(p, was|markHidden)
		if was.entryType() != "" {
			c.violated(RuleWhiteoutOwn, "the whiteout hides an entry of the same layer")
		}
	}
	if c.paths.Value(dir)&markParent != 0 {
		c.violated(RuleWhiteoutOrder, "the whiteout comes after a sibling")
	}
}

// goesUp reports whether a name has a component "..".
func goesUp(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return true
		}
	}
	return false
}
