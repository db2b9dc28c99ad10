package base_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/planner/base"
	"github.com/layform/layform/spec"
)

// shelf is a Source that holds what was put there.
type shelf struct {
	blobs    map[digest.Digest][]byte
	roots    map[string]ocispec.Descriptor
	resolved atomic.Int64
}

func newShelf() *shelf {
	return &shelf{blobs: map[digest.Digest][]byte{}, roots: map[string]ocispec.Descriptor{}}
}

func (s *shelf) Resolve(_ context.Context, name string) (ocispec.Descriptor, error) {
	s.resolved.Add(1)
	if d, ok := s.roots[name]; ok {
		return d, nil
	}
	return ocispec.Descriptor{}, fmt.Errorf("there is no %q", name)
}

func (s *shelf) Fetch(_ context.Context, d ocispec.Descriptor) (io.ReadCloser, error) {
	data, ok := s.blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("there is no %s", d.Digest)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (s *shelf) put(mediaType string, document any) ocispec.Descriptor {
	data, ok := document.([]byte)
	if !ok {
		data, _ = json.Marshal(document)
	}
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	s.blobs[d.Digest] = data
	return d
}

const plainConfig = `{"created":"2020-01-02T03:04:05.678Z","author":"me","architecture":"arm64","os":"linux","variant":"v8","docker_version":"1",
 "config":{"User":"","Env":["PATH=/bin","X"],"Cmd":["sh"],"Entrypoint":null,"Labels":{"a":"b"},"Healthcheck":{"Test":["NONE"]}},
 "rootfs":{"type":"layers","diff_ids":["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]},
 "history":[{"created":"2020-01-01T00:00:00.1Z","created_by":"x","x":1},{"empty_layer":true}]}`

// image puts an image with a config and one layer.
func (s *shelf) image(config string) ocispec.Descriptor {
	c := s.put(ocispec.MediaTypeImageConfig, []byte(config))
	l := s.put(ocispec.MediaTypeImageLayerGzip, []byte("a layer"))
	return s.put(ocispec.MediaTypeImageManifest, map[string]any{
		"schemaVersion": 2, "mediaType": ocispec.MediaTypeImageManifest, "config": c, "layers": []ocispec.Descriptor{l}, "annotations": map[string]string{"k": "v"},
	})
}

func (s *shelf) index(entries ...ocispec.Descriptor) ocispec.Descriptor {
	return s.put(ocispec.MediaTypeImageIndex, map[string]any{"schemaVersion": 2, "manifests": entries})
}

func on(d ocispec.Descriptor, system, architecture, variant string) ocispec.Descriptor {
	d.Platform = &ocispec.Platform{OS: system, Architecture: architecture, Variant: variant}
	return d
}

// resolve looks one reference up.
func resolve(t *testing.T, s *shelf, from, platform string) (*spec.BaseImage, hcl.Diagnostics) {
	t.Helper()
	r, err := ref.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	b := &spec.Base{From: r}
	if platform != "" {
		p, err := imagespec.ParsePlatform(platform)
		if err != nil {
			t.Fatal(err)
		}
		b.Platform = &p
	}
	a := spec.Address{Kind: spec.KindBase, Name: "b"}
	resolver := base.Resolver{Open: func(context.Context, ref.Reference) (base.Source, error) { return s, nil }}
	images, diags := resolver.Resolve(t.Context(), []spec.BaseRequest{{Address: a, Base: b, Range: hcl.Range{Filename: "x.hcl"}}})
	return images[a], diags
}

func TestImageOfAnIndex(t *testing.T) {
	s := newShelf()
	arm := s.image(plainConfig)
	amd := s.image(strings.NewReplacer(`"arm64"`, `"amd64"`, `"variant":"v8",`, "").Replace(plainConfig))
	s.roots["1"] = s.index(on(amd, "linux", "amd64", ""), on(arm, "linux", "arm64", "v8"), on(arm, "unknown", "unknown", ""))
	got, diags := resolve(t, s, "docker://example.com/x:1", "linux/arm64")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if got.Name != "example.com/x:1" || !got.Registry || got.Index != s.roots["1"].Digest || got.Root() != got.Index || got.Descriptor.Digest != arm.Digest {
		t.Errorf("%+v", got)
	}
	want := &spec.Config{
		MediaType: ocispec.MediaTypeImageConfig,
		Image: &spec.Image{
			Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"},
			Env:      []string{"PATH=/bin", "X"}, Cmd: []string{"sh"}, Labels: map[string]string{"a": "b"},
		},
		Extra:       map[string]json.RawMessage{"docker_version": json.RawMessage(`"1"`)},
		ConfigExtra: map[string]json.RawMessage{"Healthcheck": json.RawMessage(`{"Test":["NONE"]}`)},
	}
	author := "me"
	want.Image.Author = &author
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if string(got.History[0]) != `{"created":"2020-01-01T00:00:00.1Z","created_by":"x","x":1}` || string(got.Created) != `"2020-01-02T03:04:05.678Z"` {
		t.Errorf("history %s, created %s", got.History, got.Created)
	}
	if n := len(got.Blobs); n != 3 || got.Blobs[0].Data == nil || got.Blobs[1].Data != nil || got.Blobs[2].Digest != arm.Digest {
		t.Errorf("blobs %+v", got.Blobs)
	}
}

func TestIndexAsAWhole(t *testing.T) {
	s := newShelf()
	arm := s.image(plainConfig)
	s.roots["1"] = s.index(on(arm, "linux", "arm64", "v8"), on(arm, "linux", "arm", ""))
	got, diags := resolve(t, s, "oci:dir:1", "")
	if diags.HasErrors() || got.Config != nil || got.Index != "" || got.Name != "oci:dir:1" || got.Registry {
		t.Fatalf("%+v, %v", got, diags)
	}
	if len(got.Blobs) != 4 || got.Blobs[3].Digest != s.roots["1"].Digest {
		t.Errorf("blobs %+v", got.Blobs)
	}
}

func TestWrongImages(t *testing.T) {
	other := func(old, new string) func(*shelf) ocispec.Descriptor {
		return func(s *shelf) ocispec.Descriptor {
			text := strings.Replace(plainConfig, old, new, 1)
			if text == plainConfig {
				t.Fatalf("the config has no %q", old)
			}
			return s.image(text)
		}
	}
	for name, c := range map[string]struct {
		root     func(*shelf) ocispec.Descriptor
		platform string
		want     string
	}{
		"another platform":      {func(s *shelf) ocispec.Descriptor { return s.image(plainConfig) }, "linux/amd64", "has no image for linux/amd64; it has linux/arm64/v8"},
		"platform not in index": {func(s *shelf) ocispec.Descriptor { return s.index(on(s.image(plainConfig), "linux", "arm64", "v8")) }, "linux/s390x", "has no image for linux/s390x; it has linux/arm64/v8"},
		"no platforms":          {func(s *shelf) ocispec.Descriptor { return s.index(s.image(plainConfig)) }, "linux/s390x", "has no image for linux/s390x; it has linux/arm64/v8"},
		"no manifest":           {func(s *shelf) ocispec.Descriptor { return s.put("text/plain", []byte("x")) }, "", "is of type text/plain, and no manifest or index"},
		"both": {func(s *shelf) ocispec.Descriptor {
			return s.put(ocispec.MediaTypeImageIndex, []byte(`{"schemaVersion":2,"manifests":[],"layers":[]}`))
		}, "", "cannot be understood"},
		"diffIDs":        {other(`"diff_ids":["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]`, `"diff_ids":[]`), "", "it has 1 layers, and its config"},
		"no diffIDs":     {other(`"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"`, `"x"`), "", `the diffID "x"`},
		"case":           {other(`"User"`, `"USER"`), "", `its member "USER" is "User" for some readers`},
		"env of numbers": {other(`["PATH=/bin","X"]`, `[1]`), "", "Env"},
		"no JSON":        {other(`"author":"me",`, `"author":`), "", "cannot be understood"},
		"a layer that is gone": {func(s *shelf) ocispec.Descriptor {
			d := s.image(plainConfig)
			delete(s.blobs, digest.FromString(plainConfig))
			return d
		}, "", "there is no sha256:"},
		"endless indexes": {func(s *shelf) ocispec.Descriptor {
			d := on(s.image(plainConfig), "linux", "arm64", "v8")
			for range 20 {
				d = on(s.index(d), "linux", "arm64", "v8")
			}
			return d
		}, "linux/arm64", "nested more than"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			s.roots["1"] = c.root(s)
			got, diags := resolve(t, s, "oci:dir:1", c.platform)
			var unusable *base.UnusableError
			if e, ok := diags[0].Extra.(*base.UnusableError); !ok || !errors.As(e, &unusable) || unusable.Address.Name != "b" {
				t.Errorf("the diagnostic carries %v", diags[0].Extra)
			}
			if got != nil || !diags.HasErrors() || !strings.Contains(diags.Error(), c.want) || diags[0].Subject == nil {
				t.Errorf("%+v, %v; want %q", got, diags, c.want)
			}
		})
	}
}

// fixedPin pins every base to one digest.
type fixedPin digest.Digest

func (f fixedPin) Pin(*spec.Base) (digest.Digest, string, error) {
	return digest.Digest(f), "layform.lock.hcl:4", nil
}

func (fixedPin) Found(*spec.Base, digest.Digest) { panic("a pinned base was looked for") }

// notedPins pins nothing, and notes what references lead to.
type notedPins struct {
	mu    sync.Mutex
	found map[digest.Digest]int
}

func (*notedPins) Pin(*spec.Base) (digest.Digest, string, error) { return "", "", nil }

func (n *notedPins) Found(_ *spec.Base, d digest.Digest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.found[d]++
}

// refusedPins pins nothing, and lets nothing be looked up.
type refusedPins struct{ notedPins }

func (*refusedPins) Pin(*spec.Base) (digest.Digest, string, error) {
	return "", "", errors.New("run layform lock")
}

// TestPins: a reference without a pin is told with the digest of the index, an error names
// the place of the pin it is about, and what has to be pinned is not looked up.
func TestPins(t *testing.T) {
	s := newShelf()
	arm := s.image(plainConfig)
	s.roots["1"] = s.index(on(arm, "linux", "arm64", "v8"))
	r, _ := ref.Parse("docker://example.com/x:1")
	requests := []spec.BaseRequest{{
		Address: spec.Address{Kind: spec.KindBase, Name: "b"},
		Base:    &spec.Base{From: r, Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}},
	}}
	open := func(context.Context, ref.Reference) (base.Source, error) { return s, nil }
	noted := &notedPins{found: map[digest.Digest]int{}}
	if _, diags := (&base.Resolver{Open: open, Pins: noted}).Resolve(t.Context(), requests); diags.HasErrors() || noted.found[s.roots["1"].Digest] != 1 {
		t.Errorf("%v, %v", diags, noted.found)
	}
	_, diags := (&base.Resolver{Open: open, Pins: fixedPin(digest.FromString("gone"))}).Resolve(t.Context(), requests)
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "(the digest is that of layform.lock.hcl:4)") {
		t.Errorf("%v", diags)
	}
	s.resolved.Store(0)
	_, diags = (&base.Resolver{Open: open, Pins: &refusedPins{}}).Resolve(t.Context(), requests)
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "run layform lock") || s.resolved.Load() != 0 {
		t.Errorf("%v, looked up %d times", diags, s.resolved.Load())
	}
}

// TestReferencesAreLookedUpOnce for all platforms, and pinned ones by their digest.
func TestReferencesAreLookedUpOnce(t *testing.T) {
	s := newShelf()
	arm := s.image(plainConfig)
	s.roots["1"] = s.index(on(arm, "linux", "arm64", "v8"), on(arm, "linux", "arm64", "v9"))
	s.roots[s.roots["1"].Digest.String()] = s.roots["1"]
	var requests []spec.BaseRequest
	for i := range 20 {
		r, _ := ref.Parse("docker://example.com/x:1")
		requests = append(requests, spec.BaseRequest{
			Address: spec.Address{Kind: spec.KindBase, Name: "b", Key: fmt.Sprint(i), Keyed: true},
			Base:    &spec.Base{From: r, Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}},
		})
	}
	pinned := false
	for _, r := range []base.Resolver{
		{Open: func(context.Context, ref.Reference) (base.Source, error) { return s, nil }, Parallelism: 20},
		{Open: func(_ context.Context, r ref.Reference) (base.Source, error) {
			pinned = r.Image.Digest == s.roots["1"].Digest
			return s, nil
		}, Pins: fixedPin(s.roots["1"].Digest)},
	} {
		s.resolved.Store(0)
		images, diags := r.Resolve(t.Context(), requests)
		if diags.HasErrors() || len(images) != 20 || s.resolved.Load() != 1 || images[requests[7].Address].Name != "example.com/x:1" {
			t.Errorf("%v, %d images, looked up %d times", diags, len(images), s.resolved.Load())
		}
	}
	if !pinned {
		t.Error("the tag was looked up, and not its pin")
	}
	failing := base.Resolver{Open: func(context.Context, ref.Reference) (base.Source, error) {
		return nil, errors.New("closed on Sundays.")
	}}
	if _, diags := failing.Resolve(t.Context(), requests[:2]); len(diags) != 2 || !strings.HasSuffix(diags[0].Detail, "cannot be used: closed on Sundays.") {
		t.Errorf("%v", diags)
	}
}

// TestPinnedLayouts holds that an image of a layout that is pinned is found by its digest
// alone: its name may mean another one by now.
func TestPinnedLayouts(t *testing.T) {
	s := newShelf()
	old := s.image(plainConfig)
	s.roots[old.Digest.String()] = old
	s.roots["1"] = s.image(strings.Replace(plainConfig, `"me"`, `"you"`, 1))
	r, err := ref.Parse("oci:dir:1")
	if err != nil {
		t.Fatal(err)
	}
	a := spec.Address{Kind: spec.KindBase, Name: "b"}
	var opened ref.Reference
	resolver := base.Resolver{Pins: fixedPin(old.Digest), Open: func(_ context.Context, r ref.Reference) (base.Source, error) {
		opened = r
		return s, nil
	}}
	images, diags := resolver.Resolve(t.Context(), []spec.BaseRequest{{Address: a, Base: &spec.Base{From: r, Pin: true}}})
	if diags.HasErrors() || images[a].Descriptor.Digest != old.Digest || images[a].Name != "oci:dir:1" {
		t.Errorf("%+v, %v", images[a], diags)
	}
	if want := "oci:dir@" + old.Digest.String(); opened.String() != want {
		t.Errorf("%s was opened, not %s", opened, want)
	}
}

// TestLargeIndex holds that what is kept of an index is bounded, and that what it lists
// twice is read once.
func TestLargeIndex(t *testing.T) {
	src := &counted{shelf: newShelf()}
	find := func(entries ...ocispec.Descriptor) (*spec.BaseImage, hcl.Diagnostics) {
		t.Helper()
		src.roots["1"] = src.index(entries...)
		src.fetched.Store(0)
		r, err := ref.Parse("oci:dir:1")
		if err != nil {
			t.Fatal(err)
		}
		a := spec.Address{Kind: spec.KindBase, Name: "b"}
		resolver := base.Resolver{Open: func(context.Context, ref.Reference) (base.Source, error) { return src, nil }}
		images, diags := resolver.Resolve(t.Context(), []spec.BaseRequest{{Address: a, Base: &spec.Base{From: r}}})
		return images[a], diags
	}
	one := src.image(plainConfig)
	if got, diags := find(one, one, one, one); diags.HasErrors() || len(got.Blobs) != 4 || src.fetched.Load() != 3 {
		t.Errorf("%+v, %v, %d documents were read", got, diags, src.fetched.Load())
	}
	var entries []ocispec.Descriptor
	for i := range 17 {
		entries = append(entries, src.image(strings.Repeat(" ", imagespec.MaxDocument-i)))
	}
	if _, diags := find(entries...); !diags.HasErrors() || !strings.Contains(diags.Error(), "its manifests, indexes and configs have more than") {
		t.Errorf("%v", diags)
	}
}
