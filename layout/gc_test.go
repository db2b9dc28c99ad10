//go:build unix

package layout_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

func blobsOf(t *testing.T, s *layout.Store) []digest.Digest {
	t.Helper()
	var all []digest.Digest
	for b, err := range s.Blobs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b.Digest)
	}
	return all
}

func digestsIn(blobs []layout.Blob) []digest.Digest {
	var all []digest.Digest
	for _, b := range blobs {
		all = append(all, b.Digest)
	}
	return all
}

func sorted(lists ...[]digest.Digest) []digest.Digest {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

// untag removes a tag and leaves its blobs.
func untag(t *testing.T, s *layout.Store, tag string) {
	t.Helper()
	if _, _, err := s.Swap(t.Context(), func(x *layout.Index) error { x.Remove(tag); return nil }); err != nil {
		t.Fatal(err)
	}
}

// collected is a layout with something of everything that GC tells apart.
type collected struct {
	s                                       *layout.Store
	live, kept, owned, junk, disguised      image
	index, referrer, bare, brought, insides ocispec.Descriptor
}

func toCollect(t *testing.T) collected {
	t.Helper()
	c := collected{s: open(t, t.TempDir(), layout.Options{NoSync: true})}
	s := c.s
	for tag, img := range map[string]*image{"live": &c.live, "kept": &c.kept, "owned": &c.owned, "junk": &c.junk, "disguised": &c.disguised} {
		*img = putImage(t, s, tag, tag)
	}
	// Reached through an index that is the subject of a referrer in index.json.
	c.index = putIndex(t, s, c.live.manifest)
	c.referrer = putArtifact(t, s, c.index)
	setTag(t, s, c.referrer, "")
	// A manifest that stands in one place as a layer, and in another as itself.
	c.bare = putArtifact(t, s, c.disguised.manifest)
	asLayer := c.disguised.manifest
	asLayer.MediaType = "application/octet-stream"
	setTag(t, s, asLayer, "as a layer")
	setTag(t, s, putIndex(t, s, c.bare), "deep")
	// A manifest that is not there but comes with its descriptor.
	m := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: c.live.config}
	m.SchemaVersion = 2
	c.insides = put(t, s, "text/plain", []byte("insides"))
	m.Layers = []ocispec.Descriptor{c.insides}
	c.brought = putJSON(t, s, m.MediaType, m)
	data, err := s.ReadBlob(t.Context(), c.brought, 0)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, blobFile(s, c.brought.Digest))
	c.brought.Data = data
	setTag(t, s, c.brought, "brought")
	for _, tag := range []string{"live", "kept", "owned", "junk", "disguised"} {
		untag(t, s, tag)
	}
	return c
}

func (c collected) keep() layout.GCOptions {
	return layout.GCOptions{MinAge: -1, Keep: []ocispec.Descriptor{c.kept.manifest}, KeepBlobs: c.owned.digests()}
}

func TestGC(t *testing.T) {
	c := toCollect(t)
	s := c.s
	writeFile(t, filepath.Join(s.Dir(), "blobs/README"), "x")
	writeFile(t, filepath.Join(s.Dir(), "blobs/sha256/tmp\x1b[2J"), "x")
	mkfifo(t, filepath.Join(s.Dir(), "blobs/sha256", strings.Repeat("0", 64)))
	mkdir(t, filepath.Join(s.Dir(), "blobs/blake3"))
	writeFile(t, filepath.Join(s.Dir(), "blobs/blake3/x"), "x")
	absent := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("absent"), Size: 6}
	setTag(t, s, absent, "absent")
	all := blobsOf(t, s)
	before := snapshot(t, s.Dir())
	dry := c.keep()
	dry.DryRun = true
	would, err := s.GC(t.Context(), dry)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, snapshot(t, s.Dir())); diff != "" {
		t.Errorf("a dry run wrote: %s", diff)
	}
	got, err := s.GC(t.Context(), c.keep())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(would, got); diff != "" {
		t.Errorf("a dry run told something else: %s", diff)
	}
	if diff := cmp.Diff(sorted(c.junk.digests()), digestsIn(got.Blobs)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(all, sorted(blobsOf(t, s), c.junk.digests())); diff != "" {
		t.Errorf("more is gone than was told: %s", diff)
	}
	if want := int64(len("layer junk") + len("config junk")); got.Bytes != want+c.junk.manifest.Size || got.Live != len(all)-3 {
		t.Errorf("%d bytes and %d live blobs", got.Bytes, got.Live)
	}
	if diff := cmp.Diff([]digest.Digest{absent.Digest}, got.Missing); diff != "" {
		t.Error(diff)
	}
	zeros := "blobs/sha256/" + strings.Repeat("0", 64)
	if diff := cmp.Diff([]string{"blobs/README", "blobs/blake3", zeros, `blobs/sha256/tmp\x1b[2J`}, got.Foreign); diff != "" {
		t.Error(diff)
	}
	for name, content := range before {
		if after, ok := snapshot(t, s.Dir())[name]; !ok && !slices.Contains(c.junk.digests(), digest.NewDigestFromEncoded(digest.SHA256, filepath.Base(name))) || ok && after != content {
			t.Errorf("%s is not what it was", name)
		}
	}
}

// A blob is spared while it is young, whatever its modification time says.
func TestGCSparesTheYoung(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	putImage(t, s, "a", "a")
	junk := put(t, s, "x", []byte("junk"))
	long := time.Now().Add(-1000 * time.Hour)
	if err := os.Chtimes(blobFile(s, junk.Digest), long, long); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, tc := range []struct {
		min  time.Duration
		now  time.Time
		gone int
	}{
		{0, time.Time{}, 0}, {0, now.Add(layout.DefaultMinAge - time.Minute), 0}, {time.Hour, now, 0},
		{time.Hour, now.Add(2 * time.Hour), 1}, {0, now.Add(layout.DefaultMinAge + time.Minute), 1}, {-1, time.Time{}, 1},
	} {
		got, err := s.GC(t.Context(), layout.GCOptions{MinAge: tc.min, Now: tc.now, DryRun: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Blobs) != tc.gone || len(got.Young) != 1-tc.gone || got.Live != 3 || got.Bytes+got.YoungBytes != junk.Size {
			t.Errorf("%+v: %+v", tc, got)
		}
	}
}

// When not all that is in use can be told, nothing is deleted.
func TestGCRefuses(t *testing.T) {
	for name, plant := range map[string]func(*testing.T, *layout.Store, image){
		"no index.json":   func(t *testing.T, s *layout.Store, _ image) { remove(t, filepath.Join(s.Dir(), "index.json")) },
		"an empty index":  func(t *testing.T, s *layout.Store, _ image) { writeFile(t, filepath.Join(s.Dir(), "index.json"), "") },
		"a torn manifest": func(t *testing.T, s *layout.Store, i image) { damage(t, s, i.manifest.Digest, "{}") },
		"a piped manifest": func(t *testing.T, s *layout.Store, i image) {
			n := blobFile(s, i.manifest.Digest)
			remove(t, n)
			mkfifo(t, n)
		},
		"no oci-layout": func(t *testing.T, s *layout.Store, _ image) { remove(t, filepath.Join(s.Dir(), "oci-layout")) },
		"other version": func(t *testing.T, s *layout.Store, _ image) {
			writeFile(t, filepath.Join(s.Dir(), "oci-layout"), `{"imageLayoutVersion":"2.0.0"}`)
		},
		"deep": func(t *testing.T, s *layout.Store, i image) {
			d := i.manifest
			for range 20 {
				d = putIndex(t, s, d)
			}
			setTag(t, s, d, "deep")
		},
		"a manifest of two meanings": func(t *testing.T, s *layout.Store, i image) {
			d := putJSON(t, s, ocispec.MediaTypeImageManifest, map[string]any{"schemaVersion": 2, "config": i.config, "layers": []any{}, "manifests": []any{}})
			setTag(t, s, d, "two")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), layout.Options{NoSync: true, Inspect: true})
			img := putImage(t, s, "a", "a")
			put(t, s, "x", []byte("junk"))
			plant(t, s, img)
			before := blobsOf(t, s)
			for _, dry := range []bool{true, false} {
				if got, err := s.GC(t.Context(), layout.GCOptions{MinAge: -1, DryRun: dry}); err == nil {
					t.Errorf("dry %v: %+v", dry, got)
				}
			}
			if diff := cmp.Diff(before, blobsOf(t, s)); diff != "" {
				t.Error(diff)
			}
		})
	}
	absent := filepath.Join(t.TempDir(), "absent")
	if _, err := open(t, absent, layout.Options{}).GC(t.Context(), layout.GCOptions{}); err == nil {
		t.Error("nothing was collected from")
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("the directory was made")
	}
}

func TestGCWaitsForTheLock(t *testing.T) {
	dir := t.TempDir()
	s, other := open(t, dir, layout.Options{NoSync: true}), open(t, dir, layout.Options{NoSync: true, LockTimeout: time.Millisecond})
	putImage(t, s, "a", "a")
	unlock := lock(t, s)
	defer unlock()
	var locked *layout.LockedError
	if _, err := other.GC(t.Context(), layout.GCOptions{}); !errors.As(err, &locked) {
		t.Errorf("got %v", err)
	}
	if _, err := other.GC(t.Context(), layout.GCOptions{DryRun: true}); err != nil {
		t.Errorf("a dry run waits: %v", err)
	}
	if _, err := s.GC(t.Context(), layout.GCOptions{}); err != nil {
		t.Errorf("the holder of the lock: %v", err)
	}
}

func TestDescribe(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true, Limits: layout.Limits{Manifest: 1000}})
	img := putImage(t, s, "a", "a")
	index := putIndex(t, s, img.manifest)
	untyped := putJSON(t, s, ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": []any{}})
	plain := put(t, s, "application/octet-stream", []byte("plain"))
	long := put(t, s, "application/octet-stream", []byte(strings.Repeat("{", 2000)))
	for _, want := range []ocispec.Descriptor{img.manifest, index, untyped, plain, long} {
		got, err := s.Describe(t.Context(), want.Digest)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	for _, d := range []digest.Digest{"sha256:../../x", digest.FromString("absent"), put(t, s, "x", []byte(`{"a":1,"a":2}`)).Digest} {
		if _, err := s.Describe(t.Context(), d); err == nil {
			t.Errorf("%q was described", d)
		}
	}
	damage(t, s, plain.Digest, "torn!")
	if _, err := s.Describe(t.Context(), plain.Digest); err == nil {
		t.Error("a torn blob was described")
	}
}
