package spec_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hashicorp/hcl/v2"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/planner/base"
	"github.com/layform/layform/spec"
)

// vendorSpec describes the image that the bases of tests are: an index of two
// platforms.
const vendorSpec = `
layout { path = "vendor" }
layer "root" {
  directory "/tmp" { mode = "1777" }
  file "/etc/os-release" { content = "ID=vendor" }
}
config "image" {
  for_each   = toset(["amd64", "arm64"])
  platform   = "linux/${each.key}"
  env        = ["PATH=/bin", "A=1"]
  cmd        = ["sh"]
  user       = "1:1"
  labels     = { a = "b" }
  extra      = { "docker_version" = "1" }
}
manifest "image" {
  for_each = toset(["amd64", "arm64"])
  config   = config.image[each.key]
  layers   = [layer.root]
}
index "image" {
  manifests = values(manifest.image)
  tags      = ["1"]
}
`

// vendorLayout builds the layout of vendorSpec once.
var vendorLayout = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vendor")
	if err != nil {
		return "", err
	}
	sp, diags := spec.Load(dir, spec.LoadOptions{Sources: []spec.Source{{Name: "layform.hcl", Text: vendorSpec}}})
	if diags.HasErrors() {
		return "", diags
	}
	store, err := layout.Open(filepath.Join(dir, sp.LayoutPath), layout.Options{NoSync: true})
	if err != nil {
		return "", err
	}
	defer store.Close()
	made, err := planner.New(context.Background(), sp, store, planner.RefreshOptions{})
	if err == nil {
		_, err = executor.Apply(context.Background(), store, made.Plan, executor.Options{Dir: dir, Planned: made})
	}
	return filepath.Join(dir, "vendor"), err
})

// vendor puts copies of the layout of vendorSpec into dir, as vendor and vendor/alpine.
func vendor(t *testing.T, dir string) {
	t.Helper()
	from, err := vendorLayout()
	if err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{"vendor", "vendor/alpine"} {
		if err := os.CopyFS(filepath.Join(dir, place), os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
	}
}

// vendored reads bases from layouts below a directory.
type vendored struct {
	dir    string
	mu     sync.Mutex
	stores []*layout.Store
}

func (v *vendored) Resolve(ctx context.Context, requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
	r := base.Resolver{Open: func(_ context.Context, r ref.Reference) (base.Source, error) {
		reader, err := v.open(r)
		return soleEntry{reader}, err
	}}
	return r.Resolve(ctx, requests)
}

// soleEntry is a layout whose only entry needs no name.
type soleEntry struct{ *layout.Reader }

func (l soleEntry) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	if reference != "" {
		return l.Reader.Resolve(ctx, reference)
	}
	index, err := l.Index(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	entries := index.Descriptors()
	if len(entries) != 1 {
		return ocispec.Descriptor{}, fmt.Errorf("index.json has %d entries", len(entries))
	}
	return entries[0], nil
}

func (v *vendored) open(r ref.Reference) (*layout.Reader, error) {
	path := filepath.Join(v.dir, r.Path)
	if _, err := os.Stat(filepath.Join(path, "index.json")); err != nil {
		return nil, err
	}
	store, err := layout.Open(path, layout.Options{})
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.stores = append(v.stores, store)
	return store.Reader, nil
}

func (v *vendored) OpenBlob(ctx context.Context, from *spec.Base, desc ocispec.Descriptor) (io.ReadCloser, error) {
	reader, err := v.open(from.From)
	if err != nil {
		return nil, err
	}
	return reader.Fetch(ctx, desc)
}

func (v *vendored) CopyBlob(ctx context.Context, from *spec.Base, desc ocispec.Descriptor, to *layout.Ingest) error {
	reader, err := v.open(from.From)
	if err != nil {
		return err
	}
	return to.CopyBlob(ctx, reader, desc)
}

func (v *vendored) close() {
	for _, s := range v.stores {
		s.Close()
	}
}
