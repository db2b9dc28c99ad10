package planner

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// explain decides a step's action and says why, by comparing it with what the
// last apply left.
func (d *differ) explain(change *Change, s Step, was stage.Object, staged bool, now Evaluated, entries []source.Entry) {
	o := now.Object
	if !staged && now.Imported {
		change.Action = Import
		change.Reasons = []Reason{{Kind: ReasonImported, Text: "the layout has it already"}}
		d.diffImplied(change, s, nil)
		return
	}
	if !staged {
		change.Action = Create
		change.Reasons = []Reason{{Kind: ReasonNew, Text: "the layout does not hold it yet"}}
		for _, text := range now.Differs {
			change.add(ReasonDiffers, "", text)
		}
		change.Fields = diffFields(stage.Object{}, o.Fields, d.prior.Stage.Seal)
		change.Files = diffFiles(nil, entries)
		d.diffImplied(change, s, nil)
		return
	}
	if drift, ok := blobDrift(s.Key, was.Descriptor.Digest, d.prior.Blobs[was.Descriptor.Digest]); ok {
		d.plan.Drift = append(d.plan.Drift, drift)
		change.add(ReasonDrift, "", driftText(drift.Kind))
	}
	d.diffImplied(change, s, func(blob digest.Digest) bool {
		if was.Remote[blob] != "" {
			return false
		}
		return was.Fingerprint == now.Fingerprint || slices.ContainsFunc(was.Implied, func(i ocispec.Descriptor) bool { return i.Digest == blob })
	})
	if n := d.countFetched(s, was); n > 0 {
		change.add(ReasonFields, "", countOf(n, "blob")+" of its bases will be in the layout")
	}
	if change.Fields = diffFields(was, o.Fields, d.prior.Stage.Seal); len(change.Fields) > 0 {
		change.add(ReasonFields, "", countOf(len(change.Fields), "value")+" changed")
	}
	if !now.Known || now.Built.Descriptor.Digest != was.Descriptor.Digest {
		if o.Address.Kind == spec.KindLayer {
			d.explainLayer(change, was, now, entries)
		} else {
			d.explainDocument(change, s, o)
		}
	}
	if len(change.Reasons) > 0 {
		change.Action = Update
	}
}

// countFetched counts the blobs that stayed in registries before and no longer do.
func (d *differ) countFetched(s Step, was stage.Object) (n int) {
	for _, desc := range s.Implied {
		if was.Remote[desc.Digest] != "" && d.prior.Blobs[desc.Digest] != layout.Intact {
			n++
		}
	}
	return n
}

// add appends a reason.
func (c *Change) add(kind ReasonKind, cause, text string) {
	c.Reasons = append(c.Reasons, Reason{Kind: kind, Cause: cause, Text: text})
}

// explainLayer says why a layer's bytes change.
func (d *differ) explainLayer(change *Change, was stage.Object, now Evaluated, entries []source.Entry) {
	switch {
	case d.prior.Unplaced[now.Object.Address]:
		change.add(ReasonUnknown, "", "what it takes over from its base is known after apply")
	case now.Fingerprint == "":
		change.add(ReasonUnknown, "", "a file's content depends on what is known after apply")
	}
	if version, _, _ := strings.Cut(was.Encoding, " "); version != "" && version != layer.Encoding {
		change.add(ReasonEncoding, "", fmt.Sprintf("layers are encoded by %s now, not by %s", layer.Encoding, version))
	}
	if d.prior.Unplaced[now.Object.Address] && now.Raw != "" && now.Raw == was.Raw {
		return // the earlier files were placed: they would differ in that alone
	}
	layer, _ := now.Object.Body.(*spec.Layer)
	if layer == nil || len(layer.Tree) == 0 {
		change.add(ReasonFiles, "", sourceOf(layer)+" changed")
		return
	}
	toc := d.prior.Contents[was.Descriptor.Digest]
	if toc == nil {
		if d.prior.Blobs[was.Descriptor.Digest] == layout.Intact || len(change.Reasons) == 0 {
			change.add(ReasonFiles, "", "its files differ; which ones cannot be told, for the earlier layer cannot be read")
		}
		return
	}
	change.Files = diffFiles(toc.Entries, entries)
	if was.ContentSensitive || layer.ContentSensitive() {
		redactDigests(change.Files)
	}
	if len(change.Files) > 0 {
		change.add(ReasonFiles, "", countFiles(change.Files)+" changed")
	}
	if len(change.Reasons) == 0 {
		change.add(ReasonFiles, "", "what it is made of changed")
	}
}

// redactDigests removes the digests of files: the content of one is a sensitive
// value, and a short one could be guessed by its digest.
func redactDigests(files []FileChange) {
	for i := range files {
		for _, side := range []*layer.Properties{files[i].Before, files[i].After} {
			if side != nil {
				side.Digest = ""
			}
		}
	}
}

// sourceOf is the one file that a layer is made of.
func sourceOf(l *spec.Layer) string {
	switch {
	case l == nil:
		return "its source"
	case l.Archive != "":
		return l.Archive
	default:
		return l.Blob
	}
}

// explainDocument says why a config's, manifest's or index's bytes change.
func (d *differ) explainDocument(change *Change, s Step, o *spec.Object) {
	for _, n := range s.Needs {
		if action := d.actions[n]; action == "" || action == NoOp {
			continue
		}
		change.add(ReasonCause, n, n+" changes")
	}
	if len(change.Reasons) == 0 {
		if base := s.Base; !base.IsZero() && o.Address.Kind == spec.KindConfig {
			change.add(ReasonCause, base.String(), base.String()+" is another image")
			return
		}
		if !o.Known() {
			change.add(ReasonUnknown, "", "a value is known after apply")
			return
		}
		change.add(ReasonEncoding, "", unseenCause(o.Address.Kind))
	}
}

// unseenCause says what can change a document whose values and needs look as
// they did: the staging state does not keep what it was built over.
func unseenCause(kind spec.Kind) string {
	text := "an earlier apply with --target changed what it is built from, or the encoding of documents changed"
	if kind == spec.KindConfig {
		text += ", or SOURCE_DATE_EPOCH"
	}
	return text
}

// diffFields compares the values of the last apply with those of the spec. seal
// gives the form in which the last apply kept sensitive ones.
func diffFields(was stage.Object, now []spec.Field, seal func(string) string) []FieldChange {
	changes := map[string]FieldChange{}
	for path, value := range was.Fields {
		changes[path] = FieldChange{Path: path, Before: spec.JSON(value)}
	}
	hidden := map[string]string{}
	for path, value := range was.Sensitive {
		changes[path] = FieldChange{Path: path, Sensitive: true}
		hidden[path] = value
	}
	for _, f := range now {
		c := changes[f.Path]
		old, had := hidden[f.Path]
		switch {
		case !f.Unknown && f.Sensitive && had && old == seal(string(f.Value)),
			!f.Unknown && !f.Sensitive && !had && c.Path != "" && c.Before == f.Value:
			delete(changes, f.Path)
			continue
		}
		c.Path, c.Unknown = f.Path, f.Unknown
		if f.Sensitive || had {
			c.Sensitive, c.Before, c.After = true, "", ""
		} else {
			c.After = f.Value
		}
		changes[f.Path] = c
	}
	var out []FieldChange
	for _, path := range slices.Sorted(maps.Keys(changes)) {
		out = append(out, changes[path])
	}
	return out
}

// countOf writes a number with its noun: 1 file, 2 files.
func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// countFiles says how many files and how many directories there are among changes.
func countFiles(changes []FileChange) string {
	dirs := 0
	for _, f := range changes {
		if p := cmp.Or(f.After, f.Before); p != nil && p.Type == layer.Directory {
			dirs++
		}
	}
	text := "1 directory"
	if dirs != 1 {
		text = fmt.Sprintf("%d directories", dirs)
	}
	switch files := len(changes) - dirs; {
	case dirs == 0:
		return countOf(files, "file")
	case files == 0:
		return text
	default:
		return countOf(files, "file") + " and " + text
	}
}
