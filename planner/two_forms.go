package planner

import (
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/planner/source"
)

// setPlaced keeps the placed tree of a layer. A tree that differs from that of an earlier
// stack is an error: it is one layer for all manifests that have it.
func (l *stackLayer) setPlaced(k *stack, placed *source.Tree) hcl.Diagnostics {
	if l.placed == nil {
		l.placed, l.placedBy = placed, k.manifest.Address
		return nil
	}
	at, one, two := firstDifference(l.placed.Entries, placed.Entries)
	if at == "" {
		return nil
	}
	const forms = "Layer with two forms"
	if here, there := ledElsewhere(l.placed.Entries, placed.Entries); here != "" {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: forms, Subject: l.object.Range.Ptr(),
			Detail: fmt.Sprintf("%s follows symlinks of the layers below it, and these differ: what comes to lie at %s in %s lies at %s in %s. "+
				"Write to the path that the symlink leads to, set on_symlink_parent, or write a layer for each, with for_each.",
				l.object.Address, quotedPath(here), l.placedBy, quotedPath(there), k.manifest.Address),
		}}
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError, Summary: forms, Subject: l.object.Range.Ptr(),
		Detail: fmt.Sprintf("%s takes over from the layers below it, and these differ: in %s, %s is %s, and in %s %s. "+
			"Declare it with a directory block that says its mode, uid and gid, set on_symlink_parent, or write a layer for each, with for_each.",
			l.object.Address, l.placedBy, quotedPath(at), one, k.manifest.Address, two),
	}}
}

// firstDifference is the first path at which two trees of one layer differ, with what each
// has there; empty where there is none.
func firstDifference(a, b []source.Entry) (at, one, two string) {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return b[i].Path, "not there", describeEntry(&b[i])
		case i >= len(b):
			return a[i].Path, describeEntry(&a[i]), "not there"
		case a[i].Path != b[i].Path:
			return a[i].Path, describeEntry(&a[i]), "at another path, " + quotedPath(b[i].Path)
		case describeEntry(&a[i]) != describeEntry(&b[i]) || !maps.Equal(a[i].Xattrs, b[i].Xattrs):
			return a[i].Path, describeEntry(&a[i]), describeEntry(&b[i])
		}
	}
	return "", "", ""
}

// ledElsewhere is the first path of an entry of a block that symlinks lead elsewhere in
// another form of the layer, and its path there; empty where there is none.
func ledElsewhere(a, b []source.Entry) (here, there string) {
	only := func(list, other []source.Entry) []source.Entry {
		has := make(map[string]bool, len(other))
		for i := range other {
			has[other[i].Path] = true
		}
		return slices.DeleteFunc(slices.Clone(list), func(e source.Entry) bool { return e.Op < 0 || has[e.Path] })
	}
	others := only(b, a)
	for _, e := range only(a, b) {
		for _, o := range others {
			if o.Op == e.Op && o.Type == e.Type && path.Base(o.Path) == path.Base(e.Path) {
				return e.Path, o.Path
			}
		}
	}
	return "", ""
}

func describeEntry(e *source.Entry) string { return fmt.Sprintf("%04o %d:%d", e.Mode, e.UID, e.GID) }
