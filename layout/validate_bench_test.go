package layout_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// text is as compressible as program text is.
func text(rng *rand.Rand, n int) []byte {
	out := make([]byte, 0, n+8)
	for len(out) < n {
		out = binary.LittleEndian.AppendUint64(out, rng.Uint64()&0x0f0f3f7f0fff0fff)
	}
	return out[:n]
}

// benchLayout is a layout with one image of several gzip layers, each of size
// bytes before compression.
func benchLayout(b *testing.B, layers, size int) (*layout.Store, int64) {
	b.Helper()
	s, err := layout.Open(b.TempDir(), layout.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest}
	m.SchemaVersion = 2
	img := ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, RootFS: ocispec.RootFS{Type: "layers"}}
	var total int64
	for i := range layers {
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		var plain, packed bytes.Buffer
		tw := tar.NewWriter(&plain)
		for j := 0; plain.Len() < size; j++ {
			body := text(rng, 64<<10)
			if err := tw.WriteHeader(&tar.Header{Name: fmt.Sprintf("f%d", j), Mode: 0o644, Size: int64(len(body))}); err != nil {
				b.Fatal(err)
			}
			if _, err := tw.Write(body); err != nil {
				b.Fatal(err)
			}
		}
		if err := tw.Close(); err != nil {
			b.Fatal(err)
		}
		zw, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := zw.Write(plain.Bytes()); err != nil {
			b.Fatal(err)
		}
		if err := zw.Close(); err != nil {
			b.Fatal(err)
		}
		img.RootFS.DiffIDs = append(img.RootFS.DiffIDs, digest.FromBytes(plain.Bytes()))
		m.Layers = append(m.Layers, putB(b, s, ocispec.MediaTypeImageLayerGzip, packed.Bytes()))
		total += int64(packed.Len())
	}
	m.Config = putJSONB(b, s, ocispec.MediaTypeImageConfig, img)
	desc := putJSONB(b, s, m.MediaType, m)
	if err := s.Tag(b.Context(), desc, "bench"); err != nil {
		b.Fatal(err)
	}
	return s, total
}

func putB(b *testing.B, s *layout.Store, mediaType string, data []byte) ocispec.Descriptor {
	b.Helper()
	d, _, err := s.PutBytes(b.Context(), mediaType, data)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

func putJSONB(b *testing.B, s *layout.Store, mediaType string, v any) ocispec.Descriptor {
	b.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		b.Fatal(err)
	}
	return putB(b, s, mediaType, data)
}

// BenchmarkValidate reads a layout of ten layers, with and without looking into
// them. LAYFORM_BENCH_LAYOUT names a layout to validate instead.
func BenchmarkValidate(b *testing.B) {
	s, total := (*layout.Store)(nil), int64(0)
	if dir := os.Getenv("LAYFORM_BENCH_LAYOUT"); dir != "" {
		var err error
		if s, err = layout.Open(dir, layout.Options{}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		for blob, err := range s.Blobs(b.Context()) {
			if err != nil {
				b.Fatal(err)
			}
			total += blob.Size
		}
	} else {
		s, total = benchLayout(b, 10, 8<<20)
	}
	for name, opts := range map[string]layout.ValidateOptions{"hash": {SkipLayers: true}, "layers": {}} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				for f, err := range s.Validate(b.Context(), opts) {
					b.Fatal(f, err)
				}
			}
		})
	}
}
