package executor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// build brings a step that changes into the layout and remembers it.
func (r *applier) build(ctx context.Context, u planner.Step, change planner.Change, object *spec.Object) error {
	started := time.Now()
	event := Event{Kind: EventStart, Key: u.Key, Action: change.Action, Total: change.After.Content}
	r.report(event)
	if err := r.putAllImplied(ctx, u); err != nil {
		return withAddress(u.Key, err)
	}
	rec, err := r.blob(ctx, u, change, object)
	if err != nil {
		return withAddress(u.Key, err)
	}
	if want := change.After.Digest; want != "" && want != rec.Descriptor.Digest {
		return fmt.Errorf("%s came out as %s although the plan says %s; this is a bug in layform, or its encoder changed without a new encoding version", u.Key, rec.Descriptor.Digest, want)
	}
	if change.Write {
		if err := r.journal.Append(rec); err != nil {
			return err
		}
	}
	staged, was := r.staged(u, object, rec), r.stage.Objects[u.Key]
	staged.Imported = change.Action == planner.Import || was.Imported && was.Descriptor.Digest == rec.Descriptor.Digest
	r.addBuilt(u.Key, builtObject{object: object, staged: staged}, change.Action)
	r.countWritten(rec.Descriptor, rec.Created)
	event.Kind, event.Bytes = EventDone, event.Total
	event.Digest, event.Size = rec.Descriptor.Digest, rec.Descriptor.Size
	event.Elapsed, event.Reused = time.Since(started), !rec.Created
	r.report(event)
	return nil
}

// withAddress puts an object's address before an error that does not name a place.
func withAddress(key string, err error) error {
	var stale *planner.StaleError
	if errors.As(err, &stale) {
		return err
	}
	return fmt.Errorf("%s: %w", key, err)
}

// report sends an event of progress.
func (r *applier) report(e Event) {
	if r.opts.Progress != nil {
		r.opts.Progress(e)
	}
}

// countWritten adds a blob that was put into the layout to the result. Objects with the same
// bytes that are built at once may both have created it.
func (r *applier) countWritten(desc ocispec.Descriptor, created bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if created && !r.written[desc.Digest] {
		r.written[desc.Digest] = true
		r.created = append(r.created, desc.Digest)
		r.result.WrittenBlobs++
		r.result.WrittenBytes += desc.Size
	}
}

// staged is the record of an object in the staging state.
func (r *applier) staged(u planner.Step, object *spec.Object, rec stage.Record) stage.Object {
	o := stage.Object{
		Fingerprint: rec.Fingerprint,
		Descriptor:  rec.Descriptor,
		DiffID:      rec.DiffID,
		Content:     rec.Content,
		Entries:     rec.Entries,
		Fields:      map[string]string{},
		Sensitive:   map[string]string{},
		Needs:       u.Needs,
		Implied:     impliedOf(u),
		Remote:      u.Remote,
		Raw:         r.prior.Evaluated[u.Key].Raw,
		Below:       r.prior.Evaluated[u.Key].Below,
	}
	if l, ok := object.Body.(*spec.Layer); ok {
		o.Encoding, o.ContentSensitive = layer.EncodingOf(l.Compression), l.ContentSensitive()
	}
	for _, f := range object.Fields {
		if f.Sensitive {
			o.Sensitive[f.Path] = r.stage.Seal(string(f.Value))
		} else {
			o.Fields[f.Path] = string(f.Value)
		}
	}
	return o
}

// impliedOf are the implied blobs of a step as the staging state keeps them.
func impliedOf(u planner.Step) []ocispec.Descriptor {
	out := slices.Clone(u.Implied)
	for i := range out {
		out[i].Data = nil
	}
	return out
}

// blob brings the blob of one object into the layout.
func (r *applier) blob(ctx context.Context, u planner.Step, change planner.Change, object *spec.Object) (stage.Record, error) {
	if !change.Write {
		return r.existing(ctx, u, change)
	}
	if l, ok := object.Body.(*spec.Layer); ok {
		return r.layer(ctx, u, change, l, object)
	}
	return r.document(ctx, u, object)
}

// existing is the record of a blob that was in the layout when the plan was made.
func (r *applier) existing(ctx context.Context, u planner.Step, change planner.Change) (stage.Record, error) {
	desc := ocispec.Descriptor{MediaType: change.After.MediaType, Digest: change.After.Digest, Size: change.After.Size}
	there, err := r.store.Exists(ctx, desc)
	if err != nil {
		return stage.Record{}, err
	}
	if !there {
		return stage.Record{}, &planner.StaleError{What: "the blob of " + u.Key}
	}
	return stage.Record{
		Key:         u.Key,
		Fingerprint: change.After.Fingerprint,
		Descriptor:  desc,
		DiffID:      change.After.DiffID,
		Content:     change.After.Content,
		Entries:     change.After.Entries,
	}, nil
}

// document builds a config, manifest or index.
func (r *applier) document(ctx context.Context, u planner.Step, object *spec.Object) (stage.Record, error) {
	dependencies := planner.Dependencies(u, object, r.dependency)
	fingerprint, ok := planner.Fingerprint(object, dependencies, planner.Seconds(r.plan.Spec.Epoch))
	if !ok {
		return stage.Record{}, errors.New("what it is built from is not known; this is a bug in layform")
	}
	data, err := r.graph.Document(u, object, planner.Seconds(r.plan.Spec.Epoch), r.dependency)
	if err != nil {
		return stage.Record{}, err
	}
	if most := r.store.Limits().Manifest; int64(len(data)) > most {
		return stage.Record{}, fmt.Errorf("%s comes out with %d bytes, and readers take at most %d: shorten its values", u.Key, len(data), most)
	}
	desc, created, err := r.putBytes(ctx, u.Key, planner.MediaType(object), data)
	return stage.Record{Key: u.Key, Fingerprint: fingerprint, Descriptor: desc, Created: created}, err
}

// dependency answers planner.Dependencies from what is in the layout.
func (r *applier) dependency(key string) planner.Evaluated {
	m, ok := r.builtObject(key)
	return planner.Evaluated{Object: m.object, Built: m.asBuilt(), Known: ok}
}

// entry is the descriptor of a built manifest or index in index.json.
func (r *applier) entry(m builtObject) ocispec.Descriptor {
	return r.graph.Entry(planner.Evaluated{Object: m.object, Built: m.asBuilt(), Known: true}, r.dependency)
}

// announce makes the blob of an object known to the journal as ours before it is
// put into the layout, even if this run dies, or the power fails, before it can
// say so.
func (r *applier) announce(key string) layout.Announce {
	return func(desc ocispec.Descriptor, file *layout.FileID) (func() error, error) {
		return r.journal.Announce(stage.Record{Key: key, Descriptor: desc}, file)
	}
}

// putBytes puts a small blob into the layout.
func (r *applier) putBytes(ctx context.Context, key, mediaType string, data []byte) (ocispec.Descriptor, bool, error) {
	return r.store.PutBytes(ctx, mediaType, data, r.announce(key))
}
