package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/printable"
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
	// MinAge is the age, since its last change, at which a blob may be deleted; 0 means
	// DefaultMinAge, and a negative value no grace.
	MinAge time.Duration
	// Now is the time that ages are measured at; zero means the present.
	Now time.Time
	// DryRun lists the blobs that would be deleted, writes nothing and takes no lock.
	DryRun bool
}

// GCResult is the result of GC or, with DryRun, its plan. Blobs are in the order of
// their digests.
type GCResult struct {
	// Blobs were deleted; Bytes is the sum of their sizes.
	Blobs []Blob `json:"blobs"`
	Bytes int64  `json:"bytes"`
	// Young could be reached by nothing either, but are younger than MinAge, are kept
	// by a Lease, or were changed or replaced while GC looked at them.
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

// GC deletes the blobs that nothing reaches: not index.json, not opts.Keep, not
// what a live Hold keeps, not
// the indexes, manifests and subjects that these lead to. It works under the
// lock, which it takes when this Store does not hold it; whoever fills opts from
// files in the layout holds the lock since before they were read.
//
// When index.json is missing, or a document on the way cannot be read, nothing
// is deleted; a document that is missing leads nowhere. Right before each
// deletion index.json is read and the blob is looked at once more, for others may
// ignore the lock: when index.json has another content the marks are made anew,
// and a blob that was changed or replaced is kept. When an error comes while
// blobs are being deleted, the result tells which are gone.
func (s *Store) GC(ctx context.Context, opts GCOptions) (GCResult, error) {
	d, err := s.disk()
	if err != nil {
		return GCResult{}, err
	}
	if err := s.checkVersion(); err != nil {
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
		return errors.Join(c.run(ctx), c.expire(ctx), unlock())
	})
	return c.result, err
}

// collection is one run of GC.
type collection struct {
	s      *Store
	d      *disk.Dir
	opts   GCOptions
	result GCResult
	// live are the marks, made from an index.json of the bytes index.
	live  map[digest.Digest]bool
	held  holds
	index []byte
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

// expire ends the uploads and leases that nobody has touched for long.
func (c *collection) expire(ctx context.Context) error {
	_, err := c.s.Expire(ctx, c.opts.Now)
	return err
}

// mark finds all blobs in use.
func (c *collection) mark(ctx context.Context) error {
	raw, err := c.s.readIndex()
	if err != nil {
		return c.unclear(err)
	}
	if raw == nil {
		return c.unclear(fmt.Errorf("%s has no index.json; restore it, or let layform layout repair write one", c.s.dir))
	}
	x, err := c.s.parseIndex(raw)
	if err != nil {
		return c.unclear(err)
	}
	roots, err := c.s.Entries(x)
	if err != nil {
		return c.unclear(err)
	}
	if c.held, err = c.s.holds(ctx, c.d, c.opts.DryRun); err != nil {
		return c.unclear(err)
	}
	live := map[digest.Digest]bool{}
	var missing []digest.Digest
	for desc, err := range c.s.Reachable(ctx, slices.Concat(roots, c.opts.Keep, c.held.roots)) {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, desc.Digest)
		case err != nil:
			return c.unclear(err)
		}
		live[desc.Digest] = true
	}
	for _, dgst := range c.opts.KeepBlobs {
		live[dgst] = true
	}
	slices.Sort(missing)
	c.live, c.index, c.result.Missing = live, raw, slices.Compact(missing)
	return nil
}

// unclear is the error of a GC that cannot decide which blobs are in use.
func (c *collection) unclear(err error) error {
	deleted := "nothing"
	if len(c.result.Blobs) > 0 && !c.opts.DryRun {
		deleted = "no other blob"
	}
	return fmt.Errorf("%s was deleted, for not all that is in use can be told: %w", deleted, err)
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
		c.spare(blob)
		return nil
	}
	leased, err := leasedAt(c.d, blob.Digest, c.opts.Now)
	if err != nil {
		return err
	}
	if leased {
		c.spare(blob)
		return nil
	}
	if !c.opts.DryRun {
		removed, err := c.remove(blob)
		if err != nil || !removed {
			return err
		}
	}
	c.result.Blobs = append(c.result.Blobs, blob)
	c.result.Bytes += blob.Size
	return nil
}

// spare keeps a blob that nothing reaches.
func (c *collection) spare(blob Blob) {
	c.result.Young = append(c.result.Young, blob)
	c.result.YoungBytes += blob.Size
}

// remove deletes a blob that is still what it was when it was listed. One that
// came or was touched since is somebody's who is about to refer to it.
func (c *collection) remove(blob Blob) (bool, error) {
	name, err := blobPath(blob.Digest)
	if err != nil {
		return false, err
	}
	info, err := c.d.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotPlain) {
		return false, nil // somebody else was faster, or put there what is no blob
	}
	if err != nil {
		return false, err
	}
	if info.Size() != blob.Size || !info.ModTime().Equal(blob.Modified) || !disk.Changed(info).Equal(blob.Changed) {
		c.spare(Blob{Digest: blob.Digest, Size: info.Size(), Modified: info.ModTime(), Changed: disk.Changed(info)})
		return false, nil
	}
	if err := c.d.Remove(name); err != nil {
		return false, c.s.unwritable(err)
	}
	return true, nil
}

// refresh makes the marks anew when index.json is no longer the one that they
// were made from. Its bytes are compared: what the file system says of a file
// can be what it was after the file was written in place.
func (c *collection) refresh(ctx context.Context) error {
	for range 10 {
		now, err := c.s.readIndex()
		fresh, holdsErr := c.held.fresh(c.d)
		if err == nil && holdsErr == nil && !fresh && bytes.Equal(now, c.index) {
			return nil
		}
		if err := c.mark(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("index.json of %s changes all the time; stop the other writer, which does not take the lock", c.s.dir)
}

// foreign lists the files under blobs that are no blobs.
func (c *collection) foreign() ([]string, error) {
	dirs, err := c.d.List(blobsDir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range dirs {
		dir := blobsDir + "/" + e.Name()
		algorithm := digest.Algorithm(e.Name())
		if !e.IsDir() || !isKnown(algorithm) {
			found = append(found, printable.Line(dir))
			continue
		}
		files, err := c.d.List(dir)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if !isBlob(algorithm, f) {
				found = append(found, printable.Line(dir+"/"+f.Name()))
			}
		}
	}
	return found, nil
}

// isBlob reports whether a directory entry is a file with the name of a blob.
func isBlob(a digest.Algorithm, e fs.DirEntry) bool {
	return e.Type().IsRegular() && digest.NewDigestFromEncoded(a, e.Name()).Validate() == nil
}
