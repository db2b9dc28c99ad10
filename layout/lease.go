package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/internal/disk"
)

// leasesDir has a folder for each blob that is leased, and in it an empty file for each
// scope.
const leasesDir = PrivateDir + "/leases"

// leaseDir is the folder of the leases of a blob. The error is that of a digest that no
// blob has.
func leaseDir(dgst digest.Digest) (string, error) {
	if _, err := blobPath(dgst); err != nil {
		return "", err
	}
	return path.Join(leasesDir, strings.Replace(dgst.String(), ":", "-", 1)), nil
}

// Lease keeps a blob that nothing refers to yet from Sweep and GC for PendingAge, or until
// EndLease: a push uploads blobs before their manifest. Unlike a Hold it does not end
// with its process. It belongs to a scope, whose readers may read the blob, which need
// not be there yet.
func (s *Store) Lease(ctx context.Context, scope string, dgst digest.Digest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir, err := leaseDir(dgst)
	if err != nil {
		return err
	}
	d, err := s.create()
	if err != nil {
		return err
	}
	name := path.Join(dir, scopeKey(scope))
	for range 100 {
		if err := s.lease(d, dir, name); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			return s.explainNotPlain(s.unwritable(err))
		}
		// Another one took the lease at the same time, or ended the last one of the blob.
	}
	return fmt.Errorf("%s/%s comes and goes; something removes it", s.dir, name)
}

// lease makes the file of a lease, which is young.
func (s *Store) lease(d *disk.Dir, dir, name string) error {
	info, err := d.Lstat(name)
	if err == nil && time.Since(info.ModTime()) < PendingAge/2 {
		return nil
	}
	if err == nil {
		err = d.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := d.Mkdir(dir); err != nil {
		return err
	}
	f, err := d.Create(name, os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	return f.Close()
}

// Leased reports whether a scope has a lease of a blob, which may be missing.
func (s *Store) Leased(ctx context.Context, scope string, dgst digest.Digest) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	dir, err := leaseDir(dgst)
	if err != nil {
		return false, err
	}
	d, err := s.disk()
	if err != nil {
		return false, ignoreMissing(err)
	}
	info, err := d.Lstat(path.Join(dir, scopeKey(scope)))
	if err != nil {
		return false, ignoreMissing(err)
	}
	return time.Since(info.ModTime()) < PendingAge, nil
}

// EndLease ends the lease of a blob, and reports whether there was one.
func (s *Store) EndLease(ctx context.Context, scope string, dgst digest.Digest) (bool, error) {
	was, err := s.Leased(ctx, scope, dgst)
	if err != nil || !was {
		return false, err
	}
	dir, err := leaseDir(dgst)
	if err != nil {
		return false, err
	}
	d, err := s.disk()
	if err != nil {
		return false, err
	}
	if err := d.Remove(path.Join(dir, scopeKey(scope))); err != nil {
		return false, s.unwritable(err)
	}
	return true, removeEmpty(d, dir)
}

// removeEmpty removes a folder unless something is in it.
func removeEmpty(d *disk.Dir, dir string) error {
	entries, err := d.List(dir)
	if err != nil || len(entries) > 0 {
		return err
	}
	err = d.Remove(dir)
	if again, listErr := d.List(dir); listErr == nil && len(again) > 0 {
		return nil // a lease was taken meanwhile
	}
	return err
}

// leasedAt reports whether any scope has a lease of a blob at a time.
func leasedAt(d *disk.Dir, dgst digest.Digest, now time.Time) (bool, error) {
	dir, err := leaseDir(dgst)
	if err != nil {
		return false, err
	}
	entries, err := d.List(dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && now.Sub(info.ModTime()) < PendingAge {
			return true, nil
		}
		if err := ignoreMissing(err); err != nil {
			return false, err
		}
	}
	return false, nil
}

// Expire ends the uploads and leases that nobody has touched for PendingAge before a
// time, and tells how many.
func (s *Store) Expire(ctx context.Context, now time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	d, err := s.disk()
	if err != nil {
		return 0, ignoreMissing(err)
	}
	since := now.Add(-PendingAge)
	removed, err := s.expireUploads(ctx, d, since)
	if err != nil {
		return removed, err
	}
	leases, err := s.expireLeases(ctx, d, since)
	return removed + leases, err
}

func (s *Store) expireLeases(ctx context.Context, d *disk.Dir, since time.Time) (int, error) {
	removed := 0
	blobs, err := d.List(leasesDir)
	if err != nil {
		return 0, err
	}
	for _, blob := range blobs {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if !blob.IsDir() {
			continue
		}
		dir := path.Join(leasesDir, blob.Name())
		scopes, err := d.List(dir)
		if err != nil {
			return removed, err
		}
		for _, e := range scopes {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) || err == nil && info.ModTime().After(since) {
				continue
			}
			if err != nil {
				return removed, err
			}
			if err := d.Remove(path.Join(dir, e.Name())); err != nil {
				return removed, s.unwritable(err)
			}
			removed++
		}
		if err := removeEmpty(d, dir); err != nil {
			return removed, s.unwritable(err)
		}
	}
	return removed, nil
}
