package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/printable"
)

// tornDir is where Repair puts what is damaged and cannot be made again.
const tornDir = privateDir + "/torn"

// RepairOptions say how far Repair may go.
type RepairOptions struct {
	// DryRun tells what would be done, writes nothing and takes no lock.
	DryRun bool
	// Owned are blobs that can be made again: where they are torn they are
	// removed, and nobody keeps a right to write or to execute them.
	Owned []digest.Digest
	// MoveTorn moves torn blobs that are not in Owned, and an index.json that
	// cannot be understood, into the folder torn of ours. Without it they are
	// reported and left where they are.
	MoveTorn bool
}

// Remedy is what was done about a problem.
type Remedy string

// The remedies. With Left, Note says what to do.
const (
	Removed Remedy = "removed"
	Moved   Remedy = "moved"
	Written Remedy = "written"
	ModeSet Remedy = "mode set"
	Left    Remedy = "left"
)

// Mended is one problem and what Repair did about it or, in a dry run, would do.
type Mended struct {
	// Object is the file, relative to the layout, made safe for a terminal.
	Object string `json:"object"`
	// Problem says what is wrong.
	Problem string `json:"problem"`
	Remedy  Remedy `json:"remedy"`
	// Note says in words what was done, or what to do.
	Note string `json:"note"`
}

// Repaired is what Repair did or, in a dry run, would do.
type Repaired struct {
	// Lines report all problems, in the order in which they were met.
	Lines []Mended
	// Gone are the blobs that were removed or moved aside.
	Gone []digest.Digest
	// NewIndex is set when index.json was written anew.
	NewIndex bool
}

// NewMended gives a Mended that is safe for a terminal.
func NewMended(object, problem string, remedy Remedy, note string) Mended {
	return Mended{Object: printable.Line(object), Problem: printable.Line(problem), Remedy: remedy, Note: printable.Line(note)}
}

// Repair mends what can be mended without knowing what the layout should hold,
// and reports what it cannot mend: leftovers of dead writers, modes that are in
// the way, a missing or damaged oci-layout, a missing index.json, torn blobs.
// Whatever else is wrong is for Validate to say. A mode changes by no more bits
// than are in the way, and gives nothing to anybody but the owner. Repair works
// under the lock, which it takes when this Store does not hold it, and is best
// used on a Store that was opened with Options.Inspect. Nothing is written to a
// directory that does not look like a layout: the error is a *NotLayoutError.
// When an error ends Repair early, the result tells what was done before.
func (s *Store) Repair(ctx context.Context, opts RepairOptions) (Repaired, error) {
	d, err := s.disk()
	if err != nil {
		return Repaired{}, err
	}
	if err := s.resembles(d); err != nil {
		return Repaired{}, err
	}
	r := &repair{s: s, d: d, opts: opts, owned: map[digest.Digest]bool{}}
	for _, dgst := range opts.Owned {
		r.owned[dgst] = true
	}
	if opts.DryRun {
		err = r.run(ctx)
	} else {
		err = s.locked(ctx, "repair", func() error { return r.run(ctx) })
	}
	return r.done, err
}

// resembles tells a damaged layout from a directory that is none: it has two of
// the three things that a layout is made of, or nothing but what a first run of
// ours leaves.
func (s *Store) resembles(d *disk.Dir) error {
	entries, err := d.List(".")
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, e := range entries {
		has[e.Name()] = true
	}
	parts, foreign := 0, false
	for name := range has {
		switch name {
		case layoutFile, indexFile, blobsDir:
			parts++
		case privateDir:
		default:
			foreign = true
		}
	}
	if parts < 2 && (foreign || !has[privateDir]) {
		return s.notLayout("it has not even two of oci-layout, index.json and blobs", nil)
	}
	if !has[layoutFile] {
		return nil
	}
	var doc ocispec.ImageLayout
	data, err := d.Read(layoutFile, s.limits.Manifest)
	if err == nil && jsondoc.Decode(data, s.limits.Document(), &doc) == nil && doc.Version != "" && doc.Version != ocispec.ImageLayoutVersion {
		return s.notLayout(fmt.Sprintf("its version is %q, and only %s is known", doc.Version, ocispec.ImageLayoutVersion), nil)
	}
	return nil
}

// repair is one run of Repair.
type repair struct {
	s     *Store
	d     *disk.Dir
	opts  RepairOptions
	owned map[digest.Digest]bool
	done  Repaired
	// noIndex is set when index.json stays as damaged as it is.
	noIndex bool
}

// mend does something about a problem, unless this is a dry run, and reports it.
func (r *repair) mend(object, problem string, remedy Remedy, note string, do func() error) error {
	if !r.opts.DryRun && do != nil {
		if err := do(); err != nil {
			return r.s.unwritable(err)
		}
	}
	r.done.Lines = append(r.done.Lines, NewMended(object, problem, remedy, note))
	return nil
}

// left reports what is not mended.
func (r *repair) left(object, problem, advice string) {
	r.done.Lines = append(r.done.Lines, NewMended(object, problem, Left, advice))
}

func (r *repair) run(ctx context.Context) error {
	// Modes come early, for they are in the way of reading. The file that makes
	// a directory a layout comes last.
	for _, step := range []func(context.Context) error{r.leftovers, r.modes, r.blobDirs, r.torn, r.index, r.layoutFile} {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := step(ctx)
		if r.opts.DryRun && errors.Is(err, fs.ErrPermission) {
			// A mode that a real run would mend first may be the reason.
			r.left(".", "not all can be read: "+err.Error(), "repair without a dry run, or as another user")
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// leftovers reports the temporary files of dead writers. They went when the
// lock was taken; a dry run only looks.
func (r *repair) leftovers(context.Context) error {
	r.s.mu.Lock()
	swept := r.s.swept
	r.s.mu.Unlock()
	if r.opts.DryRun {
		dead, err := r.d.SweepTemps(ingestDir, true)
		if err != nil {
			return r.s.noFolder(err)
		}
		swept = dead
	}
	for _, name := range swept {
		if err := r.mend(name, "a run that died left it", Removed, "it is no longer of use", nil); err != nil {
			return err
		}
	}
	entries, err := r.d.List(ingestDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			r.left(ingestDir+"/"+e.Name(), "it is no file that layform put there", "look at it and remove it")
		}
	}
	return nil
}

// layoutFile writes oci-layout where it is missing or makes no sense: there is
// only one content that it can have.
func (r *repair) layoutFile(context.Context) error {
	problem := ""
	data, err := r.d.Read(layoutFile, r.s.limits.Manifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		problem = "the file does not exist"
	case errors.Is(err, ErrNotPlain):
		r.left(layoutFile, err.Error(), "remove it and repair again")
		return nil
	case err != nil:
		return err
	default:
		var doc ocispec.ImageLayout
		if err := jsondoc.Decode(data, r.s.limits.Document(), &doc); err != nil {
			problem = err.Error()
		} else if doc.Version == "" {
			problem = "it says no version"
		}
	}
	if problem == "" {
		return nil
	}
	if r.noIndex {
		r.left(layoutFile, problem, "mend index.json first")
		return nil
	}
	return r.mend(layoutFile, problem, Written, "it says version "+ocispec.ImageLayoutVersion, func() error {
		return r.s.replace(r.d, layoutFile, layoutDocument)
	})
}

// blobDirs makes the directories of blobs.
func (r *repair) blobDirs(context.Context) error {
	const name = blobsDir + "/sha256"
	switch err := r.d.CheckDir(blobsDir); {
	case errors.Is(err, ErrNotPlain):
		r.left(blobsDir, err.Error(), "put the directory itself there")
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil:
		return nil
	}
	return r.mend(blobsDir, "the directory does not exist", Written, "it is empty: build or copy the images again", func() error {
		if _, err := r.d.Mkdir(name); err != nil {
			return err
		}
		return errors.Join(r.d.SyncDir(blobsDir), r.d.SyncDir("."))
	})
}

// torn finds the blobs whose content is not that of their name.
func (r *repair) torn(ctx context.Context) error {
	if r.d.CheckDir(blobsDir) != nil {
		return nil // a dry run, or reported already
	}
	return r.hashed(ctx, func(dgst, got digest.Digest) error {
		name := blobsDir + "/" + string(dgst.Algorithm()) + "/" + dgst.Encoded()
		problem := fmt.Sprintf("its content has the digest %s", got)
		var err error
		switch {
		case r.owned[dgst]:
			err = r.mend(name, problem, Removed, "the next apply builds it again", func() error { return r.d.Remove(name) })
		case r.opts.MoveTorn:
			err = r.moveAside(name, problem, string(dgst.Algorithm())+"-"+dgst.Encoded())
		default:
			r.left(name, problem, "build or copy it again, or move it aside with --move-torn")
			return nil
		}
		if err == nil {
			r.done.Gone = append(r.done.Gone, dgst)
		}
		return err
	})
}

// moveAside moves a damaged file into our folder.
func (r *repair) moveAside(name, problem, as string) error {
	to := path.Join(tornDir, disk.RandomName(as))
	return r.mend(name, problem, Moved, "it is kept as "+path.Join(tornDir, as+"-…"), func() error {
		if _, err := r.d.Mkdir(tornDir); err != nil {
			return err
		}
		if err := r.d.Rename(name, to); err != nil {
			return err
		}
		return errors.Join(r.d.SyncDir(tornDir), r.d.SyncDir(path.Dir(name)))
	})
}

// index writes an index.json where there is none: one that lists what no other
// document of the layout refers to, so that nothing is lost to the next GC. A
// damaged one is moved aside first when that is asked for.
func (r *repair) index(ctx context.Context) error {
	problem := "the file does not exist"
	raw, err := r.s.readIndex()
	if err == nil && raw != nil {
		_, err = r.s.parseIndex(raw)
		if err == nil {
			return nil
		}
		if !r.opts.MoveTorn {
			r.noIndex = true
			r.left(indexFile, err.Error(), "restore it, or have it moved aside and made anew with --move-torn")
			return nil
		}
		if err := r.moveAside(indexFile, err.Error(), indexFile); err != nil {
			return err
		}
		problem = "the file was moved aside"
	}
	if errors.Is(err, ErrNotPlain) {
		r.noIndex = true
		r.left(indexFile, err.Error(), "put the file itself there")
		return nil
	}
	if err != nil && raw == nil {
		return err
	}
	data, n, err := r.rebuilt(ctx)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("it lists the %d manifests and indexes that no other refers to; their ref names are lost, and those of a spec come back with the next apply", n)
	err = r.mend(indexFile, problem, Written, note, func() error { return r.s.replace(r.d, indexFile, data) })
	r.done.NewIndex = err == nil
	return err
}

// rebuilt is an index.json for the documents among the blobs.
func (r *repair) rebuilt(ctx context.Context) ([]byte, int, error) {
	var tops []ocispec.Descriptor
	below := map[digest.Digest]bool{}
	for blob, err := range r.s.Blobs(ctx) {
		if err != nil {
			return nil, 0, err
		}
		desc, err := r.s.Describe(ctx, blob.Digest)
		var bad *BlobError
		if errors.As(err, &bad) || err == nil && !imagespec.IsManifest(desc.MediaType) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		doc, err := r.s.Document(ctx, desc)
		if errors.As(err, &bad) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		tops = append(tops, desc)
		doc.Subject = nil // a referrer does not hold what it is about
		for _, d := range doc.Successors() {
			below[d.Digest] = true
		}
	}
	tops = slices.DeleteFunc(tops, func(d ocispec.Descriptor) bool { return below[d.Digest] })
	x, err := r.s.parseIndex(emptyIndex)
	if err != nil {
		return nil, 0, err
	}
	for _, d := range tops {
		if err := x.Set(d); err != nil {
			return nil, 0, err
		}
	}
	data := x.Encode()
	return data, len(tops), r.s.checkIndex(data)
}
