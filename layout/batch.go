package layout

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
)

// The bounds of a Batch: what a power cut, or a kill, costs at most of small blobs that
// have come already.
const (
	batchBlobs = 64
	batchBytes = 8 << 20
)

// Batch is a set of blobs of a Store that become durable together, which costs a
// fraction of what each costs alone. None of them has its name before it is durable: as
// by PutBlob, a blob that shows is whole. It is safe for use by several goroutines.
type Batch struct {
	s *Store

	mu sync.Mutex
	// ready are complete, and have no names yet.
	ready []*Ingest
	bytes int64
}

// Batch returns an empty Batch. The caller ends it with Flush.
func (s *Store) Batch() *Batch { return &Batch{s: s} }

// Put adds the blob of desc, which fill writes. Content of another size or digest is an
// error, and nothing remains of it. The blob shows once it is durable: after the next
// Flush at the latest, and before that when 64 blobs, or 8 MiB of them, wait. One that
// is there by then and intact is kept.
func (b *Batch) Put(ctx context.Context, desc ocispec.Descriptor, fill func(*Ingest) error) error {
	in, err := b.s.fill(ctx, desc, fill)
	if err != nil {
		return err
	}
	if err := in.t.Complete(blobMode); err != nil {
		return in.failed(errors.Join(err, in.Abort()))
	}
	in.t.StartWriteback()
	return b.name(context.WithoutCancel(ctx), b.add(in))
}

// add adds an ingest, and returns all of them when that fills the batch.
func (b *Batch) add(in *Ingest) []*Ingest {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready, b.bytes = append(b.ready, in), b.bytes+in.size
	if len(b.ready) < batchBlobs && b.bytes < batchBytes {
		return nil
	}
	return b.take()
}

func (b *Batch) take() []*Ingest {
	taken := b.ready
	b.ready, b.bytes = nil, 0
	return taken
}

// Flush makes all blobs durable that were put, and gives them their names. Of those
// that it returns an error for, nothing remains. SyncBlobs makes the names durable.
func (b *Batch) Flush(ctx context.Context) error {
	b.mu.Lock()
	taken := b.take()
	b.mu.Unlock()
	return b.name(ctx, taken)
}

// name gives blobs their names.
func (b *Batch) name(ctx context.Context, taken []*Ingest) error {
	if len(taken) == 0 {
		return nil
	}
	errs := make([]error, len(taken))
	made := b.directories(taken)
	syncAll(taken, errs)
	for i, in := range taken {
		if errs[i] == nil {
			errs[i] = made
		}
		if errs[i] == nil {
			errs[i] = b.keep(ctx, in)
		}
		if errs[i] != nil {
			errs[i] = in.failed(errors.Join(errs[i], in.Abort()))
		}
	}
	return errors.Join(errs...)
}

// directories makes the directories of blobs.
func (b *Batch) directories(of []*Ingest) error {
	made := map[digest.Algorithm]bool{}
	for _, in := range of {
		if made[in.algorithm] {
			continue
		}
		made[in.algorithm] = true
		if err := in.directory(); err != nil {
			return err
		}
	}
	return nil
}

// syncers is the number of files that are synced at a time. The system does much of the
// work for those that wait together once.
const syncers = 16

// syncAll makes the content of all durable, and tells of which it could not.
func syncAll(taken []*Ingest, errs []error) {
	var group errgroup.Group
	group.SetLimit(syncers)
	for i, in := range taken {
		group.Go(func() error {
			errs[i] = in.t.Sync()
			return nil
		})
	}
	_ = group.Wait() // each has its own error
}

// keep gives a blob its name, unless an intact one has come to be there meanwhile.
func (b *Batch) keep(ctx context.Context, in *Ingest) error {
	state, err := b.s.Check(ctx, in.desc())
	switch {
	case err != nil:
		return err
	case state == Intact:
		return in.Abort()
	}
	return in.named()
}

// failed names the blob in an error of writing it.
func (i *Ingest) failed(err error) error {
	return fmt.Errorf("writing blob %s of %s: %w", i.Digest(), i.s.dir, err)
}

// desc describes the content so far.
func (i *Ingest) desc() ocispec.Descriptor {
	return ocispec.Descriptor{Digest: i.Digest(), Size: i.size}
}
