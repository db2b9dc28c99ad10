package transfer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	"github.com/layform/layform/layout/transfer"
	"github.com/layform/layform/layout/validate"
)

// sample is a layout with an index of two platforms under the tag v1, an SBOM of
// the index and a signature of the amd64 image.
type sample struct {
	dir          string
	store        *layout.Store
	root         ocispec.Descriptor
	amd64, arm64 ocispec.Descriptor
	sbom, sig    ocispec.Descriptor
	layer        ocispec.Descriptor // of amd64 alone
}

func putImage(t *testing.T, s *layout.Store, arch string, layers ...ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	config := layouttest.Put(t, s, ocispec.MediaTypeImageConfig, map[string]any{"os": "linux", "architecture": arch, "rootfs": map[string]any{"type": "layers", "diff_ids": []string{}}})
	desc := layouttest.Put(t, s, ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: layers})
	desc.Platform = &ocispec.Platform{OS: "linux", Architecture: arch}
	return desc
}

func putReferrer(t *testing.T, s *layout.Store, artifact string, subject ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	blob := layouttest.Put(t, s, "text/plain", []byte(artifact+" of "+string(subject.Digest)))
	config := layouttest.Put(t, s, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	subject = ocispec.Descriptor{MediaType: subject.MediaType, Digest: subject.Digest, Size: subject.Size}
	return layouttest.Put(t, s, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: artifact,
		Config: config, Layers: []ocispec.Descriptor{blob}, Subject: &subject,
	})
}

func newSample(t *testing.T) *sample {
	t.Helper()
	s := &sample{dir: t.TempDir()}
	s.store = layouttest.Open(t, s.dir)
	shared := layouttest.Put(t, s.store, ocispec.MediaTypeImageLayer, []byte(strings.Repeat("shared ", 20_000)))
	s.layer = layouttest.Put(t, s.store, ocispec.MediaTypeImageLayer, []byte(strings.Repeat("amd64 ", 10_000)))
	s.amd64 = putImage(t, s.store, "amd64", shared, s.layer)
	s.arm64 = putImage(t, s.store, "arm64", shared, layouttest.Put(t, s.store, ocispec.MediaTypeImageLayer, []byte("arm64")))
	s.root = layouttest.Put(t, s.store, ocispec.MediaTypeImageIndex, ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{s.amd64, s.arm64}})
	s.sbom = putReferrer(t, s.store, "application/spdx+json", s.root)
	s.sig = putReferrer(t, s.store, "example/signature", s.amd64)
	if err := s.store.Tag(t.Context(), s.root, "v1"); err != nil {
		t.Fatal(err)
	}
	for _, d := range []ocispec.Descriptor{s.sbom, s.sig} {
		if err := s.store.Tag(t.Context(), d, string(d.Digest)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *sample) roots(tags ...string) []transfer.Root {
	return rootsOf(s.root, tags...)
}

func rootsOf(desc ocispec.Descriptor, tags ...string) []transfer.Root {
	r := transfer.Root{Descriptor: desc}
	for _, tag := range tags {
		r.Tags = append(r.Tags, transfer.Tag{Name: tag})
	}
	return []transfer.Root{r}
}

// quick bounds the waits, so that faults for ever end soon.
var quick = remote.Limits{Attempts: 3, Wait: 20 * time.Millisecond, Idle: 5 * time.Second}

func repository(t *testing.T, reg *registrytest.Registry, name string) *remote.Repository {
	t.Helper()
	repo, err := remote.Open(reg.Host()+"/"+name, remote.Options{Scheme: "http", Limits: quick})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func run(ctx context.Context, src transfer.Source, dst transfer.Destination, roots []transfer.Root, opts transfer.Options) (*transfer.Plan, *transfer.Result, error) {
	p, err := transfer.Diff(ctx, src, dst, roots, opts)
	if err != nil {
		return nil, nil, err
	}
	r, err := transfer.Execute(ctx, src, dst, p, transfer.ExecuteOptions{})
	return p, r, err
}

// push copies the sample to a repository with its referrers.
func (s *sample) push(t *testing.T, reg *registrytest.Registry, name string, opts transfer.Options, tags ...string) (*transfer.Plan, *transfer.Result, error) {
	t.Helper()
	return run(t.Context(), transfer.NewDirectory(s.store), transfer.NewRepository(repository(t, reg, name)), s.roots(tags...), opts)
}

// pull copies a tag of a repository into a layout.
func pull(t *testing.T, reg *registrytest.Registry, name, tag string, store *layout.Store) error {
	t.Helper()
	repo := repository(t, reg, name)
	desc, err := repo.Resolve(t.Context(), tag)
	if err != nil {
		return err
	}
	_, _, err = run(t.Context(), transfer.NewRepository(repo), transfer.NewDirectory(store), rootsOf(desc, tag), transfer.Options{Referrers: true, Local: store})
	return err
}

// whole fails the test unless a layout is valid, and everything of its index there.
func whole(t *testing.T, dir string) {
	t.Helper()
	store, err := layout.Open(dir, layout.Options{Inspect: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for f, err := range validate.Layout(t.Context(), store.Reader, validate.Options{SkipLayers: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if f.Severity == validate.Must && f.Rule != validate.RuleConfigDiffIDCount {
			t.Errorf("%s: %s %s: %s", f.Rule, f.Object, f.Place, f.Problem)
		}
	}
}

// wholeIn fails the test unless all that a digest leads to is in a repository.
func wholeIn(t *testing.T, reg *registrytest.Registry, repo string, d digest.Digest) {
	t.Helper()
	data := reg.Manifest(repo, d)
	if data == nil {
		t.Errorf("%s lacks the manifest %s", repo, d)
		return
	}
	var m ocispec.Manifest
	var x ocispec.Index
	if err := errors.Join(json.Unmarshal(data, &m), json.Unmarshal(data, &x)); err != nil {
		t.Fatal(err)
	}
	for _, child := range x.Manifests {
		wholeIn(t, reg, repo, child.Digest)
	}
	for _, blob := range append(m.Layers, m.Config) {
		if blob.Digest != "" && reg.Blob(repo, blob.Digest) == nil {
			t.Errorf("%s lacks the blob %s", repo, blob.Digest)
		}
	}
}

// Bytes and digests are the same after a way through every kind of place, and
// referrers of root and children come along: with the referrers API and without.
func TestThereAndBack(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprintf("NoReferrers=%v", old), func(t *testing.T) {
			s := newSample(t)
			reg := registrytest.New(t)
			reg.NoReferrers = old
			p, r, err := s.push(t, reg, "team/app", transfer.Options{Referrers: true}, "v1", "latest")
			if err != nil {
				t.Fatal(err)
			}
			if got := p.Summary(); got.Upload.Count != 13 || got.Referrers != 2 || r.Summary != got {
				t.Errorf("planned %+v, did %+v", got, r.Summary)
			}
			for _, tag := range []string{"v1", "latest"} {
				if got := reg.Tag("team/app", tag); got != s.root.Digest {
					t.Errorf("the tag %s is %s", tag, got)
				}
			}
			for _, d := range []ocispec.Descriptor{s.root, s.sbom, s.sig} {
				wholeIn(t, reg, "team/app", d.Digest)
			}
			// Registry to registry, by mounts.
			from, to := repository(t, reg, "team/app"), repository(t, reg, "other")
			reg.Forget()
			_, r, err = run(t.Context(), transfer.NewRepository(from), transfer.NewRepository(to), s.roots("v1"), transfer.Options{Referrers: true, MountFrom: "team/app"})
			if err != nil {
				t.Fatal(err)
			}
			if r.Summary.Mount.Count != 8 || r.Summary.Upload.Count != 5 {
				t.Errorf("mounted and uploaded %+v", r.Summary)
			}
			if n := reg.Count("GET", "/blobs/"); n != 0 {
				t.Errorf("%d blobs were read although all could be mounted", n)
			}
			// And back into a new layout.
			dir := filepath.Join(t.TempDir(), "new")
			store := layouttest.Open(t, dir)
			if err := pull(t, reg, "other", "v1", store); err != nil {
				t.Fatal(err)
			}
			whole(t, dir)
			back, err := store.Resolve(t.Context(), "v1")
			if err != nil || back.Digest != s.root.Digest {
				t.Errorf("v1 is %s: %v", back.Digest, err)
			}
			index, err := store.Index(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, d := range index.Descriptors() {
				names = append(names, layout.RefName(d)+"@"+string(d.Digest))
			}
			slices.Sort(names)
			want := []string{"v1@" + string(s.root.Digest), "@" + string(s.sbom.Digest), "@" + string(s.sig.Digest)}
			slices.Sort(want)
			if !slices.Equal(names, want) {
				t.Errorf("index.json has %q, want %q", names, want)
			}
			// Layout to layout.
			last := filepath.Join(t.TempDir(), "last")
			if _, _, err := run(t.Context(), transfer.NewDirectory(store), transfer.NewDirectory(layouttest.Open(t, last)), s.roots("v2"), transfer.Options{Referrers: true}); err != nil {
				t.Fatal(err)
			}
			whole(t, last)
			if sameBlobs(t, s.dir, last); len(blobs(t, last)) != 13 {
				t.Errorf("%d blobs", len(blobs(t, last)))
			}
		})
	}
}

func blobs(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "blobs/sha256/*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no blobs in %s: %v", dir, err)
	}
	for i, name := range names {
		names[i] = filepath.Base(name)
	}
	return names
}

func sameBlobs(t *testing.T, a, b string) {
	t.Helper()
	if x, y := blobs(t, a), blobs(t, b); !slices.Equal(x, y) {
		t.Errorf("blobs differ: %d and %d", len(x), len(y))
	}
}

// A second transfer writes nothing, and asks little.
func TestNothingToDo(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	reg.Immutable = true
	if _, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1"); err != nil {
		t.Fatal(err)
	}
	reg.Forget()
	p, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1")
	if err != nil {
		t.Fatal(err)
	}
	if p.Changes() {
		t.Errorf("the plan has changes: %+v", p.Summary())
	}
	for _, method := range []string{"POST", "PUT", "PATCH"} {
		if n := reg.Count(method, ""); n != 0 {
			t.Errorf("%d requests %s", n, method)
		}
	}
	// The tag, two images, two referrers and two lists of referrers.
	if n := reg.Count("", "/v2/app/"); n > 7 {
		t.Errorf("%d requests", n)
	}
	dir := filepath.Join(t.TempDir(), "new")
	store := layouttest.Open(t, dir)
	if err := pull(t, reg, "app", "v1", store); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	reg.Forget()
	if err := pull(t, reg, "app", "v1", store); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(filepath.Join(dir, "index.json"))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("index.json was written again: %v", err)
	}
	if n := reg.Count("GET", "/manifests/") + reg.Count("GET", "/blobs/"); n != 0 {
		t.Errorf("%d documents and blobs were read again", n)
	}
}

// TestNewRepository: of a repository that the registry does not know, only blobs are asked
// for that are worth it: what a push that was cut short brought is not sent again.
func TestNewRepository(t *testing.T) {
	s := newSample(t)
	for _, known := range []bool{false, true} {
		reg := registrytest.New(t)
		reg.NameUnknown = !known
		big := []byte(strings.Repeat("shared ", 20_000))
		was := reg.PutBlob("app", big)
		if _, _, err := s.push(t, reg, "app", transfer.Options{}, "v1"); err != nil {
			t.Fatal(err)
		}
		wholeIn(t, reg, "app", s.root.Digest)
		asked := reg.Count("HEAD", "/blobs/") + reg.Count("HEAD", "/manifests/sha256:")
		if want := map[bool]int{false: 1, true: 8}[known]; asked != want {
			t.Errorf("known %v: %d pieces of content were asked for, not %d", known, asked, want)
		}
		// Two configs and two layers.
		if n := reg.Count("POST", ""); n != 4 {
			t.Errorf("known %v: %d uploads", known, n)
		}
		if n := reg.Count("HEAD", "/blobs/"+string(was)); n != 1 {
			t.Errorf("known %v: the blob that is there was asked for %d times", known, n)
		}
	}
}

// What is below a root that a destination has is brought back.
func TestHeal(t *testing.T) {
	s := newSample(t)
	for _, verify := range []bool{false, true} {
		reg := registrytest.New(t)
		full := registrytest.New(t)
		if _, _, err := s.push(t, full, "app", transfer.Options{}, "v1"); err != nil {
			t.Fatal(err)
		}
		// The root and its tag are there, and nothing below, but one image without one
		// of its layers.
		reg.PutManifest("app", "v1", s.root.MediaType, full.Manifest("app", s.root.Digest))
		reg.PutManifest("app", "", s.amd64.MediaType, full.Manifest("app", s.amd64.Digest))
		if _, _, err := s.push(t, reg, "app", transfer.Options{Verify: verify}, "v1"); err != nil {
			t.Fatal(err)
		}
		if reg.Manifest("app", s.arm64.Digest) == nil {
			t.Error("the image that was missing was not brought")
		}
		if verify {
			wholeIn(t, reg, "app", s.root.Digest)
		}
	}
	// A layout whose blob is torn or gone.
	dir := filepath.Join(t.TempDir(), "copy")
	store := layouttest.Open(t, dir)
	src := transfer.NewDirectory(s.store)
	if _, _, err := run(t.Context(), src, transfer.NewDirectory(store), s.roots("v1"), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "blobs/sha256", s.layer.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "blobs/sha256", s.arm64.Digest.Encoded())); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "blobs/sha256", s.arm64.Digest.Encoded()), make([]byte, s.arm64.Size), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := run(t.Context(), src, transfer.NewDirectory(store), s.roots("v1"), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	whole(t, dir)
}

// A registry that loses a blob between Diff and Execute says so, and gets it.
func TestMissingWhilePushing(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	src, dst := transfer.NewDirectory(s.store), transfer.NewRepository(repository(t, reg, "app"))
	if _, _, err := s.push(t, reg, "seen", transfer.Options{}, "v1"); err != nil {
		t.Fatal(err)
	}
	p, err := transfer.Diff(t.Context(), src, dst, s.roots("v1"), transfer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Steps {
		if !p.Steps[i].Manifest {
			p.Steps[i].Action = transfer.There // as a registry that lies says
		}
	}
	if _, err := transfer.Execute(t.Context(), src, dst, p, transfer.ExecuteOptions{}); err != nil {
		t.Fatal(err)
	}
	wholeIn(t, reg, "app", s.root.Digest)
}

// Tags move only when they are what Diff saw, and never with NoClobber.
func TestTags(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	other := reg.PutManifest("app", "v1", ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`))
	var clobber *transfer.ClobberError
	if _, _, err := s.push(t, reg, "app", transfer.Options{NoClobber: true}, "v2", "v1"); !errors.As(err, &clobber) || clobber.Have != other {
		t.Errorf("with NoClobber: %v", err)
	}
	if n := reg.Count("PUT", ""); n != 0 || reg.Tag("app", "v2") != "" {
		t.Errorf("%d PUTs although nothing may change", n)
	}
	src, dst := transfer.NewDirectory(s.store), transfer.NewRepository(repository(t, reg, "app"))
	p, err := transfer.Diff(t.Context(), src, dst, s.roots("v1"), transfer.Options{})
	if err != nil || p.Roots[0].Tags[0].Action != transfer.TagMoved || p.Roots[0].Tags[0].Have != other {
		t.Fatalf("%+v, %v", p, err)
	}
	third := reg.PutManifest("app", "v1", ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[] }`))
	var moved *remote.PreconditionError
	if _, err := transfer.Execute(t.Context(), src, dst, p, transfer.ExecuteOptions{}); !errors.As(err, &moved) || reg.Tag("app", "v1") != third {
		t.Errorf("a tag that moved meanwhile: %v", err)
	}
	if _, _, err := s.push(t, reg, "app", transfer.Options{}, "v1"); err != nil || reg.Tag("app", "v1") != s.root.Digest {
		t.Errorf("a tag that may move: %v", err)
	}
	// The same for a layout.
	store := layouttest.Open(t, filepath.Join(t.TempDir(), "copy"))
	into := transfer.NewDirectory(store)
	if p, err = transfer.Diff(t.Context(), src, into, s.roots("v1"), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	foreign := putImage(t, store, "riscv64")
	if err := store.Tag(t.Context(), foreign, "v1"); err != nil {
		t.Fatal(err)
	}
	var changed *transfer.MovedError
	if _, err := transfer.Execute(t.Context(), src, into, p, transfer.ExecuteOptions{}); !errors.As(err, &changed) {
		t.Errorf("a tag of a layout that moved meanwhile: %v", err)
	}
	if _, err := transfer.Diff(t.Context(), src, into, s.roots("v1"), transfer.Options{NoClobber: true}); !errors.As(err, &clobber) {
		t.Errorf("a tag of a layout with NoClobber: %v", err)
	}
	if desc, err := store.Resolve(t.Context(), "v1"); err != nil || desc.Digest != foreign.Digest {
		t.Errorf("v1 is %s: %v", desc.Digest, err)
	}
}

// A choice of platforms makes a new index of the entries that match; the rest of
// their bytes, and the images, stay.
func TestPlatforms(t *testing.T) {
	s := newSample(t)
	for _, test := range []struct {
		platforms []ocispec.Platform
		want      []ocispec.Descriptor
		err       string
	}{
		{[]ocispec.Platform{{OS: "linux", Architecture: "amd64"}}, []ocispec.Descriptor{s.amd64}, ""},
		{[]ocispec.Platform{{OS: "linux", Architecture: "arm64", Variant: "v8"}}, []ocispec.Descriptor{s.arm64}, ""},
		{[]ocispec.Platform{{OS: "linux", Architecture: "arm64"}, {OS: "linux", Architecture: "amd64"}}, nil, ""}, // all: the same index
		{[]ocispec.Platform{{OS: "linux", Architecture: "riscv64"}}, nil, "has no image for linux/riscv64; it has linux/amd64, linux/arm64"},
		{[]ocispec.Platform{{OS: "windows", Architecture: "amd64"}}, nil, "has no image for windows/amd64"},
	} {
		reg := registrytest.New(t)
		p, _, err := s.push(t, reg, "app", transfer.Options{Platforms: test.platforms}, "v1")
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) || reg.Count("PUT", "") != 0 {
				t.Errorf("%v: %v", test.platforms, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		root := p.Roots[0]
		if test.want == nil {
			if root.Descriptor.Digest != s.root.Digest || root.Was != "" {
				t.Errorf("all platforms make another index: %+v", root)
			}
			continue
		}
		if root.Was != s.root.Digest || reg.Tag("app", "v1") != root.Descriptor.Digest {
			t.Errorf("%v: the root is %+v", test.platforms, root)
		}
		var x ocispec.Index
		if err := json.Unmarshal(reg.Manifest("app", root.Descriptor.Digest), &x); err != nil {
			t.Fatal(err)
		}
		if len(x.Manifests) != len(test.want) || x.Manifests[0].Digest != test.want[0].Digest {
			t.Errorf("%v: it has %+v", test.platforms, x.Manifests)
		}
		wholeIn(t, reg, "app", root.Descriptor.Digest)
	}
	// A single image is copied where it is for the platform.
	for name, wrong := range map[string]string{"linux/amd64": "", "linux/arm64": "has no image for linux/arm64; it has linux/amd64"} {
		want, err := imagespec.ParsePlatform(name)
		if err != nil {
			t.Fatal(err)
		}
		copied := layouttest.Open(t, t.TempDir())
		_, _, err = run(t.Context(), transfer.NewDirectory(s.store), transfer.NewDirectory(copied), rootsOf(s.amd64, "v1"), transfer.Options{Platforms: []ocispec.Platform{want}})
		if wrong != "" {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s of an image for another: %v", name, err)
			}
			continue
		}
		if desc, resolveErr := copied.Resolve(t.Context(), "v1"); err != nil || resolveErr != nil || desc.Digest != s.amd64.Digest {
			t.Errorf("%s of an image for it: %v, %v", name, err, resolveErr)
		}
	}
}

// Content keeps the algorithm of its digest.
func TestSHA512(t *testing.T) {
	src := layouttest.Open(t, t.TempDir())
	config := layouttest.Put(t, src, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	push := func(mediaType string, data []byte) ocispec.Descriptor {
		desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.SHA512.FromBytes(data), Size: int64(len(data))}
		if err := src.Push(t.Context(), desc, strings.NewReader(string(data))); err != nil {
			t.Fatal(err)
		}
		return desc
	}
	blob := push("text/plain", []byte("text"))
	data, err := json.Marshal(ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: "a/a", Config: config, Layers: []ocispec.Descriptor{blob}})
	if err != nil {
		t.Fatal(err)
	}
	root := push(ocispec.MediaTypeImageManifest, data)
	dir := filepath.Join(t.TempDir(), "copy")
	if _, _, err := run(t.Context(), transfer.NewDirectory(src), transfer.NewDirectory(layouttest.Open(t, dir)), rootsOf(root, "v1"), transfer.Options{}); err != nil {
		t.Fatal(err)
	}
	whole(t, dir)
	for _, desc := range []ocispec.Descriptor{root, blob} {
		if _, err := os.Stat(filepath.Join(dir, "blobs/sha512", desc.Digest.Encoded())); err != nil {
			t.Error(err)
		}
	}
}
