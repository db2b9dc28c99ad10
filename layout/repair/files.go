package repair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
)

// The names of what lies in a layout, relative to it. tornDir is where damaged files
// go that cannot be made again.
const (
	layoutFile = ocispec.ImageLayoutFile
	indexFile  = ocispec.ImageIndexFile
	blobsDir   = ocispec.ImageBlobsDir
	tornDir    = layout.PrivateDir + "/torn"
)

// fileRepair mends the files that the image spec knows, and leftovers.
type fileRepair struct {
	*report
	store    *layout.Store
	raw      *layout.Raw
	moveTorn bool
	owned    map[digest.Digest]bool
	// gone are the blobs that were removed or moved aside.
	gone []digest.Digest
	// newIndex is set when index.json was written anew, noIndex when it stays as
	// damaged as it is.
	newIndex, noIndex bool
}

func (r *fileRepair) run(ctx context.Context) error {
	// Modes come early, for they are in the way of reading. The file that makes
	// a directory a layout comes last.
	for _, step := range []func(context.Context) error{r.leftovers, r.modes, r.blobDirs, r.torn, r.index, r.layoutFile} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return r.unreadable(".", err)
		}
	}
	return nil
}

// leftovers reports the temporary files of dead writers. They went when the
// lock was taken; a dry run only looks.
func (r *fileRepair) leftovers(context.Context) error {
	swept, err := r.raw.Leftovers(r.dryRun)
	if err != nil {
		return err
	}
	for _, name := range swept {
		if err := r.mend(name, "a run that died left it", Removed, "it is no longer of use", nil); err != nil {
			return err
		}
	}
	entries, err := r.raw.Files.List(layout.IngestDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			r.left(layout.IngestDir+"/"+e.Name(), "it is no file that layform put there", "look at it and remove it")
		}
	}
	return nil
}

// layoutFile writes oci-layout where it is missing or makes no sense: there is
// only one content that it can have.
func (r *fileRepair) layoutFile(context.Context) error {
	problem := ""
	data, err := r.raw.Files.Read(layoutFile, r.raw.Limits.Manifest)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		problem = "the file does not exist"
	case errors.Is(err, layout.ErrNotPlain):
		r.left(layoutFile, err.Error(), "remove it and repair again")
		return nil
	case err != nil:
		return err
	default:
		var doc ocispec.ImageLayout
		if err := jsondoc.Decode(data, r.raw.Limits.Document(), &doc); err != nil {
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
	return r.mend(layoutFile, problem, Written, "it says version "+ocispec.ImageLayoutVersion, r.raw.WriteMarker)
}

// blobDirs makes the directories of blobs.
func (r *fileRepair) blobDirs(context.Context) error {
	const name = blobsDir + "/sha256"
	switch err := r.raw.Files.CheckDir(blobsDir); {
	case errors.Is(err, layout.ErrNotPlain):
		r.left(blobsDir, err.Error(), "put the directory itself there")
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil:
		return nil
	}
	return r.mend(blobsDir, "the directory does not exist", Written, "it is empty: build or copy the images again", func() error {
		if _, err := r.raw.Files.Mkdir(name); err != nil {
			return err
		}
		return errors.Join(r.raw.Files.SyncDir(blobsDir), r.raw.Files.SyncDir("."))
	})
}

// torn finds the blobs whose content is not that of their name.
func (r *fileRepair) torn(ctx context.Context) error {
	if r.raw.Files.CheckDir(blobsDir) != nil {
		return nil // a dry run, or reported already
	}
	return r.hashed(ctx, func(dgst, got digest.Digest) error {
		name := imagespec.BlobPath(dgst)
		problem := fmt.Sprintf("its content has the digest %s", got)
		var err error
		switch {
		case r.owned[dgst]:
			err = r.mend(name, problem, Removed, "the next apply builds it again", func() error { return r.raw.Files.Remove(name) })
		case r.moveTorn:
			err = r.moveAside(name, problem, string(dgst.Algorithm())+"-"+dgst.Encoded())
		default:
			r.left(name, problem, "build or copy it again, or move it aside with --move-torn")
			return nil
		}
		if err == nil {
			r.gone = append(r.gone, dgst)
		}
		return err
	})
}

// moveAside moves a damaged file into our folder.
func (r *fileRepair) moveAside(name, problem, as string) error {
	to := path.Join(tornDir, disk.RandomName(as))
	return r.mend(name, problem, Moved, "it is kept as "+path.Join(tornDir, as+"-…"), func() error {
		if _, err := r.raw.Files.Mkdir(tornDir); err != nil {
			return err
		}
		if err := r.raw.Files.Rename(name, to); err != nil {
			return err
		}
		return errors.Join(r.raw.Files.SyncDir(tornDir), r.raw.Files.SyncDir(path.Dir(name)))
	})
}

// index writes an index.json where there is none: one that lists what no other
// document of the layout refers to, so that nothing is lost to the next GC. A
// damaged one is moved aside first when that is asked for.
func (r *fileRepair) index(ctx context.Context) error {
	problem := "the file does not exist"
	raw, err := r.raw.ReadIndex()
	if err == nil && raw != nil {
		_, err = r.raw.ParseIndex(raw)
		if err == nil {
			return nil
		}
		if !r.moveTorn {
			r.noIndex = true
			r.left(indexFile, err.Error(), "restore it, or have it moved aside and made anew with --move-torn")
			return nil
		}
		if err := r.moveAside(indexFile, err.Error(), indexFile); err != nil {
			return err
		}
		problem = "the file was moved aside"
	}
	if errors.Is(err, layout.ErrNotPlain) {
		r.noIndex = true
		r.left(indexFile, err.Error(), "put the file itself there")
		return nil
	}
	if err != nil && raw == nil {
		return err
	}
	x, err := r.rebuilt(ctx)
	if err != nil {
		return err
	}
	note := fmt.Sprintf("it lists the %d manifests and indexes that no other refers to; their ref names are lost, and those of a spec come back with the next apply", len(x.Descriptors()))
	err = r.mend(indexFile, problem, Written, note, func() error { return r.raw.WriteIndex(x) })
	r.newIndex = err == nil
	return err
}

// rebuilt is an index of the documents among the blobs that can be read again.
func (r *fileRepair) rebuilt(ctx context.Context) (*layout.Index, error) {
	var tops []ocispec.Descriptor
	below := map[digest.Digest]bool{}
	for blob, err := range r.store.Blobs(ctx) {
		if err != nil {
			return nil, err
		}
		desc, err := r.store.Describe(ctx, blob.Digest)
		var bad *layout.BlobError
		if errors.As(err, &bad) || err == nil && !imagespec.IsManifest(desc.MediaType) {
			continue
		}
		if err != nil {
			return nil, err
		}
		doc, err := r.store.Document(ctx, desc)
		if errors.As(err, &bad) {
			continue
		}
		if err != nil {
			return nil, err
		}
		tops = append(tops, desc)
		doc.Subject = nil // a referrer does not hold what it is about
		for _, d := range doc.Successors() {
			below[d.Digest] = true
		}
	}
	tops = slices.DeleteFunc(tops, func(d ocispec.Descriptor) bool { return below[d.Digest] })
	x, err := r.raw.ParseIndex(nil)
	if err != nil {
		return nil, err
	}
	for _, d := range tops {
		if err := x.Set(d); err != nil {
			return nil, err
		}
	}
	return r.raw.ParseIndex(x.Encode())
}
