package remote_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
)

// refer puts a referrer of subject into the registry, without a request.
func refer(reg *registrytest.Registry, subject ocispec.Descriptor, artifactType string) ocispec.Descriptor {
	data := imageOf(layerData, &subject, artifactType)
	reg.PutManifest("app", "", ocispec.MediaTypeImageManifest, data)
	d := descriptor(ocispec.MediaTypeImageManifest, data)
	d.ArtifactType, d.Annotations = artifactType, map[string]string{"note": "a<b"}
	return d
}

func digests(list []ocispec.Descriptor) []string {
	var all []string
	for _, d := range list {
		all = append(all, d.Digest.String())
	}
	slices.Sort(all)
	return all
}

func referrers(t *testing.T, r *remote.Repository, desc ocispec.Descriptor, artifactType string) []ocispec.Descriptor {
	t.Helper()
	var all []ocispec.Descriptor
	for d, err := range r.Referrers(t.Context(), desc, artifactType) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
	}
	return all
}

func TestReferrersByAPI(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	desc, _ := seed(reg, "app", "v1")
	want := []ocispec.Descriptor{refer(reg, desc, "a/a"), refer(reg, desc, "b/b"), refer(reg, desc, "c/c")}
	for _, page := range []int{0, 1, 2} {
		reg.Page = page
		if got := referrers(t, r, desc, ""); !slices.Equal(digests(got), digests(want)) {
			t.Errorf("pages of %d: %v", page, got)
		}
		if got := referrers(t, r, desc, "b/b"); len(got) != 1 || got[0].Digest != want[1].Digest {
			t.Errorf("pages of %d, b/b: %v", page, got)
		}
	}
	reg.Fault(registrytest.Fault{Path: "/referrers/", Status: http.StatusForbidden})
	for _, err := range r.Referrers(t.Context(), desc, "") {
		if !errors.As(err, new(*remote.DeniedError)) {
			t.Errorf("denied: %v", err)
		}
	}
}

// Every way in which registries say that they have no referrers API.
func TestReferrersByTag(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"404":  {Status: http.StatusNotFound},
		"400":  {Status: http.StatusBadRequest},
		"405":  {Status: http.StatusMethodNotAllowed},
		"501":  {Status: http.StatusNotImplemented},
		"html": {Status: http.StatusOK, Body: "<html>welcome</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.New(t)
			r := open(t, reg, "app", remote.Options{})
			desc, _ := seed(reg, "app", "v1")
			fault.Path = "/referrers/"
			reg.Fault(fault)
			if got := referrers(t, r, desc, ""); len(got) != 0 {
				t.Errorf("found %v", got)
			}
			real := refer(reg, desc, "a/a")
			listed := real
			listed.ArtifactType, listed.Annotations = "", nil // as poor tools write it
			foreign := refer(reg, real, "b/b")                // its subject is another
			gone := descriptor(ocispec.MediaTypeImageManifest, []byte("gone"))
			reg.PutManifest("app", remote.ReferrersTag(desc.Digest), ocispec.MediaTypeImageIndex, indexOf(listed, foreign, desc, gone, layerOf(layerData), listed))
			got := referrers(t, r, desc, "")
			if len(got) != 1 || got[0].Digest != real.Digest || got[0].ArtifactType != "a/a" || got[0].Annotations["note"] != "a<b" {
				t.Errorf("found %v", got)
			}
			if n := reg.Count("", "/referrers/"); n != 1 {
				t.Errorf("the API was asked for %d times", n)
			}
			// A registry that takes the tag for the digest.
			index := indexOf(desc)
			reg.PutManifest("app", remote.ReferrersTag(digest.FromBytes(index)), ocispec.MediaTypeImageIndex, index)
			reg.Forget()
			if got := referrers(t, r, descriptor(ocispec.MediaTypeImageIndex, index), ""); len(got) != 0 || len(reg.Requests()) != 1 {
				t.Errorf("the children of an index are its referrers: %v, %d requests", got, len(reg.Requests()))
			}
		})
	}
}

// A repository that does not exist yet says nothing about the API.
func TestReferrersOfNewRepository(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	desc, _ := seed(reg, "app", "v1")
	unknown := `{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}`
	reg.Fault(registrytest.Fault{Path: "/referrers/", Times: 1, Status: http.StatusNotFound, Body: unknown})
	if got := referrers(t, r, desc, ""); len(got) != 0 {
		t.Errorf("found %v", got)
	}
	want := refer(reg, desc, "a/a")
	if got := referrers(t, r, desc, ""); len(got) != 1 || got[0].Digest != want.Digest {
		t.Errorf("found %v", got)
	}
}

func TestReferrersTag(t *testing.T) {
	for d, want := range map[digest.Digest]string{
		digest.FromString(""):        "sha256-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		digest.SHA512.FromString(""): "sha512-cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce",
	} {
		if got := remote.ReferrersTag(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
		if whole := strings.Replace(d.String(), ":", "-", 1); !remote.IsReferrersTag(want) || !remote.IsReferrersTag(whole) {
			t.Errorf("%s or %s is taken for an image", want, whole)
		}
	}
	hex := strings.Repeat("0123", 16)
	for _, image := range []string{"", "v1", "sha256", "sha256-", "sha256-" + hex[1:], "sha256-" + hex + "0", "sha256-" + hex + ".sig", "sha256-" + hex[1:] + "G", "sha1-" + hex, "sha512-" + hex + hex[1:]} {
		if remote.IsReferrersTag(image) {
			t.Errorf("%q is taken for a list of referrers", image)
		}
	}
}

func TestAddReferrers(t *testing.T) {
	ctx := t.Context()
	reg := registrytest.New(t)
	reg.NoReferrers = true
	r := open(t, reg, "app", remote.Options{})
	desc, _ := seed(reg, "app", "v1")
	a, b, c := refer(reg, desc, "a/a"), refer(reg, desc, "b/b"), refer(reg, desc, "c/c")
	tag := remote.ReferrersTag(desc.Digest)
	if err := r.AddReferrers(ctx, desc, []ocispec.Descriptor{a, a}); err != nil {
		t.Fatal(err)
	}
	// Somebody else writes at the same moment: both are there in the end.
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Times: 1, Do: func() {
		reg.PutManifest("app", tag, ocispec.MediaTypeImageIndex, indexOf(a, b))
	}})
	if err := r.AddReferrers(ctx, desc, []ocispec.Descriptor{c}); err != nil {
		t.Fatal(err)
	}
	if got := referrers(t, r, desc, ""); !slices.Equal(digests(got), digests([]ocispec.Descriptor{a, b, c})) {
		t.Errorf("found %v", got)
	}
	reg.Forget()
	if err := r.AddReferrers(ctx, desc, []ocispec.Descriptor{b, c}); err != nil || reg.Count(http.MethodPut, "") != 0 {
		t.Errorf("nothing to add: %v, %d puts", err, reg.Count(http.MethodPut, ""))
	}
	// A writer that never rests.
	others := 0
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Do: func() {
		others++
		reg.PutManifest("app", tag, ocispec.MediaTypeImageIndex, indexOf(a, descriptor(ocispec.MediaTypeImageManifest, []byte{byte(others)})))
	}})
	var moved *remote.PreconditionError
	late := refer(reg, desc, "d/d")
	if err := r.AddReferrers(ctx, desc, []ocispec.Descriptor{late}); !errors.As(err, &moved) || others != 5 {
		t.Errorf("a writer that never rests: %v after %d attempts", err, others)
	}
}

// The bytes of the list are canonical: two writers write the same.
func TestReferrersIndexBytes(t *testing.T) {
	reg := registrytest.New(t)
	reg.NoReferrers = true
	r := open(t, reg, "app", remote.Options{})
	subject := descriptor(ocispec.MediaTypeImageManifest, []byte("subject"))
	entry := ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString("entry"), Size: 5,
		ArtifactType: "application/spdx+json", Annotations: map[string]string{"b": "<", "a": "1"},
	}
	if err := r.AddReferrers(t.Context(), subject, []ocispec.Descriptor{entry}); err != nil {
		t.Fatal(err)
	}
	got := string(reg.Manifest("app", reg.Tag("app", remote.ReferrersTag(subject.Digest))))
	want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` +
		entry.Digest.String() + `","size":5,"annotations":{"a":"1","b":"<"},"artifactType":"application/spdx+json"}]}` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("no JSON")
	}
}

// Push lists what the registry does not list itself, and only then.
func TestPushOfReferrer(t *testing.T) {
	for _, without := range []bool{true, false} {
		reg := registrytest.New(t)
		reg.NoReferrers = without
		r := open(t, reg, "app", remote.Options{})
		desc, _ := seed(reg, "app", "v1")
		data := imageOf(layerData, &desc, "a/a")
		d := descriptor(ocispec.MediaTypeImageManifest, data)
		if err := r.Push(t.Context(), d, strings.NewReader(string(data))); err != nil {
			t.Fatal(err)
		}
		if got := referrers(t, r, desc, "a/a"); len(got) != 1 || got[0].Digest != d.Digest {
			t.Errorf("without API %v: %v", without, got)
		}
		if listed := reg.Tag("app", remote.ReferrersTag(desc.Digest)) != ""; listed != without {
			t.Errorf("without API %v: the tag exists: %v", without, listed)
		}
	}
}

func TestWalkReferrers(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{Limits: remote.Limits{Depth: 3}})
	desc, _ := seed(reg, "app", "v1")
	a := refer(reg, desc, "a/a")
	b := refer(reg, a, "b/b")
	refer(reg, b, "c/c")
	walk := func() (n int, err error) {
		for _, err := range r.WalkReferrers(t.Context(), desc) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	if n, err := walk(); n != 3 || err != nil {
		t.Errorf("found %d, %v", n, err)
	}
	refer(reg, refer(reg, b, "c/c"), "d/d")
	if _, err := walk(); !errors.As(err, new(*remote.LimitError)) {
		t.Errorf("deeper than the limit: %v", err)
	}
}

// An answer of the referrers API that is damaged is not taken for that of a registry
// without the API, which would lose the referrers without a word.
func TestReferrersDamaged(t *testing.T) {
	for _, fault := range []registrytest.Fault{{Longer: true}, {Drop: "Content-Length", Longer: true}} {
		reg := registrytest.New(t)
		r := open(t, reg, "app", remote.Options{})
		desc, _ := seed(reg, "app", "v1")
		refer(reg, desc, "a/a")
		fault.Path = "/referrers/"
		reg.Fault(fault)
		var failed error
		for _, err := range r.Referrers(t.Context(), desc, "") {
			failed = err
		}
		var wrong *remote.ContentError
		if !errors.As(failed, &wrong) {
			t.Errorf("%+v: %v", fault, failed)
		}
	}
}
