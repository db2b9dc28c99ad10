package planner

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/image"
	"github.com/layform/layform/spec"
)

// TagChange is an entry of index.json that the spec asks for or has asked for, and
// what the plan does with it. Apply writes those that are created or updated, removes
// those that are deleted, and touches no other.
type TagChange struct {
	// Ref is the ref name, empty for an entry without one.
	Ref string `json:"ref,omitempty"`
	// Unknown is set when the ref name is known after apply: the change is for each
	// entry that the object then asks for and that no other change names.
	Unknown bool   `json:"unknown,omitempty"`
	Action  Action `json:"action"`
	// Address is the object that the entry leads to; empty where it is deleted or
	// forgotten.
	Address string `json:"address,omitempty"`
	// Before and After are digests; After is empty when it is known after apply
	// or the entry goes away.
	Before digest.Digest `json:"before,omitempty"`
	After  digest.Digest `json:"after,omitempty"`
	// Adopted is set when the entry is in the layout without belonging to the spec.
	// Without Options.Adopt it is taken only when it says what the spec says, and
	// refused otherwise: by Diff where that is known.
	Adopted bool `json:"adopted,omitempty"`
	// Offered is set when import blocks of the object name all that the entries of this
	// ref name lead to: it takes their place.
	Offered bool `json:"offered,omitempty"`
}

// diffTags compares the entries of index.json that the spec asks for with those
// that are there.
func (d *differ) diffTags() error {
	var diags hcl.Diagnostics
	wanted := map[string]bool{}
	untagged := map[digest.Digest]bool{}
	for _, s := range d.graph.Steps {
		now, ok := d.prior.Evaluated[s.Key]
		if !ok || d.opts.Destroy {
			continue
		}
		for _, w := range d.graph.IndexEntries(now.Object) {
			if w.Ref != "" {
				wanted[w.Ref] = true
			} else if now.Known && !w.Unknown {
				untagged[now.Built.Descriptor.Digest] = true
			}
			if d.chosen != nil && !d.chosen[s.Key] {
				continue
			}
			change, more := d.diffTag(s, now, w)
			diags = diags.Extend(more)
			d.plan.Tags = append(d.plan.Tags, change)
		}
	}
	if diags.HasErrors() {
		return diags
	}
	if diags := d.tagDeletions(wanted, untagged); diags.HasErrors() {
		return diags
	}
	return nil
}

// diffTag compares one entry that the spec asks for with what is there.
func (d *differ) diffTag(s Step, now Evaluated, w IndexEntry) (TagChange, hcl.Diagnostics) {
	t := TagChange{Ref: w.Ref, Unknown: w.Unknown, Address: w.Address.String(), Action: Create}
	if now.Known {
		t.After = now.Built.Descriptor.Digest
	}
	if w.Unknown {
		return t, nil // what has the name now is known once the name is
	}
	there := d.entries[layout.NameOf(w.Ref, t.After)]
	t.Offered = d.offers(now, w.Ref, there)
	if diag := d.refuseEntry(now, w.Ref, there); diag != nil && !t.Offered {
		diag.Subject = now.Object.Range.Ptr()
		return t, hcl.Diagnostics{diag}
	}
	was, owned := d.owned.entry(w.Ref, t.After)
	t.Offered = t.Offered && !owned
	drift, drifted := EntryDrift(d.prior.Stage, was, there)
	if owned && drifted {
		drift.Key = s.Key
		d.addDrift(drift)
	}
	if len(there) == 0 {
		return t, nil
	}
	t.Before, t.Action = there[0].Digest, Update
	switch {
	case !owned:
		t.Adopted = true
		if t.Before == t.After && saysOf(there, d.wantedEntry(now, w.Ref)) {
			t.Action = Import
		}
	case !drifted && t.Before == t.After && !d.redescribed[s.Key]:
		t.Action = NoOp
	}
	return t, nil
}

// offers reports whether import blocks of an object name all that entries of index.json
// lead to, which are nobody's.
func (d *differ) offers(now Evaluated, ref string, there []ocispec.Descriptor) bool {
	if _, owned := d.prior.Owners[ref]; owned || len(there) == 0 || ref == "" {
		return false
	}
	return !slices.ContainsFunc(there, func(e ocispec.Descriptor) bool {
		return !slices.ContainsFunc(d.imports[now.Object.Address], func(i spec.Import) bool { return i.Digest == e.Digest })
	})
}

// wantedEntry is the entry of index.json that the spec has for an object.
func (d *differ) wantedEntry(now Evaluated, ref string) ocispec.Descriptor {
	wanted := d.graph.Entry(now, func(key string) Evaluated { return d.prior.Evaluated[key] })
	if ref != "" {
		wanted = image.Tagged(wanted, ref)
	}
	return wanted
}

// saysOf reports whether entries of index.json say what is wanted, but for what the
// document that they lead to tells itself: the platform and the type of an artifact.
func saysOf(there []ocispec.Descriptor, wanted ocispec.Descriptor) bool {
	return !slices.ContainsFunc(there, func(is ocispec.Descriptor) bool {
		if is.Platform == nil {
			is.Platform = wanted.Platform
		}
		is.ArtifactType = wanted.ArtifactType // some write the media type of the config
		return !layout.SameEntry(is, wanted)
	})
}

// refuseEntry says why an object cannot have the entries of a ref name, or of its digest
// without one, that are there; nil where it can, as far as that is known.
func (d *differ) refuseEntry(now Evaluated, ref string, there []ocispec.Descriptor) *hcl.Diagnostic {
	if diag := refuseTwins(there); diag != nil {
		return diag
	}
	if owner, ok := d.prior.Owners[ref]; ok && ref != "" {
		return &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Tag belongs to another spec",
			Detail: fmt.Sprintf("The tag %[1]q in this layout belongs to the spec named %[2]q. Choose another tag, or remove it there and apply that spec first. If it is this spec under an earlier name, plan and apply once with --take-over=%[2]s.", ref, owner),
		}
	}
	if len(there) == 0 || !now.Known {
		return nil
	}
	wanted := d.wantedEntry(now, ref)
	if _, owned := d.owned.entry(ref, wanted.Digest); owned || saysOf(there, wanted) {
		return nil
	}
	if owner, ok := d.prior.Shared[wanted.Digest]; ok && ref == "" {
		return &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Entry belongs to another spec",
			Detail: fmt.Sprintf("The entry of index.json without a ref name for %s belongs to the spec named %q, and does not say what this spec says of it. Give the object a tag.", wanted.Digest, owner),
		}
	}
	if d.opts.Adopt {
		return nil
	}
	return refuseForeign(ref, there[0], wanted)
}

// refuseForeign says that is, an entry of index.json that no spec owns, does not say what
// the spec wants in its place.
func refuseForeign(ref string, is, wanted ocispec.Descriptor) *hcl.Diagnostic {
	diag := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Tag belongs to somebody else"}
	const out = "Choose another tag, or take this one over: `layform apply --adopt`."
	switch {
	case ref == "":
		diag.Summary = "Entry belongs to somebody else"
		diag.Detail = fmt.Sprintf("index.json has an entry without a ref name for %s, which this spec did not put there, and which does not say what the spec says of it. Give the object a tag, or take this entry over: `layform apply --adopt`.", is.Digest)
	case is.Digest == wanted.Digest:
		diag.Detail = fmt.Sprintf("The tag %q in this layout leads to %s, as the spec has it, but this spec did not put it there, and its entry in index.json says other things of it, which would be lost. %s", ref, is.Digest, out)
	default:
		diag.Detail = fmt.Sprintf("The tag %q in this layout leads to %s, which this spec did not put there, and the spec has %s for it. %s", ref, is.Digest, wanted.Digest, out)
	}
	return diag
}

// refuseTwins says that entries of one name do not say the same; nil where they do.
func refuseTwins(there []ocispec.Descriptor) *hcl.Diagnostic {
	err := layout.CheckTwins(there)
	if err == nil {
		return nil
	}
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Entry stands twice in index.json", Detail: err.Error() + "."}
}

// ownedEntries are the entries of index.json that the last apply left to a spec.
type ownedEntries map[layout.EntryName]ocispec.Descriptor

// ownedEntriesOf are the owned entries of a staging state.
func ownedEntriesOf(st *stage.Stage) ownedEntries {
	o := make(ownedEntries, len(st.Tags)+len(st.Untagged))
	for ref, was := range st.Tags {
		o[layout.NameOf(ref, "")] = was
	}
	for _, was := range st.Untagged {
		o[layout.NameOf("", was.Digest)] = was
	}
	return o
}

// entry is the one for a ref name or, where that is empty, for a digest.
func (o ownedEntries) entry(ref string, dgst digest.Digest) (ocispec.Descriptor, bool) {
	was, ok := o[layout.NameOf(ref, dgst)]
	return was, ok
}

// has reports whether an entry of index.json leads where the last apply of the spec
// has led it.
func (o ownedEntries) has(e ocispec.Descriptor) bool {
	was, ok := o.entry(layout.RefName(e), e.Digest)
	return ok && was.Digest == e.Digest
}

// tagDeletions plans what becomes of the entries that the spec owns and no longer
// asks for. One that somebody moved is no longer the spec's and stays, as does one
// that another spec owns as well. One that stands beside another of its name that
// does not say the same is refused.
func (d *differ) tagDeletions(wanted map[string]bool, untagged map[digest.Digest]bool) hcl.Diagnostics {
	var diags hcl.Diagnostics
	leftOut := d.leftOut()
	deletion := func(t TagChange, there []ocispec.Descriptor) {
		if diag := refuseTwins(there); diag != nil && t.Action == Delete {
			diags = append(diags, diag)
		}
		d.plan.Tags = append(d.plan.Tags, t)
	}
	for _, ref := range slices.Sorted(maps.Keys(d.prior.Stage.Tags)) {
		was := d.prior.Stage.Tags[ref]
		if wanted[ref] && !d.opts.Destroy || leftOut(was.Digest, ref) {
			continue
		}
		t, there := TagChange{Ref: ref, Action: Forget, Before: was.Digest}, d.entries[layout.NameOf(ref, "")]
		for _, e := range there {
			if e.Digest == was.Digest {
				t.Action = Delete
			} else {
				d.addDrift(Drift{Kind: DriftTagMoved, Ref: ref, Was: was.Digest, Is: e.Digest})
			}
		}
		deletion(t, there)
	}
	for _, was := range d.prior.Stage.Untagged {
		if untagged[was.Digest] && !d.opts.Destroy || leftOut(was.Digest, "") {
			continue
		}
		t, there := TagChange{Action: Forget, Before: was.Digest}, d.entries[layout.NameOf("", was.Digest)]
		if d.prior.Shared[was.Digest] == "" && len(there) > 0 {
			t.Action = Delete
		}
		deletion(t, there)
	}
	return diags
}

// leftOut tells which owned entries the options leave out of the plan: with targets
// all but those of objects that change or vanish, and of these the ones that an object
// asks for which is left out.
func (d *differ) leftOut() func(dgst digest.Digest, ref string) bool {
	if d.chosen == nil {
		return func(digest.Digest, string) bool { return false }
	}
	// request is a digest with a ref name as the fields of objects have it, empty for
	// any.
	type request struct {
		dgst digest.Digest
		ref  string
	}
	planned, targeted, asked := map[string]bool{}, map[digest.Digest]bool{}, map[request]bool{}
	for _, c := range d.plan.Changes {
		planned[c.Key()] = true
		if c.Action != NoOp && c.Before != nil {
			targeted[c.Before.Digest] = true
		}
	}
	for key, o := range d.prior.Stage.Objects {
		if planned[key] {
			continue
		}
		asked[request{dgst: o.Descriptor.Digest}] = true
		for path, value := range o.Fields {
			if strings.HasPrefix(path, "tags[") {
				asked[request{o.Descriptor.Digest, string(value)}] = true
			}
		}
	}
	return func(dgst digest.Digest, ref string) bool {
		r := request{dgst: dgst}
		if ref != "" {
			r.ref = strconv.Quote(ref)
		}
		return !targeted[dgst] || asked[r]
	}
}

// CountEntries counts changes of entries of index.json. One that somebody moved, and that
// the spec gives up, stays and is not counted.
func CountEntries(changes iter.Seq[TagChange]) Counts {
	var n Counts
	for t := range changes {
		n.Count(t.Action) // of forgetting there is no number
	}
	return n
}
