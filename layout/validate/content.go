package validate

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
)

// outcome is the result of reading one blob.
type outcome struct {
	findings []Finding
	err      error
}

// contents reads all blobs that were not read yet, several at once, and reports
// in the order of their digests.
func (a *validator) contents(ctx context.Context) {
	if a.stopped {
		return
	}
	var jobs []digest.Digest
	for _, dgst := range slices.Sorted(maps.Keys(a.blobs)) {
		if !a.verified[dgst] || len(a.layers[dgst]) > 0 {
			jobs = append(jobs, dgst)
		}
	}
	// The largest first, so that none is left to a single reader at the end.
	order := make([]int, len(jobs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(a.blobs[jobs[y]], a.blobs[jobs[x]]) })
	results := make([]chan outcome, len(jobs))
	for i := range results {
		results[i] = make(chan outcome, 1)
	}
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	var next atomic.Int64
	for range min(a.opts.Parallelism, len(jobs)) {
		workers.Go(func() {
			buf := make([]byte, 256<<10)
			for i := next.Add(1) - 1; i < int64(len(jobs)); i = next.Add(1) - 1 {
				results[order[i]] <- a.blob(ctx, jobs[order[i]], buf)
			}
		})
	}
	for i := range results {
		o := <-results[i]
		for _, f := range o.findings {
			a.report(f)
		}
		if o.err != nil {
			a.fail(o.err)
		}
		if a.stopped {
			return
		}
	}
}

// blob hashes one blob, and looks into it when it is a layer. It does not
// change the audit, for others run beside it.
func (a *validator) blob(ctx context.Context, dgst digest.Digest, buf []byte) outcome {
	name, ok := a.blobName(dgst)
	if !ok {
		return outcome{err: fmt.Errorf("%q is no digest of a blob", string(dgst))}
	}
	r, _, err := a.open(name)
	if err != nil {
		return outcome{err: err}
	}
	defer r.Close()
	hash := dgst.Algorithm().Hash()
	in := &layer.Meter{R: io.TeeReader(layer.ContextReader(ctx, r), hash)}
	var findings []Finding
	uses := a.layers[dgst]
	if len(uses) > 0 && !a.opts.SkipLayers {
		findings = auditLayer(name, in, a.limits.Layer, uses)
	}
	// What the layer's reader left, and all of any other blob.
	if _, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{in}, buf); err != nil {
		return outcome{err: err}
	}
	if err := in.Err(); err != nil {
		return outcome{err: err}
	}
	if got := digest.NewDigest(dgst.Algorithm(), hash); got != dgst {
		torn := Finding{Rule: RuleBlobDigest, Object: name, Problem: fmt.Sprintf("its content has the digest %s", got)}
		// What else is wrong with it follows from that.
		return outcome{findings: []Finding{torn}}
	}
	return outcome{findings: findings}
}
