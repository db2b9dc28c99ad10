package source

import (
	"slices"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// linksLast moves hard links that precede their targets behind them. It wants every
// hard link's target to be an entry.
func linksLast(entries []Entry) []Entry {
	early := map[string][]Entry{}
	for i := range entries {
		if e := &entries[i]; precedesTarget(e) {
			early[e.Linkname] = append(early[e.Linkname], *e)
		}
	}
	if len(early) == 0 {
		return entries
	}
	out := make([]Entry, 0, len(entries))
	for i := range entries {
		if e := &entries[i]; !precedesTarget(e) {
			out = append(out, *e)
			out = append(out, early[e.Path]...)
		}
	}
	return out
}

func precedesTarget(e *Entry) bool {
	return e.Type == layer.Hardlink && layer.Compare(e.Path, e.Linkname) < 0
}

// Fill gives t with the content that was unknown taken from l, the same layer
// evaluated again: a copy, or t itself where nothing is to be filled in. t is
// left as it is. Entries whose content l does not know either stay unknown.
func (t *Tree) Fill(l *spec.Layer) *Tree {
	var out *Tree
	for i := range t.Entries {
		e := &t.Entries[i]
		if !e.Unknown || e.Op < 0 || int(e.Op) >= len(l.Tree) {
			continue
		}
		if n := &l.Tree[e.Op]; n.HasContent && !n.ContentUnknown {
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

// TarSize is the exact length in bytes of the tar that the tree becomes; 0 while
// content is unknown, or where a tar cannot hold an entry.
func (t *Tree) TarSize() int64 {
	total := int64(layer.TrailerSize)
	for i := range t.Entries {
		e := &t.Entries[i]
		n, err := layer.HeaderLength(&e.Entry)
		if err != nil || e.Unknown {
			return 0
		}
		total += n
		if e.Type == layer.Regular {
			total += layer.Span(e.Size)
		}
	}
	return total
}
