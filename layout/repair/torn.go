package repair

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// hashed hashes all blobs, whatever a Cache says of them, several at once, and calls
// torn for those whose content is not that of their name, in the order of their digests.
func (r *fileRepair) hashed(ctx context.Context, torn func(dgst, got digest.Digest) error) error {
	all, err := r.blobs()
	if err != nil {
		return err
	}
	got := make([]digest.Digest, len(all))
	g, within := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, dgst := range all {
		g.Go(func() (err error) {
			got[i], err = r.hash(within, dgst)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, dgst := range all {
		if got[i] == "" || got[i] == dgst {
			continue
		}
		if err := torn(dgst, got[i]); err != nil {
			return err
		}
	}
	return nil
}

// blobs lists the digests that files, or links to such, have as their names, of every
// algorithm that can be computed.
func (r *fileRepair) blobs() ([]digest.Digest, error) {
	dirs, err := r.raw.Files.List(blobsDir)
	if err != nil {
		return nil, err
	}
	var all []digest.Digest
	for _, dir := range dirs {
		a := digest.Algorithm(dir.Name())
		if !dir.IsDir() || !a.Available() {
			continue
		}
		files, err := r.raw.Files.List(blobsDir + "/" + dir.Name())
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			if dgst := digest.NewDigestFromEncoded(a, f.Name()); dgst.Validate() == nil {
				all = append(all, dgst)
			}
		}
	}
	return all, nil
}

// hash gives the digest of what a blob holds; empty where no file is there.
func (r *fileRepair) hash(ctx context.Context, dgst digest.Digest) (digest.Digest, error) {
	f, _, err := r.raw.Files.OpenLinked(imagespec.BlobPath(dgst))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, layout.ErrNotPlain) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := dgst.Algorithm().Hash()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, layer.ContextReader(ctx, f), make([]byte, 256<<10)); err != nil {
		return "", err
	}
	return digest.NewDigest(dgst.Algorithm(), h), nil
}
