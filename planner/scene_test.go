package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/addr"
)

// scene is a graph and what Refresh saw, made by hand. A new one is at rest: the
// layout holds an image of two layers in the index latest, an artifact without a
// tag, and an output, as the last apply left them.
type scene struct {
	graph *Graph
	prior *Prior
	opts  Options
}

func newScene() *scene {
	s := &scene{
		graph: &Graph{Spec: Record{Name: "default"}, LayoutPath: "out", Indexed: map[spec.Address]bool{at("manifest.a"): true}},
		prior: &Prior{
			Index: "sha256:index", StageDigest: "sha256:stage",
			Stage:  &stage.Stage{Spec: "default", Objects: map[string]stage.Object{}, Tags: map[string]ocispec.Descriptor{}, Outputs: map[string]stage.Output{"o": {Value: `"was"`}}},
			Owners: map[string]string{}, Shared: map[digest.Digest]string{}, Evaluated: map[string]Evaluated{},
			Observed: map[spec.Address]*source.Observed{}, Blobs: map[digest.Digest]layout.BlobState{}, Contents: map[digest.Digest]*layer.TOC{}, InUse: map[digest.Digest]bool{},
			Reached: map[digest.Digest][]digest.Digest{},
			Outputs: []spec.Output{{Name: "o", Value: `"was"`}},
		},
	}
	for _, name := range []string{"layer.a", "layer.b"} {
		s.add(name, &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpFile, To: "f"}}}, nil)
	}
	s.add("config.a", &spec.Config{Image: &spec.Image{}}, []string{"layer.a", "layer.b"}, spec.Field{Path: `labels["x"]`, Value: `"1"`})
	s.add("manifest.a", &spec.Manifest{}, []string{"config.a", "layer.a", "layer.b"})
	s.add("index.a", &spec.Index{Entry: spec.Entry{Tags: []string{"latest"}}}, []string{"manifest.a"}, spec.Field{Path: "tags[0]", Value: `"latest"`})
	s.add("manifest.u", &spec.Manifest{}, []string{"layer.b"})
	s.step("manifest.u").Implied = []ocispec.Descriptor{ocispec.DescriptorEmptyJSON}
	s.prior.Blobs[ocispec.DescriptorEmptyJSON.Digest] = layout.Intact
	s.staged("manifest.u", func(o *stage.Object) { o.Implied = []ocispec.Descriptor{ocispec.DescriptorEmptyJSON} })
	s.prior.Stage.Blobs = append(s.prior.Stage.Blobs, ocispec.DescriptorEmptyJSON.Digest)
	s.entry("latest", "index.a")
	s.entry("", "manifest.u")
	for _, key := range []string{"index.a", "manifest.a", "config.a", "layer.a", "layer.b"} {
		s.reach("index.a", blob(key, ""))
	}
	s.reach("manifest.u", blob("manifest.u", ""), blob("layer.b", ""), ocispec.DescriptorEmptyJSON)
	return s
}

func at(text string) spec.Address {
	a, err := addr.Parse(text)
	if err != nil {
		panic(err)
	}
	return a
}

// blob is the descriptor of what was built for a key from content.
func blob(key, content string) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: "application/x", Digest: digest.FromString(key + content), Size: 10}
}

// add adds a step that was built and is intact.
func (s *scene) add(key string, body spec.Body, needs []string, fields ...spec.Field) {
	id, err := addr.ParseID(key)
	if err != nil {
		panic(err)
	}
	s.graph.Steps = append(s.graph.Steps, Step{ID: id, Key: key, Needs: needs})
	object := &spec.Object{Address: id.Address, Body: body, Fields: fields, Range: hcl.Range{Filename: "layform.hcl", Start: hcl.Pos{Line: 7}}}
	desc, fingerprint := blob(key, ""), digest.FromString("fingerprint "+key)
	s.prior.Evaluated[key] = Evaluated{Object: object, Fingerprint: fingerprint, Built: spec.Built{Descriptor: desc}, Known: true}
	o := stage.Object{Descriptor: desc, Fingerprint: fingerprint, Needs: needs, Fields: map[string]string{}}
	for _, f := range fields {
		o.Fields[f.Path] = string(f.Value)
	}
	if id.Address.Kind == spec.KindLayer {
		entry := layer.Entry{Path: "f", Type: layer.Regular, Mode: 0o644, Size: 1, Digest: digest.FromString("f")}
		o.Content, o.Entries, o.Encoding = 2048, 1, layer.Encoding+" gzip-6"
		s.prior.Observed[id.Address] = &source.Observed{Tree: &source.Tree{Unchanged: true, Sum: "sha256:sum"}}
		s.prior.Contents[desc.Digest] = &layer.TOC{Entries: []layer.Entry{entry}}
	}
	s.prior.Stage.Objects[key] = o
	s.prior.Stage.Blobs = append(s.prior.Stage.Blobs, desc.Digest)
	s.prior.Blobs[desc.Digest] = layout.Intact
}

func (s *scene) step(key string) *Step {
	return &s.graph.Steps[slices.IndexFunc(s.graph.Steps, func(s Step) bool { return s.Key == key })]
}

func (s *scene) staged(key string, edit func(*stage.Object)) {
	o := s.prior.Stage.Objects[key]
	edit(&o)
	s.prior.Stage.Objects[key] = o
}

func (s *scene) evaluated(key string, edit func(*Evaluated)) {
	e := s.prior.Evaluated[key]
	edit(&e)
	s.prior.Evaluated[key] = e
}

// twin puts an entry of the name of the first one into index.json that says something else.
func (s *scene) twin() {
	twin := s.prior.Entries[0]
	twin.Size++
	s.prior.Entries = append(s.prior.Entries, twin)
}

// entry gives index.json an entry of the spec for an object.
func (s *scene) entry(ref, key string) {
	desc := blob(key, "")
	if ref == "" {
		s.prior.Stage.Untagged = append(s.prior.Stage.Untagged, desc)
	} else {
		desc.Annotations = map[string]string{ocispec.AnnotationRefName: ref}
		s.prior.Stage.Tags[ref] = desc
	}
	s.prior.Entries = append(s.prior.Entries, desc)
}

// foreign puts an entry of somebody else in the place of that with the ref name.
func (s *scene) foreign(ref, content string) {
	s.prior.Entries = slices.DeleteFunc(s.prior.Entries, func(d ocispec.Descriptor) bool { return layout.RefName(d) == ref })
	desc := blob("foreign", content)
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: ref}
	s.prior.Entries = append(s.prior.Entries, desc)
}

// unknown makes a step known after apply, and all that is built from it. A layer
// gets another file.
func (s *scene) unknown(key string) {
	s.evaluated(key, func(e *Evaluated) { e.Built, e.Known, e.Fingerprint = spec.Built{}, false, "" })
	if l, ok := s.prior.Evaluated[key].Object.Body.(*spec.Layer); ok && len(l.Tree) > 0 {
		s.evaluated(key, func(e *Evaluated) { e.Fingerprint = digest.FromString("changed " + key) })
		s.prior.Observed[s.step(key).Address] = &source.Observed{Tree: &source.Tree{Entries: []source.Entry{
			{Entry: layer.Entry{Path: "f", Type: layer.Regular, Mode: 0o644, Size: 5, Digest: digest.FromString("other")}},
		}}}
	}
	for _, step := range s.graph.Steps {
		if slices.Contains(step.Needs, key) {
			s.unknown(step.Key)
		}
	}
}

// fields sets the values of an object, given as path, value, path, value, …
func (s *scene) fields(key string, pairs ...string) {
	s.evaluated(key, func(e *Evaluated) { e.Object.Fields = object(spec.KindLayer, pairs...).Fields })
}

// remove takes an object out of the spec.
func (s *scene) remove(keys ...string) {
	for _, key := range keys {
		s.graph.Steps = slices.DeleteFunc(s.graph.Steps, func(s Step) bool { return s.Key == key })
		delete(s.prior.Evaluated, key)
	}
}

// reach makes the entry of an object reach blobs.
func (s *scene) reach(key string, blobs ...ocispec.Descriptor) {
	for _, desc := range blobs {
		s.prior.Reached[blob(key, "").Digest] = append(s.prior.Reached[blob(key, "").Digest], desc.Digest)
	}
}

// own finds what the spec owns, as Refresh does.
func (s *scene) own() {
	s.prior.Owned = map[digest.Digest]int64{}
	for _, dgst := range s.prior.Stage.Blobs {
		if s.prior.Blobs[dgst] != layout.Missing {
			s.prior.Owned[dgst] = 10
		}
	}
}

// destroy makes the plan one that removes everything, for which Refresh evaluates
// nothing.
func (s *scene) destroy() {
	s.opts.Destroy = true
	clear(s.prior.Evaluated)
	clear(s.prior.Observed)
	s.prior.Outputs = nil
}

// forget takes an object out of the layout.
func (s *scene) forget(keys ...string) {
	for _, key := range keys {
		o := s.prior.Stage.Objects[key]
		s.prior.Stage.Blobs = slices.DeleteFunc(s.prior.Stage.Blobs, func(d digest.Digest) bool { return d == o.Descriptor.Digest })
		delete(s.prior.Stage.Objects, key)
		s.prior.Blobs[o.Descriptor.Digest] = layout.Missing
	}
}

// empty takes everything out of the layout.
func (s *scene) empty() {
	for _, step := range s.graph.Steps {
		s.forget(step.Key)
		s.unknown(step.Key)
	}
	s.prior.Stage = &stage.Stage{Spec: "default", Objects: map[string]stage.Object{}}
	s.prior.Index, s.prior.StageDigest, s.prior.Entries = "", "", nil
	s.prior.Blobs[ocispec.DescriptorEmptyJSON.Digest] = layout.Missing
}

// lines says what a plan does, without what stays as it is.
func lines(p *Plan) string {
	var out []string
	add := func(format string, args ...any) { out = append(out, strings.TrimSpace(fmt.Sprintf(format, args...))) }
	for _, c := range p.Changes {
		if c.Action == NoOp {
			continue
		}
		var why []string
		for _, r := range c.Reasons {
			why = append(why, strings.TrimSuffix(string(r.Kind)+" "+r.Cause, " "))
		}
		for _, f := range c.Files {
			why = append(why, string(f.Action)+" "+string(f.Path))
		}
		text := fmt.Sprintf("%s %s (%s)", c.Action, c.Key(), strings.Join(why, ", "))
		if c.Write {
			text += " written"
		}
		if len(c.Implied) > 0 {
			text += " with the empty blob"
		}
		add("%s", text)
	}
	for _, t := range p.Tags {
		if t.Action != NoOp {
			ref := strconv.Quote(t.Ref)
			if t.Unknown {
				ref = "?"
			}
			add("entry %s %s %s%s", t.Action, ref, t.Address, map[bool]string{true: " adopted"}[t.Adopted])
		}
	}
	for _, d := range p.Drift {
		add("drift %s %s", d.Kind, strings.TrimSpace(d.Key+" "+d.Ref))
	}
	for _, o := range p.Outputs {
		if o.Action != NoOp {
			add("output %s %s", o.Action, o.Name)
		}
	}
	s := p.Summary
	s.Entries = Counts{} // they are listed
	if s != (Summary{}) {
		add("+%d ~%d -%d, writes %d, deletes %d", s.Add, s.Change, s.Destroy, s.WriteBlobs, s.DeleteBlobs)
	}
	if p.Recover {
		add("finishes earlier work")
	}
	if p.LeftOut > 0 {
		add("%d left out", p.LeftOut)
	}
	if p.Empty() {
		add("empty")
	}
	return strings.Join(out, "\n")
}
