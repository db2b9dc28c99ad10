package planner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/planner/source"
)

// ArchiveChange is what happens to an archive of the layout.
type ArchiveChange struct {
	// Path is relative to the spec's directory unless it is absolute.
	Path   string `json:"path"`
	Action Action `json:"action"`
	// Before is the digest of the file that is there, and After of the one that will be;
	// empty where there is none, or where it is known after apply.
	Before digest.Digest `json:"before,omitempty"`
	After  digest.Digest `json:"after,omitempty"`
	// Adopted is set when the file is there without being the spec's.
	Adopted bool `json:"adopted,omitempty"`
	// Stays is set when a file that the spec no longer asks for is not what the last
	// apply wrote: it is left alone.
	Stays bool `json:"stays,omitempty"`
}

// ObservedArchive is the state of the layout's archive: the one that the spec asks for
// and, where it is another one, that of the last apply.
type ObservedArchive struct {
	// Path is as the spec writes it, empty where it asks for none, and Range where.
	Path  string
	Range hcl.Range
	// Is is the digest of the file; empty where there is none. Odd says what else is there.
	Is  digest.Digest
	Odd string
	// Ours is set when the last apply wrote a file there.
	Ours bool
	// Equal is set when the file, which is not what an apply left, holds the layout as it is.
	Equal bool
	// Former is another file that the last apply wrote, empty for none, and FormerIs its
	// digest now.
	Former   string
	FormerIs digest.Digest
}

// readArchive looks at the layout's archive.
func (p *Prior) readArchive(ctx context.Context, g *Graph, store *layout.Store, digests source.Digester) error {
	seen := &p.Archive
	was := p.Stage.Archive
	seen.Path, seen.Range = g.spec.ArchivePath, g.spec.ArchiveRange
	former := ""
	if was != nil {
		var err error
		if former, err = was.File(store); err != nil {
			return err
		}
	}
	if seen.Path != "" {
		file := filepath.FromSlash(seen.Path)
		if !filepath.IsAbs(file) {
			file = filepath.Join(g.spec.Dir, file)
		}
		if was != nil {
			place, err := stage.ArchivePlace(store, file)
			if err != nil {
				return err
			}
			if seen.Ours = place == was.Path; seen.Ours {
				former = ""
			}
		}
		if err := seen.observe(ctx, file, digests); err != nil {
			return err
		}
		if seen.Is != "" && !(seen.Ours && seen.Is == was.Digest) {
			var err error
			if seen.Equal, err = holdsLayout(ctx, store, seen.Is); err != nil {
				return err
			}
		}
	}
	if former == "" {
		return nil
	}
	dir, err := filepath.Abs(g.spec.Dir)
	if err != nil {
		return err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	rel, err := filepath.Rel(dir, former)
	if err != nil {
		return err
	}
	seen.Former = filepath.ToSlash(rel)
	seen.FormerIs, _, err = fileDigest(ctx, former, digests)
	return err
}

// observe reads the digest of the archive's file.
func (seen *ObservedArchive) observe(ctx context.Context, file string, digests source.Digester) (err error) {
	if seen.Is, seen.Odd, err = fileDigest(ctx, file, digests); err != nil {
		return fmt.Errorf("the archive of the layout cannot be looked at: %w", err)
	}
	return nil
}

// holdsLayout reports whether a tar with the digest holds the layout as it is; false for
// a layout that cannot be exported.
func holdsLayout(ctx context.Context, store *layout.Store, dgst digest.Digest) (bool, error) {
	sum, err := archive.SumOf(ctx, store.Reader, archive.WriteOptions{})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	return err == nil && sum.Digest == dgst, nil
}

// ArchiveDigest is the digest of the archive in a file; empty where there is no regular
// file.
func ArchiveDigest(ctx context.Context, file string) (digest.Digest, error) {
	dgst, _, err := fileDigest(ctx, file, nil)
	return dgst, err
}

// fileDigest is the digest of a file, remembered by digests where it was read before; empty
// where there is none. What is no regular file has none either: odd says what it is.
func fileDigest(ctx context.Context, name string, digests source.Digester) (dgst digest.Digest, odd string, err error) {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", "", nil
	case err != nil:
		return "", "", err
	case info.IsDir():
		return "", "a directory", nil
	case !info.Mode().IsRegular():
		return "", "no regular file", nil
	}
	key := "archive:" + filepath.ToSlash(name)
	if digests != nil {
		if dgst, ok := digests.Lookup(key, info); ok {
			return dgst, "", nil
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return "", "", err
	}
	if dgst, err = digest.FromReader(layer.ContextReader(ctx, f)); err == nil && digests != nil {
		digests.Store(key, info, dgst)
	}
	return dgst, "", errors.Join(err, f.Close())
}

// diffArchive plans what happens to the layout's archive.
func (d *differ) diffArchive() error {
	seen, was := d.prior.Archive, d.prior.Stage.Archive
	if seen.Former != "" || was != nil && (d.opts.Destroy || seen.Path == "") {
		d.removeArchive(seen, was)
	}
	if seen.Path == "" || d.opts.Destroy {
		return nil
	}
	if seen.Odd != "" {
		return archiveError(seen.Range, fmt.Sprintf("%q is %s, which no archive can take the place of. Remove it, or choose another path.", seen.Path, seen.Odd))
	}
	if a := d.graph.remoteBase(); !a.IsZero() {
		return hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: "Archive of a sparse layout", Subject: seen.Range.Ptr(),
			Detail: fmt.Sprintf("The archive holds all that index.json leads to, and %s leaves its layers in the registry. Remove layers = \"remote\" there, or archive here.", a),
		}}
	}
	changed := d.changesLayout()
	c := ArchiveChange{Path: seen.Path, Action: Update, Before: seen.Is}
	switch intact := seen.Ours && seen.Is == was.Digest; {
	case seen.Is == "":
		c.Action = Create
		if seen.Ours {
			d.addDrift(Drift{Kind: DriftArchiveGone, Path: seen.Path, Was: was.Digest})
		}
	case intact && !changed && was.Index == d.prior.Index:
		c.Action = NoOp
	case intact, seen.Equal: // it is the spec's, by what was remembered or by what it holds
	case seen.Ours:
		d.addDrift(Drift{Kind: DriftArchiveChanged, Path: seen.Path, Was: was.Digest, Is: seen.Is})
	case d.opts.Adopt:
		c.Adopted = true
	default:
		return archiveError(seen.Range, fmt.Sprintf("%q is there, this spec did not write it, and it does not hold the layout. Remove it, choose another path, or replace it with --adopt.", seen.Path))
	}
	if seen.Ours && !changed && was.Index == d.prior.Index {
		c.After = was.Digest // it depends on the layout alone, which is what it was
	}
	d.plan.Archives = append(d.plan.Archives, c)
	return nil
}

// removeArchive plans the removal of the archive that the last apply wrote. One that
// somebody changed is no longer the spec's, and stays.
func (d *differ) removeArchive(seen ObservedArchive, was *stage.Archive) {
	c := ArchiveChange{Path: seen.Path, Action: Delete, Before: seen.Is}
	if seen.Former != "" {
		c.Path, c.Before = seen.Former, seen.FormerIs
	}
	c.Stays = c.Before != was.Digest
	d.plan.Archives = append(d.plan.Archives, c)
}

// changesLayout reports whether the plan may change what index.json leads to.
func (d *differ) changesLayout() bool {
	for _, c := range d.plan.Changes {
		if c.Action != NoOp {
			return true
		}
	}
	for _, t := range d.plan.Tags {
		if t.Action != NoOp {
			return true
		}
	}
	return false
}

func archiveError(rng hcl.Range, detail string) error {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Archive in the way", Detail: detail, Subject: rng.Ptr()}}
}
