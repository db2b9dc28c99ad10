package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/remote"
	"github.com/layform/layform/planner/base"
	"github.com/layform/layform/spec"
)

// baseFlags say how bases are found.
type baseFlags struct {
	registryFlags
	Lockfile string `name:"lockfile" enum:"update,readonly," default:"" placeholder:"MODE" group:"registry" help:"update adds the references of bases that the lock file lacks; readonly refuses them, and is the default where CI is set."`
}

// bases reads the bases of a spec. It opens each place once, and keeps it open until
// close. For a spec without bases it opens nothing and sends no request.
type bases struct {
	a     *app
	flags *baseFlags
	// dir is the spec's directory, which paths are relative to, and file the name of the
	// one spec file, if any.
	dir, file string
	// pins are those of the lock file, once a base needs one.
	pins *pins

	mu       sync.Mutex
	layouts  map[string]*openedLayout
	clients  map[string]*remote.Client
	cache    *os.Root
	requests atomic.Int64
}

func (a *app) newBases(dir, file string, flags *baseFlags) *bases {
	return &bases{a: a, flags: flags, dir: dir, file: file, layouts: map[string]*openedLayout{}, clients: map[string]*remote.Client{}}
}

// Resolve finds the images of bases.
func (b *bases) Resolve(ctx context.Context, requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
	r := base.Resolver{Open: b.open}
	if slices.ContainsFunc(requests, func(r spec.BaseRequest) bool { return r.Base.LockKey() != "" }) {
		var diags hcl.Diagnostics
		if b.pins, diags = b.a.openPins(b.dir, b.file, b.flags.Lockfile); diags.HasErrors() {
			return nil, diags
		}
		r.Pins = b.pins
	}
	return r.Resolve(ctx, requests)
}

// open gives the place that a reference points into.
func (b *bases) open(ctx context.Context, r ref.Reference) (base.Source, error) {
	if r.Transport != ref.Registry {
		l, err := b.layout(ctx, r)
		if err != nil {
			return nil, err
		}
		return localBase{l.Reader, r}, nil
	}
	repo, err := b.repository(r)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cache == nil {
		b.cache = b.a.openCache()
	}
	if b.cache == nil {
		return registryBase{repo}, nil
	}
	return base.Cached{Source: registryBase{repo}, Root: b.cache}, nil
}

// registryBase is a repository in which the manifest of a name is read with the request
// that finds it.
type registryBase struct{ *remote.Repository }

// Resolve finds the manifest or index of a tag or a digest, with its content.
func (r registryBase) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	desc, data, err := r.FetchReference(ctx, reference)
	desc.Data = data
	return desc, err
}

// find finds the digest that a reference leads to now: in a registry with a HEAD, which
// registries that count downloads count as none.
func (b *bases) find(ctx context.Context, r ref.Reference) (digest.Digest, error) {
	if r.Transport != ref.Registry {
		l, err := b.layout(ctx, r)
		if err != nil {
			return "", err
		}
		desc, err := localBase{l.Reader, r}.Resolve(ctx, "")
		return desc.Digest, err
	}
	repo, err := b.repository(r)
	if err != nil {
		return "", err
	}
	desc, err := repo.Resolve(ctx, base.Name(r))
	return desc.Digest, err
}

// localBase is a layout or an archive, in which a reference names an image as it does
// for copy.
type localBase struct {
	*layout.Reader
	ref ref.Reference
}

// Resolve finds the image that the reference means.
func (l localBase) Resolve(ctx context.Context, _ string) (ocispec.Descriptor, error) {
	found, err := findImage(ctx, l.Reader, l.ref)
	return found.desc, err
}

// cacheBytes is how much the cache of documents keeps: some ten thousand of them.
const cacheBytes = 64 << 20

// openCache opens the user's cache of registry documents, readable by its owner alone. It
// is nil without XDG_CACHE_HOME and HOME, and where the folder cannot be used.
func (a *app) openCache() *os.Root {
	dir := a.getenv("XDG_CACHE_HOME")
	if dir == "" && a.getenv("HOME") != "" {
		dir = filepath.Join(a.getenv("HOME"), ".cache")
	}
	if dir == "" {
		return nil
	}
	dir = filepath.Join(dir, "layform", "documents")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil // everything is asked for then
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	_ = root.Chmod(".", 0o700) // of one that was made by others, or before: it is no less useful
	return root
}

// layout opens a layout or an archive, unless it is open already.
func (b *bases) layout(ctx context.Context, r ref.Reference) (*openedLayout, error) {
	path := filepath.FromSlash(r.Path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.dir, path)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if l := b.layouts[path]; l != nil {
		return l, nil
	}
	l, err := openLayoutAt(ctx, path, false)
	if err != nil {
		return nil, err
	}
	b.layouts[path] = l
	return l, nil
}

// repository opens a repository of a registry, over the connections that there are to it.
func (b *bases) repository(r ref.Reference) (*remote.Repository, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.clients[r.Image.Host]
	if c == nil {
		if b.flags.ClientCert != "" && len(b.clients) > 0 {
			return nil, &failure{message: "--client-cert is for one registry, and the bases are in several"}
		}
		opts, err := b.flags.options(b.a, &b.requests)
		if err != nil {
			return nil, err
		}
		if c, err = remote.New(r.Image.Host, opts); err != nil {
			return nil, err
		}
		b.clients[r.Image.Host] = c
	}
	return c.Repository(r.Image.Repository)
}

// OpenBlob opens a blob of a base that is in a layout or an archive.
func (b *bases) OpenBlob(ctx context.Context, from *spec.Base, desc ocispec.Descriptor) (io.ReadCloser, error) {
	l, err := b.layout(ctx, from.From)
	if err != nil {
		return nil, err
	}
	return l.Fetch(ctx, desc)
}

// CopyBlob writes a blob of a base to an Ingest.
func (b *bases) CopyBlob(ctx context.Context, from *spec.Base, desc ocispec.Descriptor, to *layout.Ingest) error {
	if from.From.Transport != ref.Registry {
		l, err := b.layout(ctx, from.From)
		if err != nil {
			return err
		}
		return to.CopyBlob(ctx, l.Reader, desc)
	}
	repo, err := b.repository(from.From)
	if err != nil {
		return err
	}
	in, err := repo.Fetch(ctx, desc)
	if err != nil {
		return err
	}
	return errors.Join(to.CopyVerified(ctx, desc, in), in.Close())
}

// savePins writes the digests of references that the lock file lacked.
func (b *bases) savePins() error {
	if b.pins == nil {
		return nil
	}
	return b.pins.save()
}

// close closes all that was opened.
func (b *bases) close() error {
	var errs []error
	for path, l := range b.layouts {
		if err := l.Close(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	for _, c := range b.clients {
		c.Close()
	}
	if b.cache != nil {
		base.Prune(b.cache, cacheBytes)
		errs = append(errs, b.cache.Close())
	}
	return errors.Join(errs...)
}
