package planner

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/stage"
)

// diffTags compares the entries of index.json that the spec asks for with those
// that stand there.
func (d *differ) diffTags() error {
	var diags hcl.Diagnostics
	wanted := map[string]bool{}
	untagged := map[digest.Digest]bool{}
	for _, s := range d.graph.Steps {
		out, ok := d.prior.Evaluated[s.Key]
		if !ok || d.opts.Destroy {
			continue
		}
		for _, w := range d.graph.IndexEntries(out.Object) {
			if w.Ref != "" {
				wanted[w.Ref] = true
			}
			if d.chosen != nil && !d.chosen[s.Key] {
				if w.Ref == "" {
					untagged[out.Built.Descriptor.Digest] = true
				}
				continue
			}
			change, more := d.diffTag(s.Key, out, w)
			diags = diags.Extend(more)
			d.plan.Tags = append(d.plan.Tags, change)
			if w.Ref == "" && out.Known {
				untagged[out.Built.Descriptor.Digest] = true
			}
		}
	}
	if diags.HasErrors() {
		return diags
	}
	d.tagDeletions(wanted, untagged)
	return nil
}

// diffTag compares one entry that the spec asks for with what stands there.
func (d *differ) diffTag(key string, out Evaluated, w IndexEntry) (TagChange, hcl.Diagnostics) {
	t := TagChange{Ref: w.Ref, Address: w.Address.String(), Action: Create}
	if out.Known {
		t.After = out.Built.Descriptor.Digest
	}
	if w.Ref == "" {
		for _, e := range d.named[""] {
			if out.Known && e.Digest == t.After && d.prior.owns(e) {
				t.Before = e.Digest
			}
		}
		if t.Before != "" {
			t.Action = d.entryAction(key)
		}
		return t, nil
	}
	if owner, ok := d.prior.Owners[w.Ref]; ok {
		return t, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Tag belongs to another spec",
			Detail:   fmt.Sprintf("The tag %[1]q in this layout belongs to the spec named %[2]q. Choose another tag, or remove it there and apply that spec first. If it is this spec under an earlier name, plan and apply once with --take-over=%[2]s.", w.Ref, owner),
			Subject:  out.Object.Range.Ptr(),
		}}
	}
	entries := d.named[w.Ref]
	if len(entries) > 1 {
		return t, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Ref name stands twice in index.json",
			Detail:   fmt.Sprintf("%d entries of index.json have the ref name %q, and layform cannot tell which one to replace. Remove the wrong ones with the tool that wrote them.", len(entries), w.Ref),
			Subject:  out.Object.Range.Ptr(),
		}}
	}
	_, owned := d.prior.Stage.Tags[w.Ref]
	drift, drifted := TagDrift(d.prior.Stage, w.Ref, entries)
	if owned && drifted {
		drift.Key = key
		d.drift(drift)
	}
	if len(entries) == 0 {
		return t, nil
	}
	t.Before, t.Action = entries[0].Digest, Update
	switch {
	case !owned:
		t.Adopted = true
	case !drifted && out.Known && t.Before == t.After:
		t.Action = d.entryAction(key)
	}
	return t, nil
}

// TagDrift compares the entry that the last apply gave the tag ref, as the staging
// state keeps it, with those that have this ref name in index.json now. It tells
// the first that differs, or that there is none, and reports whether there is such
// a drift.
func TagDrift(st *stage.Stage, ref string, now []ocispec.Descriptor) (Drift, bool) {
	was := st.Tags[ref]
	drift := Drift{Kind: DriftTagGone, Ref: ref, Was: was.Digest}
	for _, is := range now {
		drift.Is = is.Digest
		switch {
		case is.Digest != was.Digest:
			drift.Kind = DriftTagMoved
			return drift, true
		case !st.SameEntry(was, is):
			drift.Kind = DriftTagEdited
			return drift, true
		}
	}
	return drift, len(now) == 0
}

// entryAction is the action of an entry of index.json whose digest stays.
func (d *differ) entryAction(key string) Action {
	if d.redescribed[key] {
		return Update
	}
	return NoOp
}

// drift records a drift of a tag.
func (d *differ) drift(drift Drift) { d.plan.Drift = append(d.plan.Drift, drift) }

// tagDeletions plans the removal of entries that the spec owns and no longer
// asks for. One that somebody moved is no longer the spec's, and stays.
func (d *differ) tagDeletions(wanted map[string]bool, untagged map[digest.Digest]bool) {
	for _, ref := range slices.Sorted(maps.Keys(d.prior.Stage.Tags)) {
		was := d.prior.Stage.Tags[ref]
		if wanted[ref] && !d.opts.Destroy {
			continue
		}
		if d.chosen != nil && (!d.targeted(was.Digest) || d.staysFor(was.Digest, ref)) {
			continue
		}
		for _, e := range d.named[ref] {
			if e.Digest == was.Digest {
				d.plan.Tags = append(d.plan.Tags, TagChange{Ref: ref, Action: Delete, Before: e.Digest})
				continue
			}
			d.drift(Drift{Kind: DriftTagMoved, Ref: ref, Was: was.Digest, Is: e.Digest})
		}
	}
	for _, was := range d.prior.Stage.Untagged {
		if d.prior.Shared[was.Digest] || untagged[was.Digest] && !d.opts.Destroy ||
			d.chosen != nil && (!d.targeted(was.Digest) || d.staysFor(was.Digest, "")) {
			continue
		}
		for _, e := range d.named[""] {
			if e.Digest == was.Digest {
				d.plan.Tags = append(d.plan.Tags, TagChange{Action: Delete, Before: e.Digest})
			}
		}
	}
}

// targeted reports whether a changing or vanishing object of the plan had the
// digest before.
func (d *differ) targeted(dgst digest.Digest) bool {
	return slices.ContainsFunc(d.plan.Changes, func(c Change) bool {
		return c.Action != NoOp && c.Before != nil && c.Before.Digest == dgst
	})
}

// staysFor reports whether an object that the targets leave out has the digest and
// asks for the tag; for any entry of that digest where ref is empty.
func (d *differ) staysFor(dgst digest.Digest, ref string) bool {
	planned := map[string]bool{}
	for _, c := range d.plan.Changes {
		planned[c.Key()] = true
	}
	for key, o := range d.prior.Stage.Objects {
		if planned[key] || o.Descriptor.Digest != dgst {
			continue
		}
		if ref == "" || slices.ContainsFunc(slices.Collect(maps.Keys(o.Fields)), func(path string) bool {
			return strings.HasPrefix(path, "tags[") && string(o.Fields[path]) == strconv.Quote(ref)
		}) {
			return true
		}
	}
	return false
}
