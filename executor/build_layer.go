package executor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/hashicorp/hcl/v2"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor/encode"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// layer builds a layer.
func (r *applier) layer(ctx context.Context, u planner.Step, change planner.Change, l *spec.Layer, object *spec.Object) (stage.Record, error) {
	seen := r.prior.Observed[u.Address]
	if seen == nil || seen.Tree != nil && seen.Tree.Unchanged {
		var err error
		if seen, err = r.observe(ctx, l, object); err != nil {
			return stage.Record{}, err
		}
	}
	ingest, err := r.store.Ingest(ctx)
	if err != nil {
		return stage.Record{}, err
	}
	defer ingest.Abort()
	compression := l.Compression
	if seen.File != nil {
		compression, _ = seen.File.Output(l)
	}
	reuse, release, err := r.reuse(ctx, u.Key, compression)
	if err != nil {
		return stage.Record{}, err
	}
	defer release()
	var done int64
	result, err := r.write(ctx, ingest, seen, l, encode.Options{
		Compression: compression,
		Parallelism: r.layerParallelism(),
		Reuse:       reuse,
		Digests:     r.opts.Digests,
		Progress: func(n int64) {
			done += n
			r.report(Event{Kind: EventProgress, Key: u.Key, Action: change.Action, Bytes: done, Total: change.After.Content})
		},
	})
	var moved *source.ChangedError
	var archive *encode.ArchiveError
	switch {
	case errors.As(err, &moved):
		return stage.Record{}, &ChangedError{Err: moved, Saved: r.opts.Planned == nil}
	case errors.As(err, &archive):
		return stage.Record{}, archiveDiagnostics(object, archive)
	case err != nil:
		return stage.Record{}, err
	}
	if want := change.After.Fingerprint; want != "" && want != result.Fingerprint {
		return stage.Record{}, &ChangedError{Err: errors.New("what it is made of changed during this apply"), Saved: r.opts.Planned == nil}
	}
	return r.commitLayer(ctx, u, l, seen, ingest, result)
}

// ChangedError says that a source moved during an apply that had found it as the
// plan says. Nothing in the layout refers to what was built.
type ChangedError struct {
	// Err names what moved; it is a *source.ChangedError where that is a file.
	Err error
	// Saved is set when the plan was made by an earlier run: it does not hold any more.
	Saved bool
}

// Error names the source that changed, and the remedy.
func (e *ChangedError) Error() string {
	if e.Saved {
		return e.Err.Error() + "; make a new plan once nothing writes there, and apply that"
	}
	return e.Err.Error() + "; run apply again once nothing writes there"
}

// Unwrap returns Err.
func (e *ChangedError) Unwrap() error { return e.Err }

// archiveDiagnostics is the diagnostic of a faulty archive, with its place in the spec: the same
// as where the fault is found before the build.
func archiveDiagnostics(object *spec.Object, err *encode.ArchiveError) hcl.Diagnostics {
	problem := err.Err.Error()
	var b *layer.Breach
	if errors.As(err, &b) {
		problem = source.ArchiveProblem(b)
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Unusable archive",
		Detail:   fmt.Sprintf("The archive %q cannot be used: %s.", err.Path, problem),
		Subject:  object.Range.Ptr(),
	}}
}

// layerParallelism is the part of the parallelism that one layer gets: layers that are
// built at once divide it, for each needs memory for its own.
func (r *applier) layerParallelism() int {
	layers := 0
	for _, c := range r.plan.Changes {
		if c.Kind == spec.KindLayer && c.Write {
			layers++
		}
	}
	return max(1, r.opts.Parallelism/max(1, min(layers, r.opts.Parallelism)))
}

// write turns what was observed into the bytes of a layer.
func (r *applier) write(ctx context.Context, ingest *layout.Ingest, seen *source.Observed, l *spec.Layer, opts encode.Options) (encode.Result, error) {
	if seen.Tree != nil {
		return encode.Write(ctx, ingest, r.root, seen.Tree.Fill(l), opts)
	}
	return encode.Import(ctx, ingest, r.root, seen.File, l, opts)
}

// commitLayer moves a written layer into the layout, with its table of contents.
func (r *applier) commitLayer(ctx context.Context, u planner.Step, l *spec.Layer, seen *source.Observed, ingest *layout.Ingest, result encode.Result) (stage.Record, error) {
	dgst, size, created, err := ingest.CommitAfter(ctx, r.announce(u.Key))
	if err != nil {
		return stage.Record{}, err
	}
	if result.TOC != nil {
		result.TOC.Blob, result.TOC.Size = dgst, size
		if err := r.saveTOC(ctx, result, created); err != nil {
			return stage.Record{}, err
		}
	}
	r.mu.Lock()
	w := &r.result.Layers
	w.Built++
	w.ReadFiles += result.Stats.Files
	w.ReadBytes += result.Stats.Read
	w.HashedBytes += result.Stats.Hashed
	w.TarBytes += result.Stats.Tar
	w.CompressedBytes += result.Stats.Compressed
	w.ReusedBytes += result.Stats.Reused
	w.CompressedChunks += result.Stats.Chunks - result.Stats.ReusedChunks
	w.ReusedChunks += result.Stats.ReusedChunks
	r.mu.Unlock()
	rec := stage.Record{
		Key:         u.Key,
		Fingerprint: result.Fingerprint,
		Descriptor:  ocispec.Descriptor{MediaType: planner.LayerType(l, seen), Digest: dgst, Size: size},
		DiffID:      result.DiffID,
		Created:     created,
	}
	if seen.Tree != nil {
		rec.Content, rec.Entries = result.Stats.Tar, len(seen.Tree.Entries)
	} else {
		rec.Content = seen.File.Size
	}
	return rec, nil
}

// saveTOC stores a layer's table of contents, unless a sound one of a blob that existed
// already is stored.
func (r *applier) saveTOC(ctx context.Context, result encode.Result, created bool) error {
	if !created {
		if _, err := stage.LoadTOC(ctx, r.store, result.TOC.Blob); err == nil {
			return nil
		}
	}
	return stage.SaveTOC(ctx, r.store, result.TOC, result.Entries)
}

// reuse opens the layer's earlier blob for its chunks. A layer that is new may
// be one with another name: it is offered the blobs of the layers that go with
// this apply. Anything that is wrong with a blob or its table of contents only
// costs the shortcut.
func (r *applier) reuse(ctx context.Context, key string, c imagespec.Compression) ([]encode.Reuse, func(), error) {
	keys := []string{key}
	if _, ok := r.stage.Objects[key]; !ok {
		keys = nil
		for _, gone := range r.plan.Changes {
			if gone.Action == planner.Delete && gone.Kind == spec.KindLayer && len(keys) < maxEarlier {
				keys = append(keys, gone.Key())
			}
		}
	}
	var all []encode.Reuse
	var opened []io.Closer
	release := func() {
		for _, blob := range opened {
			_ = blob.Close()
		}
	}
	for _, key := range keys {
		was, ok := r.stage.Objects[key]
		if !ok || was.Encoding != layer.EncodingOf(c) {
			continue
		}
		blob, err := r.store.ReaderAt(ctx, was.Descriptor.Digest)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, layout.ErrNotPlain) {
			continue
		}
		if err == nil {
			opened = append(opened, blob)
			var toc *layer.TOC
			if toc, err = r.earlierTOC(ctx, was, io.NewSectionReader(blob, 0, blob.Size()), c); toc != nil {
				all = append(all, encode.Reuse{TOC: toc, Blob: blob})
			}
		}
		if err != nil {
			release()
			return nil, nil, err
		}
	}
	return all, release, nil
}

// maxEarlier bounds the earlier blobs whose tables of contents are in memory for
// one layer.
const maxEarlier = 4

// earlierTOC is the table of contents of an earlier blob; nil where there is none
// of use.
func (r *applier) earlierTOC(ctx context.Context, was stage.Object, blob io.ReadSeeker, c imagespec.Compression) (*layer.TOC, error) {
	if toc := r.prior.Contents[was.Descriptor.Digest]; toc != nil && toc.Encoding == was.Encoding {
		return toc, nil
	}
	toc, err := stage.LoadTOC(ctx, r.store, was.Descriptor.Digest)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, stage.ErrCorrupt) {
		return toc, err
	}
	if toc, err = encode.Recover(ctx, blob, was.Descriptor.MediaType, c); err != nil && ctx.Err() == nil {
		return nil, nil
	}
	return toc, err
}
