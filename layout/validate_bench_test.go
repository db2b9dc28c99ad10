//go:build unix

package layout_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
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
	d, _, err := s.PutBytes(b.Context(), mediaType, data, nil)
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

// BenchmarkValidate validates a layout of ten layers in a process of its own,
// and beside it lets the usual tools read the same blobs: sha256sum for the
// comparison of digests alone, gzip and sha256sum for the diffIDs. It reports the
// ratio of the best times, and the memory of the process. LAYFORM_BENCH_MIB is
// the size of the layout in MiB before compression; LAYFORM_BENCH_LAYOUT names a
// layout with gzip layers to validate instead.
func BenchmarkValidate(b *testing.B) {
	dir := os.Getenv("LAYFORM_BENCH_LAYOUT")
	if dir == "" {
		size := 80
		if v := os.Getenv("LAYFORM_BENCH_MIB"); v != "" {
			var err error
			if size, err = strconv.Atoi(v); err != nil {
				b.Fatal(err)
			}
		}
		s, _ := benchLayout(b, 10, size<<20/10)
		dir = s.Dir()
	}
	for _, tc := range []struct{ name, reference string }{
		{"hash", `find blobs -type f -print0 | xargs -0 -n1 -P2 sha256sum`},
		{"layers", `find blobs -type f -print0 | xargs -0 -n1 -P2 sh -c 'gzip -dcf "$0" | sha256sum'`},
	} {
		b.Run(tc.name, func(b *testing.B) {
			best := map[bool]time.Duration{}
			var memory int64
			for b.Loop() {
				for _, ours := range []bool{true, false} {
					cmd := startProcess(b, "validate", dir, tc.name)
					if !ours {
						cmd = exec.Command("sh", "-c", tc.reference)
						cmd.Dir = dir
					}
					start := time.Now()
					out, err := cmd.Output()
					if err != nil {
						b.Fatal(err)
					}
					if took := time.Since(start); best[ours] == 0 || took < best[ours] {
						best[ours] = took
					}
					if ours {
						memory = max(memory, resident(b, out))
					}
				}
			}
			b.ReportMetric(float64(best[true])/float64(best[false]), "ratio")
			b.ReportMetric(best[true].Seconds()*1000, "ms-validate")
			b.ReportMetric(best[false].Seconds()*1000, "ms-reference")
			if memory > 0 {
				b.ReportMetric(float64(memory)/1024, "MiB-resident")
			}
		})
	}
}

// validateAll is the part of the process that validates a layout.
func validateAll(s *layout.Store, mode string) error {
	for f, err := range validate.Layout(context.Background(), s.Reader, validate.Options{SkipLayers: mode == "hash"}) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%+v", f)
	}
	// What the kernel tells of a child counts its parent's memory as well.
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // told on Linux alone
	}
	os.Stdout.Write(status)
	return err
}

var highWater = regexp.MustCompile(`VmHWM:\s*([0-9]+) kB`)

// resident is the most memory that a process had, in KiB; 0 when it is not told.
func resident(b *testing.B, out []byte) int64 {
	b.Helper()
	m := highWater.FindSubmatch(out)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
