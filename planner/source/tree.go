package source

import (
	"slices"
	"strings"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source/header"
	"github.com/layform/layform/spec"
)

// whiteoutPrefix begins the names of whiteouts, and of nothing else in a layer.
const whiteoutPrefix = ".wh."

// opaqueName is the name of the whiteout that hides all of a directory.
const opaqueName = ".wh..wh..opq"

// Compare is the canonical order of paths in a layer: by components, so that
// parents stand before their children and a directory's tree stands together;
// whiteouts stand before their siblings, and "." before all. Hard links alone
// leave this order: they stand behind their target when it comes later.
func Compare(a, b string) int {
	if a == b {
		return 0
	}
	if a == "." {
		return -1
	}
	if b == "." {
		return 1
	}
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	// The components in which the paths differ begin at the same place.
	start := strings.LastIndexByte(a[:i], '/') + 1
	if c := compareWhiteout(a[start:], b[start:]); c != 0 {
		return c
	}
	switch {
	case i == len(a):
		return -1
	case i == len(b):
		return 1
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return 1
	case a[i] < b[i]:
		return -1
	}
	return 1
}

func compareWhiteout(a, b string) int {
	wa, wb := strings.HasPrefix(a, whiteoutPrefix), strings.HasPrefix(b, whiteoutPrefix)
	switch {
	case wa == wb:
		return 0
	case wa:
		return -1
	}
	return 1
}

// linksLast moves hard links that stand before their targets behind them. It
// wants every hard link's target to be an entry.
func linksLast(entries []Entry) []Entry {
	early := map[string][]Entry{}
	for i := range entries {
		if e := &entries[i]; isEarly(e) {
			early[e.Linkname] = append(early[e.Linkname], *e)
		}
	}
	if len(early) == 0 {
		return entries
	}
	out := make([]Entry, 0, len(entries))
	for i := range entries {
		if e := &entries[i]; !isEarly(e) {
			out = append(out, *e)
			out = append(out, early[e.Path]...)
		}
	}
	return out
}

func isEarly(e *Entry) bool {
	return e.Type == stage.Hardlink && Compare(e.Path, e.Linkname) < 0
}

// Fill gives t with the content that was unknown taken from l, the same layer
// evaluated again: a copy, or t itself where nothing is to be filled in. t is
// left as it is. Entries whose content l does not know either stay unknown.
func (t *Tree) Fill(l *spec.Layer) *Tree {
	var out *Tree
	for i := range t.Entries {
		e := &t.Entries[i]
		if !e.Unknown || e.Node < 0 || e.Node >= len(l.Tree) {
			continue
		}
		if n := &l.Tree[e.Node]; n.HasContent && !n.ContentUnknown {
			if out == nil {
				out = &Tree{Entries: slices.Clone(t.Entries)}
			}
			out.Entries[i].setContent(n.Content)
		}
	}
	if out == nil {
		return t
	}
	out.Sum, _ = out.Fingerprint()
	return out
}

// TarSize is the exact length in bytes of the tar that the tree becomes; 0
// while content is unknown, or where an entry cannot stand in a tar.
func (t *Tree) TarSize() int64 {
	total := int64(header.TrailerSize)
	for i := range t.Entries {
		e := &t.Entries[i]
		n, err := header.Length(&e.Entry)
		if err != nil || e.Unknown {
			return 0
		}
		total += n
		if e.Type == stage.Regular {
			total += header.Span(e.Size)
		}
	}
	return total
}
