package executor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/planner/image"
	"github.com/layform/layform/spec"
)

// ConflictError says that an entry of index.json that the spec asks for belongs to
// somebody else, and does not say what the spec says.
type ConflictError struct {
	// Ref is the tag; empty for an entry without a ref name.
	Ref string
	// Is is what the entry leads to, empty where another spec has the tag that did not
	// put it there yet, and Want what the spec builds. They are equal where the entry
	// differs in something else.
	Is, Want digest.Digest
	// Owner is the spec of this layout that the entry belongs to; empty for none.
	Owner string
	// Moved is set when the tag is the spec's own, and somebody moved it during the apply.
	Moved bool
}

// Error names the entry and what to do.
func (e *ConflictError) Error() string {
	const out = "or take this one over with `layform apply --adopt`, which makes a new plan"
	switch {
	case e.Ref == "" && e.Owner != "":
		return fmt.Sprintf("the entry of index.json without a ref name for %s belongs to the spec named %q, and does not say what this spec says of it: give the object a tag", e.Want, e.Owner)
	case e.Ref == "":
		return fmt.Sprintf("index.json has an entry without a ref name for %s, which this spec did not put there, and which does not say what the spec says of it: give the object a tag, %s", e.Want, out)
	case e.Owner != "":
		return fmt.Sprintf("tag %q belongs to the spec named %q: choose another tag", e.Ref, e.Owner)
	case e.Moved:
		return fmt.Sprintf("tag %q leads to %s now: somebody moved it during this apply. `layform plan` shows what follows from that", e.Ref, e.Is)
	case e.Is == e.Want:
		return fmt.Sprintf("tag %q leads to %s, as the spec has it, but this spec did not put it there, and its entry in index.json says other things of it: choose another tag, %s", e.Ref, e.Is, out)
	}
	return fmt.Sprintf("tag %q leads to %s, which this spec did not put there, and the spec builds %s: choose another tag, %s", e.Ref, e.Is, e.Want, out)
}

// entry is an entry of index.json of the plan, with what was known after the build.
type entry struct {
	planner.TagChange
	// desc is the entry itself; of one that goes, its name alone.
	desc ocispec.Descriptor
	// sealed is set when the staging state may not keep all of it.
	sealed bool
	// offered are the documents that entries of the ref name led to when the plan was made,
	// where import blocks name them all.
	offered []digest.Digest
}

// offers reports whether entries lead to what import blocks name, and nowhere else.
func (e entry) offers(there []ocispec.Descriptor) bool {
	return !slices.ContainsFunc(there, func(d ocispec.Descriptor) bool { return !slices.Contains(e.offered, d.Digest) })
}

// isWritten reports whether the plan puts the entry into index.json.
func (e entry) isWritten() bool { return e.Action == planner.Create || e.Action == planner.Update }

// isOwned reports whether the entry is the spec's afterwards, and was not before, or not
// as it is then.
func (e entry) isOwned() bool { return e.isWritten() || e.Action == planner.Import }

// isRemoved reports whether the plan takes the entry from the spec.
func (e entry) isRemoved() bool { return e.Action == planner.Delete || e.Action == planner.Forget }

func (e entry) name() layout.EntryName { return layout.NameOf(e.Ref, e.desc.Digest) }

// entries are those of the plan, with the digests and ref names that were known
// after the build: first those that go, unless their names came out again.
func (r *applier) entries() ([]entry, error) {
	byRef := map[string]planner.TagChange{}
	for _, t := range r.plan.Tags {
		byRef[t.Ref] = t
	}
	var gone, stay []entry
	owner := map[layout.EntryName]string{}
	for _, t := range r.plan.Tags {
		if t.Action == planner.Delete || t.Action == planner.Forget {
			gone = append(gone, entry{TagChange: t, desc: ocispec.Descriptor{Digest: t.Before}})
			continue
		}
		m, ok := r.built[t.Address]
		if !ok {
			return nil, fmt.Errorf("%s, which has an entry in index.json, has not been built; this is a bug in layform", t.Address)
		}
		for _, t := range r.withRefNames(t, m, byRef) {
			e := entry{TagChange: t, desc: r.entry(m), sealed: hasSensitiveEntry(m.object)}
			if t.Ref != "" {
				e.desc = image.Tagged(e.desc, t.Ref)
			}
			if t.Action == planner.Import {
				e.desc = r.entryBefore(e)
			}
			if t.Offered {
				e.offered = r.digestsBefore(t.Ref)
			}
			if first, twice := owner[e.name()]; twice && t.Ref != "" {
				return nil, fmt.Errorf("the tag %q is asked for by %s and by %s; one ref name leads to one object", t.Ref, first, t.Address)
			}
			owner[e.name()] = t.Address
			stay = append(stay, e)
		}
	}
	gone = slices.DeleteFunc(gone, func(e entry) bool { return owner[e.name()] != "" })
	return append(gone, stay...), nil
}

// entryBefore is an entry of index.json as it was when the plan was made.
func (r *applier) entryBefore(e entry) ocispec.Descriptor {
	for _, is := range r.prior.Entries {
		if layout.RefName(is) == e.Ref && is.Digest == e.desc.Digest {
			return is
		}
	}
	return e.desc
}

// digestsBefore are those that entries of a ref name led to when the plan was made.
func (r *applier) digestsBefore(ref string) []digest.Digest {
	var all []digest.Digest
	for _, is := range r.prior.Entries {
		if layout.RefName(is) == ref {
			all = append(all, is.Digest)
		}
	}
	return all
}

// withRefNames is a change with its ref name or, where that was not known, one change for
// each ref name that came out and that the plan does not have. byRef are its changes.
func (r *applier) withRefNames(t planner.TagChange, m builtObject, byRef map[string]planner.TagChange) []planner.TagChange {
	if !t.Unknown {
		return []planner.TagChange{t}
	}
	var out []planner.TagChange
	for _, w := range r.graph.IndexEntries(m.object) {
		now, planned := t, byRef[w.Ref]
		if now.Ref, now.Unknown = w.Ref, false; w.Ref == "" {
			out = append(out, now)
		} else if planned.Address != t.Address {
			if now.Before = planned.Before; planned.Ref == "" && r.plan.Options.Adopt {
				now.Before = r.foreignDigest(w.Ref)
			}
			out = append(out, now)
		}
	}
	return out
}

// foreignDigest is the digest of the entry that had a ref name when the plan was made and is
// not the spec's; empty for none.
func (r *applier) foreignDigest(ref string) digest.Digest {
	if _, owned := r.stage.Tags[ref]; owned {
		return ""
	}
	for _, e := range r.prior.Entries {
		if layout.RefName(e) == ref {
			return e.Digest
		}
	}
	return ""
}

// hasSensitiveEntry reports whether an object's entries of index.json hold a sensitive value.
func hasSensitiveEntry(object *spec.Object) bool {
	return slices.ContainsFunc(object.Fields, func(f spec.Field) bool {
		return f.Sensitive && strings.HasPrefix(f.Path, "descriptor_annotations")
	})
}

// editIndex makes the changes of the plan in index.json, and touches no entry that
// belongs to somebody else, whatever happened since the plan was made.
func (r *applier) editIndex(x *layout.Index, others []*stage.Stage, entries []entry) error {
	mine, theirs := entryOwners([]*stage.Stage{r.stage}), entryOwners(others)
	for _, e := range entries {
		is := x.Entries(e.name())
		switch {
		case e.Action == planner.Delete:
			ours := func(d ocispec.Descriptor) bool { return d.Digest == e.Before }
			// An entry without a ref name may belong to several specs: it goes with the last one.
			if !slices.ContainsFunc(is, ours) || e.Ref == "" && theirs[e.name()] != "" {
				continue
			}
			if err := layout.CheckTwins(is); err != nil {
				return err
			}
			if !x.Remove(e.Ref) {
				x.RemoveUntagged(e.Before)
			}
		case e.isOwned():
			if err := r.checkOwner(is, e, mine[e.name()] != "", theirs[e.name()]); err != nil {
				return err
			}
			if !e.isWritten() && len(is) > 0 {
				continue
			}
			if err := x.Set(e.desc); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkOwner refuses to take there, the entries of a name, from somebody else: those
// that the spec does not own, or a tag of its own that was moved since the plan was made.
// What says the same is as good as its own. owner is another spec that has the name.
func (r *applier) checkOwner(there []ocispec.Descriptor, e entry, owned bool, owner string) error {
	if owner != "" && e.Ref != "" {
		return &ConflictError{Ref: e.Ref, Want: e.desc.Digest, Owner: owner}
	}
	if e.Offered && owner == "" && e.offers(there) {
		return nil
	}
	if err := layout.CheckTwins(there); err != nil {
		return err
	}
	if len(there) == 0 || layout.SameEntry(there[0], e.desc) {
		return nil
	}
	is := there[0].Digest
	switch planned := is == e.Before || is == e.desc.Digest; {
	case owned && planned, owner == "" && planned && r.plan.Options.Adopt:
		return nil
	case owned:
		return &ConflictError{Ref: e.Ref, Is: is, Want: e.desc.Digest, Moved: true}
	}
	return &ConflictError{Ref: e.Ref, Is: is, Want: e.desc.Digest, Owner: owner}
}

// entryOwners maps the entries of index.json that staging states own to the names of
// their specs.
func entryOwners(states []*stage.Stage) map[layout.EntryName]string {
	owners := map[layout.EntryName]string{}
	for _, st := range states {
		for ref := range st.Tags {
			owners[layout.NameOf(ref, "")] = st.Spec
		}
		for _, d := range st.Untagged {
			owners[layout.NameOf("", d.Digest)] = st.Spec
		}
	}
	return owners
}
