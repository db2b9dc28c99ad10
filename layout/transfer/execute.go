package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/remote"
)

// Execute carries out a Plan that Diff made for src and dst. After an error, which
// may be that of the context, tags are what they were, unless it came while they
// were being written; what was brought stays, and the next Diff finds it.
func Execute(ctx context.Context, src Source, dst Destination, p *Plan, opts ExecuteOptions) (*Result, error) {
	if opts.Parallelism <= 0 {
		opts.Parallelism = parallelism
	}
	e := &execution{src: src, dst: dst, opts: opts, steps: map[stepKey]*Step{}}
	e.summary.Referrers = len(p.Referrers)
	for i := range p.Steps {
		step := &p.Steps[i]
		e.steps[stepKey{step.Descriptor.Digest, step.Manifest}] = step
	}
	err := e.phases(ctx, p.Steps)
	// The next Diff finds what has come, also when the rest did not.
	if flushed := dst.Flush(context.WithoutCancel(ctx)); flushed != nil {
		err = errors.Join(err, flushed)
	}
	if err != nil {
		return nil, err
	}
	c, err := e.commit(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := dst.Commit(ctx, c); err != nil {
		return nil, err
	}
	return &Result{Roots: p.Roots, Summary: e.summary}, nil
}

// execution is one run of Execute.
type execution struct {
	src   Source
	dst   Destination
	opts  ExecuteOptions
	steps map[stepKey]*Step

	mu      sync.Mutex
	summary Summary
	skipped map[digest.Digest]bool
}

// phases brings the content of all phases, one after the other.
func (e *execution) phases(ctx context.Context, steps []Step) error {
	for from := 0; from < len(steps); {
		to := from
		for to < len(steps) && steps[to].Phase == steps[from].Phase {
			to++
		}
		if err := e.phase(ctx, steps[from:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// phase brings the content of one phase.
func (e *execution) phase(ctx context.Context, steps []Step) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(e.opts.Parallelism)
	for _, step := range steps {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			action, err := e.step(ctx, step)
			if err != nil {
				return err
			}
			e.done(step.Descriptor, action)
			return nil
		})
	}
	return group.Wait()
}

func (e *execution) done(desc ocispec.Descriptor, action Action) {
	e.mu.Lock()
	e.summary.add(desc, action)
	e.mu.Unlock()
	e.event(Event{Kind: EventDone, Descriptor: desc, Action: action, Bytes: desc.Size})
}

func (e *execution) event(event Event) {
	if e.opts.Event != nil {
		e.opts.Event(event)
	}
}

// step brings one blob or manifest.
func (e *execution) step(ctx context.Context, step Step) (Action, error) {
	switch {
	case step.Action == There:
		return There, nil
	case step.Manifest:
		return Upload, e.manifest(ctx, step)
	}
	return e.blob(ctx, step)
}

// blob brings a blob. Wrong bytes of the source are fetched once more: proxies and
// caches give them now and then.
func (e *execution) blob(ctx context.Context, step Step) (Action, error) {
	desc := step.Descriptor
	for try := 1; ; try++ {
		mounted, err := e.dst.PutBlob(ctx, desc, e.opener(ctx, desc), step.From)
		var wrong *remote.ContentError
		switch {
		case err == nil && mounted:
			return Mount, nil
		case err == nil:
			return Upload, nil
		case errors.As(err, &wrong) && try == 1 && ctx.Err() == nil:
			continue
		case errors.Is(err, errdef.ErrNotFound) && imagespec.IsNondistributable(desc.MediaType) && len(desc.URLs) > 0:
			return Skipped, e.skip(desc)
		}
		return "", err
	}
}

func (e *execution) skip(desc ocispec.Descriptor) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.skipped == nil {
		e.skipped = map[digest.Digest]bool{}
	}
	e.skipped[desc.Digest] = true
	return nil
}

// opener opens a blob at the source, with reports of progress.
func (e *execution) opener(ctx context.Context, desc ocispec.Descriptor) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		rc, err := e.src.Fetch(ctx, desc)
		if err != nil {
			return nil, err
		}
		return &counted{ReadCloser: rc, event: func(n int64) {
			e.event(Event{Kind: EventProgress, Descriptor: desc, Bytes: n})
		}}, nil
	}
}

// counted counts what is read.
type counted struct {
	io.ReadCloser
	n     int64
	event func(int64)
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 {
		c.n += int64(n)
		c.event(c.n)
	}
	return n, err
}

// manifest brings a manifest. What the destination lacks of its content, though it
// seemed to have it, is brought first.
func (e *execution) manifest(ctx context.Context, step Step) error {
	data, err := e.content(ctx, step)
	if err != nil {
		return err
	}
	err = e.dst.PutManifest(ctx, step.Descriptor, data)
	for healed := map[digest.Digest]bool{}; ; {
		var missing *MissingError
		if !errors.As(err, &missing) {
			return err
		}
		progress := false
		for _, dgst := range missing.Missing {
			if healed[dgst] {
				continue
			}
			healed[dgst] = true
			ok, herr := e.heal(ctx, dgst)
			if herr != nil {
				return herr
			}
			progress = progress || ok
		}
		if !progress {
			return err
		}
		err = e.dst.PutManifest(ctx, step.Descriptor, data)
	}
}

// heal brings content that was taken for there. It reports false for content that
// is not of this plan.
func (e *execution) heal(ctx context.Context, dgst digest.Digest) (bool, error) {
	found := false
	for _, manifest := range []bool{false, true} {
		step, ok := e.steps[stepKey{dgst, manifest}]
		if !ok {
			continue
		}
		again := *step
		again.Action = Upload
		if _, err := e.step(ctx, again); err != nil {
			return false, err
		}
		found = true
	}
	return found, nil
}

// content are the bytes of a manifest.
func (e *execution) content(ctx context.Context, step Step) ([]byte, error) {
	if step.Content != nil {
		return step.Content, nil
	}
	return readManifest(ctx, e.src, step.Descriptor)
}

// readManifest reads a manifest, whole and verified.
func readManifest(ctx context.Context, src Fetcher, desc ocispec.Descriptor) ([]byte, error) {
	if err := imagespec.CheckDigest(desc.Digest); err != nil {
		return nil, fmt.Errorf("the digest %q: %w", desc.Digest, err)
	}
	if desc.Size < 0 || desc.Size > imagespec.MaxDocument {
		return nil, fmt.Errorf("manifest %s has %d bytes by its descriptor; the limit is %d", desc.Digest, desc.Size, imagespec.MaxDocument)
	}
	rc, err := src.Fetch(ctx, desc)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(io.LimitReader(rc, desc.Size+1))
	if err := errors.Join(err, rc.Close()); err != nil {
		return nil, err
	}
	if int64(b.Len()) != desc.Size || desc.Digest.Algorithm().FromBytes(b.Bytes()) != desc.Digest {
		return nil, fmt.Errorf("manifest %s: its content is not what its descriptor says", desc.Digest)
	}
	return b.Bytes(), nil
}

// commit is the argument of the destination's Commit.
func (e *execution) commit(ctx context.Context, p *Plan) (Commit, error) {
	c := Commit{Roots: p.Roots, Referrers: p.Referrers, Manifests: map[digest.Digest][]byte{}}
	for _, root := range p.Roots {
		step, ok := e.steps[stepKey{root.Descriptor.Digest, true}]
		if !ok {
			return c, fmt.Errorf("the plan has no step for its root %s", root.Descriptor.Digest)
		}
		data, err := e.content(ctx, *step)
		if err != nil {
			return c, err
		}
		c.Manifests[root.Descriptor.Digest] = data
	}
	for _, step := range p.Steps {
		if !e.skipped[step.Descriptor.Digest] {
			c.Content = append(c.Content, step.Descriptor)
		}
	}
	return c, nil
}
