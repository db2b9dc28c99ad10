package source

import (
	"iter"
	"maps"
	"slices"

	"github.com/layform/layform/layout/layer"
)

// DifferenceKind says how an entry differs between two lists.
type DifferenceKind string

// The kinds of differences.
const (
	Added   DifferenceKind = "added"
	Removed DifferenceKind = "removed"
	Changed DifferenceKind = "changed"
)

// Difference is one path in which two lists of entries differ.
type Difference struct {
	Path string
	Kind DifferenceKind
	// What lists the properties that differ, in the order above; only where
	// Kind is Changed.
	What []layer.Property
	// Old is nil for an added entry and New for a removed one. They point into
	// the lists.
	Old, New *layer.Entry
}

// Diff gives the paths in which two lists of entries differ, in canonical order. Of
// several entries for one path the last one counts, as it does when a tar is unpacked.
// Content is compared by digest and size; a file without a digest on either side differs.
func Diff(before, after []*layer.Entry) iter.Seq[Difference] {
	return func(yield func(Difference) bool) {
		mergeEntries(inCanonicalOrder(before), inCanonicalOrder(after), yield)
	}
}

// mergeEntries yields the differences of two lists in canonical order.
func mergeEntries(olds, news []*layer.Entry, yield func(Difference) bool) {
	more := true
	for more && (len(olds) > 0 || len(news) > 0) {
		order := 0
		switch {
		case len(olds) == 0:
			order = 1
		case len(news) == 0:
			order = -1
		default:
			order = layer.Compare(olds[0].Path, news[0].Path)
		}
		switch {
		case order < 0:
			more = yield(Difference{Path: olds[0].Path, Kind: Removed, Old: olds[0]})
			olds = olds[1:]
		case order > 0:
			more = yield(Difference{Path: news[0].Path, Kind: Added, New: news[0]})
			news = news[1:]
		default:
			if what := differingProperties(olds[0], news[0]); len(what) > 0 {
				more = yield(Difference{Path: news[0].Path, Kind: Changed, What: what, Old: olds[0], New: news[0]})
			}
			olds, news = olds[1:], news[1:]
		}
	}
}

// inCanonicalOrder gives the entries in canonical order, the last one of each path.
func inCanonicalOrder(entries []*layer.Entry) []*layer.Entry {
	sorted := true
	for i := 1; sorted && i < len(entries); i++ {
		sorted = layer.Compare(entries[i-1].Path, entries[i].Path) < 0
	}
	if sorted {
		return entries
	}
	out := slices.Clone(entries)
	slices.SortStableFunc(out, func(a, b *layer.Entry) int { return layer.Compare(a.Path, b.Path) })
	last := out[:0]
	for i, e := range out {
		if i+1 == len(out) || out[i+1].Path != e.Path {
			last = append(last, e)
		}
	}
	return last
}

// differingProperties lists in which properties two entries differ.
func differingProperties(a, b *layer.Entry) []layer.Property {
	var what []layer.Property
	add := func(differs bool, p layer.Property) {
		if differs {
			what = append(what, p)
		}
	}
	same := a.Type == b.Type
	regular := same && a.Type == layer.Regular
	add(!same, layer.PropertyType)
	add(regular && (a.Digest != b.Digest || a.Digest == "" || a.Size != b.Size), layer.PropertyContent)
	add(a.Mode != b.Mode, layer.PropertyMode)
	add(a.UID != b.UID || a.GID != b.GID, layer.PropertyOwner)
	add(a.Mtime != b.Mtime, layer.PropertyMtime)
	add(same && a.Linkname != b.Linkname, layer.PropertyTarget)
	add(!maps.Equal(a.Xattrs, b.Xattrs), layer.PropertyXattrs)
	add(same && (a.Devmajor != b.Devmajor || a.Devminor != b.Devminor), layer.PropertyDevice)
	return what
}
