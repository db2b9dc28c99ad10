package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// DefaultMinAge is how old a blob that nothing reaches must be before GC
// deletes it. It leaves other tools, which know nothing of our lock, the time to
// refer to the blobs that they have written.
const DefaultMinAge = 24 * time.Hour

// GCOptions say what GC keeps. The zero value keeps what index.json reaches.
type GCOptions struct {
	// Keep are roots beside the entries of index.json: they and all that they
	// lead to are kept. See Describe for a blob of which only the digest is known.
	Keep []ocispec.Descriptor
	// KeepBlobs are kept as well, but not what they lead to.
	KeepBlobs []digest.Digest
	// MinAge is how long a blob must have stood in the layout, unchanged, to be
	// deleted; 0 stands for DefaultMinAge, and a negative value for no grace.
	MinAge time.Duration
	// Now is the time that ages are measured at; zero stands for the present.
	Now time.Time
	// DryRun tells what would be deleted, writes nothing and takes no lock.
	DryRun bool
}

// GCResult is what GC did or, with DryRun, would do. Blobs are in the order of
// their digests.
type GCResult struct {
	// Blobs were deleted; Bytes is the sum of their sizes.
	Blobs []Blob `json:"blobs"`
	Bytes int64  `json:"bytes"`
	// Young could be reached by nothing either, but are younger than MinAge.
	Young      []Blob `json:"young"`
	YoungBytes int64  `json:"young_bytes"`
	// Live is the number of blobs that something reaches, or that were to be
	// kept, and LiveBytes the sum of their sizes.
	Live      int   `json:"live"`
	LiveBytes int64 `json:"live_bytes"`
	// Missing are manifests and indexes that something refers to and that are
	// not in the layout. What they would lead to cannot be known, and is kept
	// only where something else reaches it.
	Missing []digest.Digest `json:"missing"`
	// Foreign are the files and directories under blobs that are no blobs, made
	// safe for a terminal. GC never deletes them.
	Foreign []string `json:"foreign"`
}

// errNothingDeleted starts the errors of a GC that could not tell what is in use.
var errNothingDeleted = errors.New("nothing was deleted, for not all that is in use can be told")

// GC deletes the blobs that nothing reaches: not index.json, not opts.Keep, not
// the indexes, manifests and subjects that these lead to. It works under the
// lock, which it takes when this Store does not hold it; whoever fills opts from
// files in the layout holds the lock since before they were read.
//
// When index.json is missing, or a document on the way cannot be read, nothing
// is deleted; a document that is missing leads nowhere. When index.json changes
// meanwhile, by somebody who ignores the lock, the marks are made anew before
// anything more is deleted. When an error comes while blobs are being deleted,
// the result tells which are gone.
func (s *Store) GC(ctx context.Context, opts GCOptions) (GCResult, error) {
	d, err := s.disk()
	if err != nil {
		return GCResult{}, err
	}
	if err := s.checkVersion(d); err != nil {
		return GCResult{}, err
	}
	c := &collection{s: s, d: d, opts: opts}
	if c.opts.MinAge == 0 {
		c.opts.MinAge = DefaultMinAge
	}
	if c.opts.Now.IsZero() {
		c.opts.Now = time.Now()
	}
	if opts.DryRun {
		err = c.run(ctx)
		return c.result, err
	}
	err = s.locked(ctx, "gc", func() error {
		unlock, err := s.lockForeign(ctx, d)
		if err != nil {
			return err
		}
		return errors.Join(c.run(ctx), unlock())
	})
	return c.result, err
}

// collection is one run of GC.
type collection struct {
	s      *Store
	d      *disk
	opts   GCOptions
	result GCResult
	// live are the marks, made from the index.json that stamp describes.
	live  map[digest.Digest]bool
	stamp fs.FileInfo
}

func (c *collection) run(ctx context.Context) error {
	if err := c.mark(ctx); err != nil {
		return err
	}
	foreign, err := c.foreign()
	if err != nil {
		return err
	}
	c.result.Foreign = foreign
	for blob, err := range c.s.Blobs(ctx) {
		if err != nil {
			return err
		}
		if err := c.blob(ctx, blob); err != nil {
			return err
		}
	}
	return nil
}

// mark finds all that is in use.
func (c *collection) mark(ctx context.Context) error {
	stamp, err := c.d.lstat(indexFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s has no index.json; restore it, or let layform layout repair write one", errNothingDeleted, c.s.dir)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNothingDeleted, err)
	}
	x, err := c.s.Index(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errNothingDeleted, err)
	}
	live := map[digest.Digest]bool{}
	var missing []digest.Digest
	for desc, err := range c.s.Reachable(ctx, slices.Concat(x.Descriptors(), c.opts.Keep)) {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, desc.Digest)
		case err != nil:
			return fmt.Errorf("%w: %w", errNothingDeleted, err)
		}
		live[desc.Digest] = true
	}
	for _, dgst := range c.opts.KeepBlobs {
		live[dgst] = true
	}
	slices.Sort(missing)
	c.live, c.stamp, c.result.Missing = live, stamp, slices.Compact(missing)
	return nil
}

// blob keeps or deletes one blob.
func (c *collection) blob(ctx context.Context, blob Blob) error {
	if !c.live[blob.Digest] && !c.opts.DryRun {
		if err := c.refresh(ctx); err != nil {
			return err
		}
	}
	switch {
	case c.live[blob.Digest]:
		c.result.Live++
		c.result.LiveBytes += blob.Size
		return nil
	case c.opts.MinAge > 0 && c.opts.Now.Sub(blob.Changed) < c.opts.MinAge:
		c.result.Young = append(c.result.Young, blob)
		c.result.YoungBytes += blob.Size
		return nil
	}
	if !c.opts.DryRun {
		_, ok, err := c.d.removeBlob(blob.Digest)
		if err != nil {
			return c.s.unwritable(err)
		}
		if !ok {
			return nil // somebody else was faster
		}
	}
	c.result.Blobs = append(c.result.Blobs, blob)
	c.result.Bytes += blob.Size
	return nil
}

// refresh makes the marks anew when index.json is no longer the one that they
// were made from.
func (c *collection) refresh(ctx context.Context) error {
	for range 10 {
		now, err := c.d.lstat(indexFile)
		if err == nil && os.SameFile(now, c.stamp) && now.Size() == c.stamp.Size() && now.ModTime().Equal(c.stamp.ModTime()) {
			return nil
		}
		if err := c.mark(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("index.json of %s changes all the time; stop the other writer, which does not take the lock", c.s.dir)
}

// foreign lists what stands under blobs and is no blob.
func (c *collection) foreign() ([]string, error) {
	dirs, err := c.d.list(blobsDir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range dirs {
		dir := blobsDir + "/" + e.Name()
		algorithm := digest.Algorithm(e.Name())
		if !e.IsDir() || algorithm != digest.SHA256 && algorithm != digest.SHA512 {
			found = append(found, Printable(dir))
			continue
		}
		files, err := c.d.list(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if !isBlob(algorithm, f) {
				found = append(found, Printable(dir+"/"+f.Name()))
			}
		}
	}
	return found, nil
}

// isBlob reports whether a directory entry is a file with the name of a blob.
func isBlob(a digest.Algorithm, e fs.DirEntry) bool {
	return e.Type().IsRegular() && digest.NewDigestFromEncoded(a, e.Name()).Validate() == nil
}
