package base_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/planner/base"
	"github.com/layform/layform/spec"
)

// counted counts what a Source is asked for.
type counted struct {
	*shelf
	fetched atomic.Int64
}

func (c *counted) Fetch(ctx context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	c.fetched.Add(1)
	return c.shelf.Fetch(ctx, d)
}

// TestCached: 20 pinned references whose documents are there ask for nothing, unpinned
// ones are looked up once each, and what is damaged is read again.
func TestCached(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	src := &counted{shelf: newShelf()}
	arm := src.image(plainConfig)
	index := src.put(ocispec.MediaTypeImageIndex, map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageIndex, "manifests": []ocispec.Descriptor{on(arm, "linux", "arm64", "v8")},
	})
	src.roots["latest"], src.roots[index.Digest.String()] = index, index
	look := func(suffix string) {
		t.Helper()
		var requests []spec.BaseRequest
		for i := range 20 {
			r, err := ref.Parse("docker://example.com/x" + strings.Repeat("x", i) + suffix)
			if err != nil {
				t.Fatal(err)
			}
			r.Image = r.Image.WithDefaultTag()
			requests = append(requests, spec.BaseRequest{
				Address: spec.Address{Kind: spec.KindBase, Name: strings.Repeat("b", i+1)},
				Base:    &spec.Base{From: r, Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}},
			})
		}
		src.resolved.Store(0)
		src.fetched.Store(0)
		resolver := base.Resolver{Open: func(context.Context, ref.Reference) (base.Source, error) {
			return base.Cached{Source: src, Root: root}, nil
		}}
		images, diags := resolver.Resolve(t.Context(), requests)
		if diags.HasErrors() || images[requests[19].Address].Config == nil {
			t.Fatal(diags)
		}
	}
	look("@" + index.Digest.String())
	if n := src.fetched.Load(); n < 3 {
		t.Errorf("only %d documents were read", n)
	}
	look("@" + index.Digest.String())
	if a, b := src.resolved.Load(), src.fetched.Load(); a != 0 || b != 0 {
		t.Errorf("pinned and cached: %d were looked up, %d read", a, b)
	}
	look("")
	if a, b := src.resolved.Load(), src.fetched.Load(); a != 20 || b != 0 {
		t.Errorf("unpinned and cached: %d were looked up, %d read", a, b)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) != 3 {
		t.Fatalf("kept are %v, %v", names, err)
	}
	for i, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			err = os.Mkdir(name, 0o755)
		} else {
			err = os.WriteFile(name, []byte("damaged"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	look("")
	if src.fetched.Load() < 3 {
		t.Error("damaged documents were believed")
	}
}

// TestCachedType: a digest is not looked up either where the document says no media type
// and its members tell it; one that they do not tell is.
func TestCachedType(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	const size, docker = `"size":1,"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, "application/vnd.docker.container.image.v1+json"
	config := func(mediaType string) string { return `"config":{"mediaType":"` + mediaType + `",` + size + `}` }
	const list = "application/vnd.docker.distribution.manifest.list.v2+json"
	for document, want := range map[string]string{
		`{"schemaVersion":2,` + config(ocispec.MediaTypeImageConfig) + `,"layers":[]}`:                             ocispec.MediaTypeImageManifest,
		`{"schemaVersion":2,"manifests":[{"mediaType":"` + ocispec.MediaTypeImageManifest + `",` + size + `}]}`:    ocispec.MediaTypeImageIndex,
		`{"schemaVersion":2,"mediaType":"` + list + `","manifests":[]}`:                                            list,
		`{"schemaVersion":2,` + config(docker) + `,"layers":[]}`:                                                   "",
		`{"schemaVersion":2,"manifests":[{"mediaType":"` + imagespec.MediaTypeDockerManifest + `",` + size + `}]}`: "",
		`{"schemaVersion":2,` + config(ocispec.MediaTypeImageConfig) + `,"layers":[],"manifests":[]}`:              "",
		`{"schemaVersion":2,` + config(ocispec.MediaTypeImageConfig) + `}`:                                         "",
		`{"schemaVersion":1,` + config(ocispec.MediaTypeImageConfig) + `,"layers":[]}`:                             "",
		`{"schemaVersion":2,"mediaType":"text/plain",` + config(ocispec.MediaTypeImageConfig) + `,"layers":[]}`:    "",
	} {
		src := &counted{shelf: newShelf()}
		said := src.put("application/said", []byte(document))
		said.Data = []byte(document)
		src.roots[said.Digest.String()] = said
		cached := base.Cached{Source: src, Root: root}
		if _, err := cached.Resolve(t.Context(), said.Digest.String()); err != nil {
			t.Fatal(err)
		}
		if got, err := cached.Resolve(t.Context(), said.Digest.String()); err != nil || got.MediaType != cmp.Or(want, said.MediaType) || got.Size != said.Size {
			t.Errorf("%s is %s, %v", document, got.MediaType, err)
		}
		if n := src.resolved.Load(); n != map[bool]int64{true: 2, false: 1}[want == ""] {
			t.Errorf("%s was looked up %d times", document, n)
		}
	}
}

// TestPrune: the documents that were not used for the longest time go first, one that was
// read counts as used, and nobody else can read them.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	src := &counted{shelf: newShelf()}
	cached := base.Cached{Source: src, Root: root}
	var names []string
	var size int64
	day := time.Now().AddDate(0, 0, -30)
	fetch := func(desc ocispec.Descriptor) {
		in, err := cached.Fetch(t.Context(), desc)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, in); err != nil {
			t.Fatal(err)
		}
	}
	var descs []ocispec.Descriptor
	for i := range 5 {
		desc := src.put(ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "annotations": map[string]string{"n": fmt.Sprint(i)}})
		fetch(desc)
		name := filepath.Join(dir, "sha256-"+desc.Digest.Encoded())
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("%v, %v", info, err)
		}
		if err := os.Chtimes(name, day, day.AddDate(0, 0, i)); err != nil {
			t.Fatal(err)
		}
		names, descs, size = append(names, name), append(descs, desc), desc.Size
	}
	fetch(descs[0]) // the oldest, used now
	for _, left := range []struct {
		limit int64
		names []string
	}{{size * 5, names}, {size*3 + 1, []string{names[0], names[3], names[4]}}, {size, names[:1]}, {0, nil}} {
		base.Prune(root, left.limit)
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		slices.Sort(found)
		want := slices.Sorted(slices.Values(left.names))
		if err != nil || !slices.Equal(found, want) {
			t.Errorf("at most %d bytes: %v, %v", left.limit, found, err)
		}
	}
}
