package planner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// RefreshOptions shape Refresh. The zero value observes everything.
type RefreshOptions struct {
	// Plan are the options that Diff will be given: what they leave out of the
	// plan is not observed.
	Plan Options
	// Parallelism limits how many files are read at once; 0 means the number of
	// processors.
	Parallelism int
	// Epoch is SOURCE_DATE_EPOCH in seconds, nil where it is not set.
	Epoch *int64
	// Digests remembers the digests of files, nil for no memory.
	Digests source.Digester
	// Bases is where the layers of bases are read that are not in the layout; nil where
	// the spec has none.
	Bases Bases
	// Lazy leaves the content of layers unread of which nothing is known yet: they
	// are built in any case, and hashed then. It is for a plan that is applied at
	// once; one that is saved could not tell whether such a layer moved.
	Lazy bool
}

// Prior is what Refresh saw. It is plain data.
type Prior struct {
	// Index is the digest of index.json, empty where there is none, and Entries
	// what it lists.
	Index   digest.Digest
	Entries []ocispec.Descriptor
	// Stage is the spec's staging state and StageDigest that of its file, empty
	// where there is none.
	Stage       *stage.Stage
	StageDigest digest.Digest
	// TakenOver is the Dir of the staging state when it is that of another place.
	TakenOver string
	// NoLayoutFile is set when the directory holds what the spec put there, but the
	// file oci-layout is gone.
	NoLayoutFile bool
	// Journalled is what an interrupted apply had built, and Interrupted is set
	// when there was one.
	Journalled  []stage.Record
	Interrupted bool
	// Owners maps ref names to the other specs that own them.
	Owners map[string]string
	// Shared maps the digests of entries without a ref name to other specs that own
	// them, too.
	Shared map[digest.Digest]string
	// Evaluated are the steps of the spec, by key, as far as they are known now, and
	// Outputs its outputs; none with Options.Destroy.
	Evaluated map[string]Evaluated
	Outputs   []spec.Output
	// Inputs are the files that functions have read.
	Inputs []spec.Input
	// Observed is what stands behind the layers of the spec. A tree with which
	// nothing is to be done may come Unchanged, without its entries.
	Observed map[spec.Address]*source.Observed
	// Unplaced are the layers above a base whose layers are not there to be read: what
	// these layers take over from it is known once they are. See PlaceLayers.
	Unplaced map[spec.Address]bool
	// Warnings are what the user should know of the sources: each with its place.
	Warnings []string
	// Stored are the objects of the spec that are blobs of the layout, as they are.
	Stored map[spec.Address]spec.Built
	// Blobs is the state of the blobs that the staging state knows.
	Blobs map[digest.Digest]layout.BlobState
	// Contents are the files of earlier layers, by blob, as far as they are
	// needed to say what changes.
	Contents map[digest.Digest]*layer.TOC
	// InUse are the blobs that stay when the spec goes: what index.json reaches
	// from entries that are not the spec's, and what other specs own.
	InUse map[digest.Digest]bool
	// Unclear is set when a document that index.json reaches is lost or damaged: the
	// blobs that it needs are not known, so that none may be swept.
	Unclear bool
	// Owned are the blobs in the layout that the spec put there, with their sizes,
	// those of an interrupted apply included.
	Owned map[digest.Digest]int64
	// Reached are the blobs that the spec's entries of index.json reach, by the digest
	// of the entry, where these are more than those of its objects.
	Reached map[digest.Digest][]digest.Digest
	// Archive is what was seen of the layout's archive.
	Archive ObservedArchive
	// Epoch is SOURCE_DATE_EPOCH.
	Epoch *int64
}

// Refresh observes the layout, the staging state and the sources of a spec, and
// finds out in build order what of it is known. It writes nothing. What the user can
// mend in the spec or its sources is reported as hcl.Diagnostics, all at once.
func Refresh(ctx context.Context, g *Graph, store *layout.Store, opts RefreshOptions) (*Prior, error) {
	if opts.Parallelism <= 0 {
		opts.Parallelism = runtime.GOMAXPROCS(0)
	}
	p := &Prior{
		Epoch:     opts.Epoch,
		Owners:    map[string]string{},
		Shared:    map[digest.Digest]string{},
		Evaluated: map[string]Evaluated{},
		Inputs:    g.spec.Inputs(),
		Observed:  map[spec.Address]*source.Observed{},
		Blobs:     map[digest.Digest]layout.BlobState{},
		Stored:    map[spec.Address]spec.Built{},
		Contents:  map[digest.Digest]*layer.TOC{},
		Unplaced:  map[spec.Address]bool{},
		InUse:     map[digest.Digest]bool{},
		Owned:     map[digest.Digest]int64{},
		Reached:   map[digest.Digest][]digest.Digest{},
	}
	if err := p.readLayout(ctx, g.Spec.Name, opts.Plan.TakeOverSpec, store); err != nil {
		return nil, err
	}
	if err := p.Stage.CheckPlace(store, g.spec.Dir, g.spec.File); err != nil {
		var other *stage.PlaceError
		if !opts.Plan.TakeOver && opts.Plan.TakeOverSpec == "" || !errors.As(err, &other) {
			return nil, err
		}
		p.TakenOver = p.Stage.Dir
	}
	if err := p.readInUse(ctx, store); err != nil {
		return nil, err
	}
	if err := p.readArchive(ctx, g, store, opts.Digests); err != nil {
		return nil, err
	}
	if opts.Plan.Destroy {
		return p, p.readOwned(ctx, store, opts.Plan)
	}
	if err := g.checkBases(); err != nil {
		return nil, err
	}
	unvouched := p.unvouched(store)
	if err := p.checkBlobs(ctx, store, g, opts.Parallelism); err != nil {
		return nil, err
	}
	if err := p.readOwned(ctx, store, opts.Plan); err != nil {
		return nil, err
	}
	if err := p.checkStaged(ctx, store, unvouched); err != nil {
		return nil, err
	}
	if err := p.evaluate(ctx, g, store, opts); err != nil {
		return nil, err
	}
	if err := p.readContents(ctx, g, store); err != nil {
		return nil, err
	}
	return p, nil
}

// readLayout reads index.json and the staging states: that of the spec name, which it
// may take over from another one.
func (p *Prior) readLayout(ctx context.Context, name, from string, store *layout.Store) error {
	index, err := store.Index(ctx)
	if err != nil {
		return err
	}
	p.Index = index.Digest()
	p.Entries = index.Descriptors()
	claim, err := stage.Claimed(ctx, store, name, from)
	if err != nil {
		return err
	}
	p.Stage, p.StageDigest, p.Journalled, p.Interrupted = claim.Stage, claim.Digest, claim.Records, claim.Interrupted
	p.NoLayoutFile = len(p.Stage.Objects) > 0 && !store.Initialised()
	others, err := stage.All(ctx, store, name, from, p.Stage.From)
	if err != nil {
		return err
	}
	for _, other := range others {
		for ref := range other.Tags {
			p.Owners[ref] = other.Spec
		}
		for _, entry := range other.Untagged {
			p.Shared[entry.Digest] = other.Spec
		}
		for _, o := range other.Objects {
			for _, desc := range stagedBlobs(o) {
				p.InUse[desc.Digest] = true
			}
		}
		for _, blob := range other.Blobs {
			p.InUse[blob] = true
		}
	}
	return nil
}

// checkBlobs finds out what became of the blobs that the staging state knows, of those
// that the spec implies, and of those that objects of the spec are.
func (p *Prior) checkBlobs(ctx context.Context, store *layout.Store, g *Graph, parallelism int) error {
	known := map[digest.Digest]ocispec.Descriptor{}
	for _, s := range g.Steps {
		for _, desc := range s.Implied {
			known[desc.Digest] = desc
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.Stage.Objects)) {
		o := p.Stage.Objects[key]
		known[o.Descriptor.Digest] = o.Descriptor
	}
	for _, r := range p.Journalled {
		known[r.Descriptor.Digest] = r.Descriptor
	}
	group, each := errgroup.WithContext(ctx)
	group.SetLimit(parallelism)
	var mu sync.Mutex
	for _, d := range known {
		group.Go(func() error {
			state, err := store.Check(each, d)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			p.Blobs[d.Digest] = state
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return p.readStored(ctx, g, store, parallelism)
}

// Seconds is an epoch with its default, the beginning of 1970.
func Seconds(epoch *int64) int64 {
	if epoch == nil {
		return 0
	}
	return *epoch
}

// readContents reads the tables of contents of the layers that look changed.
func (p *Prior) readContents(ctx context.Context, g *Graph, store *layout.Store) error {
	for _, s := range g.Steps {
		was, staged := p.Stage.Objects[s.Key]
		if p.Observed[s.Address] == nil || !staged || p.Blobs[was.Descriptor.Digest] != layout.Intact || p.Evaluated[s.Key].Fingerprint == was.Fingerprint {
			continue
		}
		toc, err := contentsOf(ctx, store, was.Descriptor)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Key, err)
		}
		if toc != nil {
			p.Contents[was.Descriptor.Digest] = toc
		}
	}
	return nil
}

// contentsOf is the table of contents of an earlier layer; nil for one that no
// table was kept of and that cannot be read as a layer.
func contentsOf(ctx context.Context, store *layout.Store, d ocispec.Descriptor) (*layer.TOC, error) {
	var breach *layer.Breach
	if imagespec.IsLayer(d.MediaType) {
		toc, err := stage.Contents(ctx, store, d)
		if errors.As(err, &breach) {
			return nil, nil
		}
		return toc, err
	}
	toc, err := stage.LoadTOC(ctx, store, d.Digest)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, stage.ErrCorrupt) {
		return nil, nil
	}
	return toc, err
}
