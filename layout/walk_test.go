//go:build unix

package layout_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout"
)

func putIndex(t *testing.T, s *layout.Store, manifests ...ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	x := ocispec.Index{MediaType: ocispec.MediaTypeImageIndex, Manifests: manifests}
	x.SchemaVersion = 2
	return putJSON(t, s, x.MediaType, x)
}

func putArtifact(t *testing.T, s *layout.Store, subject ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	m := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example",
		Config:  put(t, s, ocispec.MediaTypeEmptyJSON, []byte("{}")),
		Layers:  []ocispec.Descriptor{put(t, s, "text/plain", []byte("artifact"))},
		Subject: &subject,
	}
	m.SchemaVersion = 2
	return putJSON(t, s, m.MediaType, m)
}

func TestReachable(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	a, b := putImage(t, s, "a", "a"), putImage(t, s, "b", "b")
	x := putIndex(t, s, putIndex(t, s, a.manifest, b.manifest), a.manifest)
	art := putArtifact(t, s, x)
	missing := descriptor("missing", "")
	missing.MediaType = ocispec.MediaTypeImageManifest
	seen := map[digest.Digest]int{}
	var lost []digest.Digest
	for desc, err := range s.Reachable(t.Context(), []ocispec.Descriptor{art, missing}) {
		seen[desc.Digest]++
		if errors.Is(err, errdef.ErrNotFound) {
			lost = append(lost, desc.Digest)
		} else if err != nil {
			t.Error(err)
		}
	}
	for d, n := range seen {
		if n != 1 {
			t.Errorf("%s was visited %d times", d, n)
		}
	}
	if diff := cmp.Diff([]digest.Digest{missing.Digest}, lost); diff != "" {
		t.Error(diff)
	}
	if len(seen) != 12 {
		t.Errorf("%d descriptors, want 12: artifact with config and layer, two indexes, two images of three, one missing", len(seen))
	}
	for _, d := range append(a.digests(), b.digests()...) {
		if seen[d] == 0 {
			t.Errorf("%s was not reached", d)
		}
	}
}

func TestReachableIsBounded(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true, Limits: layout.Limits{Descriptors: 20}})
	deep := putImage(t, s, "a", "").manifest
	for range 7 {
		deep = putIndex(t, s, deep)
	}
	walk := func(root ocispec.Descriptor) (n int, last error) {
		for _, err := range s.Reachable(t.Context(), []ocispec.Descriptor{root}) {
			n++
			last = err
		}
		return n, last
	}
	if n, err := walk(deep); err != nil || n != 10 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := walk(putIndex(t, s, deep)); err == nil || !strings.Contains(err.Error(), "more than 8 deep") {
		t.Errorf("got %v", err)
	}
	var many []ocispec.Descriptor
	for i := range 20 {
		many = append(many, descriptor(strconv.Itoa(i), ""))
	}
	if _, err := walk(putIndex(t, s, many...)); err == nil || !strings.Contains(err.Error(), "more than 20") {
		t.Errorf("got %v", err)
	}
}

// A document under a digest that names no blob ends what has to know all that is
// in use, with its place. What is no document leads nowhere and is no obstacle.
func TestUnknownAlgorithm(t *testing.T) {
	for _, dgst := range []digest.Digest{digest.Digest("blake3:" + strings.Repeat("a", 64)), digest.SHA384.FromString("a")} {
		odd := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: dgst, Size: 1}
		blob := odd
		blob.MediaType = "application/octet-stream"
		for _, nested := range []bool{false, true} {
			s := open(t, t.TempDir(), layout.Options{NoSync: true})
			putImage(t, s, "a", "a")
			junk := put(t, s, "x", []byte("junk"))
			setTag(t, s, blob, "blob")
			if _, err := s.GC(t.Context(), layout.GCOptions{DryRun: true}); err != nil {
				t.Errorf("what is no document: %v", err)
			}
			place := "manifests[2] of index.json in " + s.Dir()
			top := odd
			if nested {
				top = putIndex(t, s, odd)
				place = "blob " + string(top.Digest) + " in " + s.Dir()
			}
			setTag(t, s, top, "odd")
			before := blobsOf(t, s)
			_, dry := s.GC(t.Context(), layout.GCOptions{MinAge: -1, DryRun: true})
			_, gc := s.GC(t.Context(), layout.GCOptions{MinAge: -1})
			_, sweep := s.Sweep(t.Context(), []digest.Digest{junk.Digest}, nil)
			for name, err := range map[string]error{"gc": gc, "a dry run": dry, "sweep": sweep} {
				if err == nil {
					t.Errorf("%s: no error", name)
					continue
				}
				for _, want := range []string{"nothing was deleted", place, string(dgst), "copy it again under sha256 or sha512, or remove"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s does not say %q: %v", name, want, err)
					}
				}
			}
			if diff := cmp.Diff(before, blobsOf(t, s)); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestDocumentRefuses(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	d := encoded(t, descriptor("x", ""))
	image, index := ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex
	for name, tc := range map[string]struct{ mediaType, doc string }{
		"layers and Layers":    {image, `{"schemaVersion":2,"config":` + d + `,"layers":[],"Layers":[` + d + `]}`},
		"Layers for layers":    {image, `{"schemaVersion":2,"config":` + d + `,"Layers":[` + d + `]}`},
		"manifests and layers": {image, `{"schemaVersion":2,"config":` + d + `,"layers":[],"manifests":[]}`},
		"an index with layers": {index, `{"schemaVersion":2,"manifests":[],"layers":[]}`},
		"an index with null":   {index, `{"schemaVersion":2,"manifests":[],"layers":null}`},
		"an index as manifest": {image, `{"schemaVersion":2,"manifests":[]}`},
		"another media type":   {image, `{"schemaVersion":2,"mediaType":"` + index + `","config":` + d + `,"layers":[]}`},
		"no schema version":    {image, `{"config":` + d + `,"layers":[]}`},
		"a malformed digest":   {image, `{"schemaVersion":2,"config":{"digest":"sha256:../x","size":1},"layers":[]}`},
		"a negative size":      {index, `{"schemaVersion":2,"manifests":[{"digest":"` + digest.FromString("x").String() + `","size":-1}]}`},
		"trailing data":        {index, `{"schemaVersion":2,"manifests":[]} x`},
		"not JSON":             {index, "\x1f\x8b\x08"},
	} {
		desc := put(t, s, tc.mediaType, []byte(tc.doc))
		var be *layout.BlobError
		if doc, err := s.Document(t.Context(), desc); !errors.As(err, &be) {
			t.Errorf("%s: got %v, %v", name, doc, err)
		}
	}
}

func TestSweep(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	a, b, c := putImage(t, s, "a", "a"), putImage(t, s, "b", "b"), putImage(t, s, "c", "c")
	art := putArtifact(t, s, b.manifest)
	setTag(t, s, art, "")
	kept := putImage(t, s, "kept", "kept")
	foreign := put(t, s, "text/plain", []byte("nobody refers to it"))
	for _, tag := range []string{"a", "b", "kept"} {
		if _, _, err := s.Swap(t.Context(), func(x *layout.Index) error { x.Remove(tag); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	var all []digest.Digest
	for _, i := range []image{a, b, c, kept} {
		all = append(all, i.digests()...)
	}
	all = append(all, a.layer.Digest, digest.FromString("never existed"))
	got, err := s.Sweep(t.Context(), all, []ocispec.Descriptor{kept.manifest})
	if err != nil {
		t.Fatal(err)
	}
	want := layout.Swept{Blobs: a.digests(), Bytes: a.layer.Size + a.config.Size + a.manifest.Size}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, i := range []image{b, c, kept} {
		for _, d := range i.digests() {
			if state, err := s.Check(t.Context(), ocispec.Descriptor{Digest: d, Size: -1}); state != layout.Intact || err != nil {
				t.Errorf("%s is %s, %v", d, state, err)
			}
		}
	}
	if state, err := s.Check(t.Context(), foreign); state != layout.Intact || err != nil {
		t.Error("a blob that is no candidate was deleted", err)
	}
}

// As long as it cannot be told what is in use, nothing is deleted.
func TestSweepOfAnUnreadableLayout(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{})
	a, b := putImage(t, s, "a", ""), putImage(t, s, "b", "b")
	damage(t, s, b.manifest.Digest, strings.Repeat("x", int(b.manifest.Size)))
	if _, _, err := s.Swap(t.Context(), func(x *layout.Index) error { x.RemoveUntagged(a.manifest.Digest); return nil }); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, s.Dir())
	if _, err := s.Sweep(t.Context(), a.digests(), nil); err == nil || !strings.Contains(err.Error(), "nothing was deleted") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, snapshot(t, s.Dir())); diff != "" {
		t.Error(diff)
	}
}

// A document that breaks the rules of its media type keeps all that any reader
// could find in it, and does not stop a sweep.
func TestSweepBesideOddDocuments(t *testing.T) {
	for name, doc := range map[string]func(img image) map[string]any{
		"of Docker": func(i image) map[string]any {
			return map[string]any{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "config": i.config, "layers": []any{}}
		},
		"without config": func(i image) map[string]any {
			return map[string]any{"schemaVersion": 2, "layers": []any{i.config}}
		},
		"of two meanings": func(i image) map[string]any {
			return map[string]any{"schemaVersion": 2, "config": i.config, "layers": []any{}, "manifests": []any{i.manifest}}
		},
		"with wrong sizes": func(i image) map[string]any {
			return map[string]any{"schemaVersion": 2, "layers": []any{map[string]any{"mediaType": i.manifest.MediaType, "digest": i.manifest.Digest, "size": -7}}}
		},
		"without types": func(i image) map[string]any {
			return map[string]any{"schemaVersion": 1, "deep": []any{map[string]any{"deeper": map[string]any{"digest": i.manifest.Digest}}}}
		},
		"of other types": func(i image) map[string]any {
			return map[string]any{"schemaVersion": "2", "layers": map[string]any{"x": i.config}, "config": 5}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), layout.Options{NoSync: true})
			img := putImage(t, s, "a", "")
			junk := put(t, s, "x", []byte("junk"))
			odd := putJSON(t, s, ocispec.MediaTypeImageManifest, doc(img))
			setTag(t, s, odd, "odd")
			if _, _, err := s.Swap(t.Context(), func(x *layout.Index) error { x.RemoveUntagged(img.manifest.Digest); return nil }); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Document(t.Context(), odd); err == nil {
				t.Fatal("the document is not odd")
			}
			swept, err := s.Sweep(t.Context(), append(img.digests(), junk.Digest), nil)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(swept.Blobs, img.config.Digest) || !slices.Contains(swept.Blobs, junk.Digest) {
				t.Errorf("swept: %v", swept.Blobs)
			}
		})
	}
}

// What is JSON in part, or says a member twice, keeps what it names as well.
func TestSweepBesideBrokenJSON(t *testing.T) {
	other := "sha256:" + strings.Repeat("0", 64)
	for name, text := range map[string]string{
		"digests twice":    `{"layers":[{"digest":"DIGEST","digest":"` + other + `"}]}`,
		"names in capital": `{"Layers":[{"Digest":"DIGEST"}]}`,
		"cut off":          `{"layers":[{"digest":"DIGEST"`,
	} {
		s := open(t, t.TempDir(), layout.Options{NoSync: true})
		blob, junk := put(t, s, "x", []byte("blob")), put(t, s, "x", []byte("junk"))
		odd := put(t, s, ocispec.MediaTypeImageManifest, []byte(strings.ReplaceAll(text, "DIGEST", string(blob.Digest))))
		setTag(t, s, odd, "odd")
		swept, err := s.Sweep(t.Context(), []digest.Digest{blob.Digest, junk.Digest}, nil)
		if err != nil || len(swept.Blobs) != 1 || swept.Blobs[0] != junk.Digest {
			t.Errorf("%s: swept %v, %v", name, swept.Blobs, err)
		}
	}
}

// A walk tells which root led to what, the first where several do.
func TestReachableFrom(t *testing.T) {
	s := open(t, t.TempDir(), layout.Options{NoSync: true})
	a, b := putImage(t, s, "a", ""), putImage(t, s, "b", "")
	roots := []ocispec.Descriptor{a.manifest, b.manifest, a.config}
	got, top := map[digest.Digest]int{}, 0
	for at, err := range s.ReachableFrom(t.Context(), roots) {
		if err != nil {
			t.Fatal(err)
		}
		if at.IsRoot {
			top++
		}
		got[at.Digest] = at.Root
	}
	want := map[digest.Digest]int{}
	for _, d := range b.digests() {
		want[d] = 1
	}
	for _, d := range a.digests() {
		want[d] = 0
	}
	want[a.config.Digest] = 2
	if diff := cmp.Diff(want, got); diff != "" || top != len(roots) {
		t.Errorf("%d roots; %s", top, diff)
	}
}
