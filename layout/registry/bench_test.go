package registry_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/registry"
)

// many makes a layout of images with a tag and of a referrer for each, in two
// repositories, whose index.json is old enough for its stat to be believed.
func many(b *testing.B, entries int) (dir string, first ocispec.Descriptor) {
	b.Helper()
	dir = b.TempDir()
	s, err := layout.Open(dir, layout.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	_, _, err = s.Swap(b.Context(), func(x *layout.Index) error {
		for n := range entries / 2 {
			i := newImage(b, fmt.Sprint(n), nil)
			referrer := newImage(b, fmt.Sprint("sbom ", n), &i.desc)
			repo := "team/app" + fmt.Sprint(n%2)
			for _, i := range []image{i, referrer} {
				for _, data := range []string{i.config, i.layer, string(i.manifest)} {
					if err := s.Push(b.Context(), blob(data), strings.NewReader(data)); err != nil {
						return err
					}
				}
			}
			i.desc.Annotations = map[string]string{ocispec.AnnotationRefName: repo + ":v" + fmt.Sprint(n)}
			referrer.desc.Annotations = map[string]string{ocispec.AnnotationRefName: repo + "@" + string(referrer.desc.Digest)}
			if n == 0 {
				first = i.desc
			}
			if err := x.Set(i.desc); err != nil {
				return err
			}
			if err := x.Set(referrer.desc); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	time.Sleep(4 * time.Second)
	return dir, first
}

// BenchmarkMany reads from a layout whose index.json has 10,000 entries.
func BenchmarkMany(b *testing.B) {
	dir, first := many(b, 10_000)
	repo := repository(b, open(b, dir, registry.Options{}), "team/app0")
	for name, read := range map[string]func() error{
		"Resolve/tag":    func() error { _, err := repo.Resolve(b.Context(), "v0"); return err },
		"Resolve/digest": func() error { _, err := repo.Resolve(b.Context(), string(first.Digest)); return err },
		"ReadManifest":   func() error { _, _, err := repo.ReadManifest(b.Context(), "v0"); return err },
		"Tags": func() error {
			for _, err := range repo.Tags(b.Context(), registry.Page{}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"Referrers": func() error {
			n := 0
			for _, err := range repo.Referrers(b.Context(), first.Digest, "", registry.Page{}) {
				if err != nil {
					return err
				}
				n++
			}
			if n != 1 {
				return fmt.Errorf("%d referrers", n)
			}
			return nil
		},
		"ResolveBlob": func() error { _, err := repo.ResolveBlob(b.Context(), blob("layer 0").Digest); return err },
	} {
		b.Run(name, func(b *testing.B) {
			if err := read(); err != nil { // the first reads what the layout holds
				b.Fatal(err)
			}
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPush pushes a small image with a tag: two blobs and a manifest.
func BenchmarkPush(b *testing.B) {
	repo := repository(b, open(b, b.TempDir(), registry.Options{}), "team/app")
	n := 0
	for b.Loop() {
		n++
		if err := makeImage(fmt.Sprint(n), fmt.Sprint("layer ", n)).push(b.Context(), repo, fmt.Sprint("v", n)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPushTogether pushes small images by 16 clients at once.
func BenchmarkPushTogether(b *testing.B) {
	repo := repository(b, open(b, b.TempDir(), registry.Options{}), "team/app")
	var n atomic.Int64
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tag := fmt.Sprint("v", n.Add(1))
			if err := makeImage(tag, "layer "+tag).push(b.Context(), repo, tag); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
