package registrytest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/layform/layform/layout/registrytest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/memory"
	"oras.land/oras-go/v2/registry/remote"
)

// A client that somebody else wrote pushes an image with a referrer, lists, and
// gets the same back: with and without the referrers API, in pages and whole.
func TestOrasClient(t *testing.T) {
	for _, set := range []func(*registrytest.Registry){
		func(*registrytest.Registry) {},
		func(r *registrytest.Registry) { r.NoReferrers, r.NoMount, r.Page = true, true, 1 },
		func(r *registrytest.Registry) { r.Page = 1 },
	} {
		reg := registrytest.New(t)
		set(reg)
		repo, err := remote.NewRepository(reg.Host() + "/team/app")
		if err != nil {
			t.Fatal(err)
		}
		repo.PlainHTTP = true
		local := memory.New()
		image := pack(t, local, nil)
		sbom := pack(t, local, &image)
		if err := local.Tag(t.Context(), image, "v1"); err != nil {
			t.Fatal(err)
		}
		for _, tag := range []string{"v1", "v2", "v3"} {
			if _, err := oras.ExtendedCopy(t.Context(), local, "v1", repo, tag, oras.DefaultExtendedCopyOptions); err != nil {
				t.Fatal(err)
			}
		}
		var tags []string
		if err := repo.Tags(t.Context(), "", func(page []string) error { tags = append(tags, page...); return nil }); err != nil {
			t.Fatal(err)
		}
		tags = slices.DeleteFunc(tags, func(tag string) bool { return tag[0] != 'v' })
		if !slices.Equal(tags, []string{"v1", "v2", "v3"}) {
			t.Errorf("tags %q", tags)
		}
		back := memory.New()
		if _, err := oras.ExtendedCopy(t.Context(), repo, "v1", back, "v1", oras.DefaultExtendedCopyOptions); err != nil {
			t.Fatal(err)
		}
		if ok, err := back.Exists(t.Context(), sbom); !ok || err != nil {
			t.Errorf("the referrer did not come back: %v", err)
		}
		if wrong := reg.Wrong("team/app"); len(wrong) > 0 {
			t.Errorf("wrong content: %v", wrong)
		}
	}
}

// pack makes an image of one small layer, with a subject if it is not nil.
func pack(t *testing.T, local *memory.Store, subject *ocispec.Descriptor) ocispec.Descriptor {
	t.Helper()
	opts := oras.PackManifestOptions{Subject: subject, ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "2000-01-01T00:00:00Z"}}
	d, err := oras.PackManifest(context.Background(), local, oras.PackManifestVersion1_1, "a/a", opts)
	if err != nil {
		t.Fatal(err)
	}
	rc, err := local.Fetch(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(rc); err != nil || !json.Valid(b.Bytes()) {
		t.Fatalf("%s, %v", b.String(), err)
	}
	return d
}

// A fault acts on the requests that it names, in their order, and is counted.
func TestFaults(t *testing.T) {
	reg := registrytest.New(t)
	reg.PutBlob("app", []byte("content"))
	reg.Fault(registrytest.Fault{Method: "GET", Path: "/v2/", After: 1, Times: 2, Status: 503})
	client := reg.Server.Client()
	var got []int
	for range 4 {
		resp, err := client.Get(reg.Server.URL + "/v2/")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, resp.StatusCode)
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{200, 503, 503, 200}; !slices.Equal(got, want) || reg.Count("GET", "/v2/") != 4 || reg.Requests()[1].Status != 503 {
		t.Errorf("answered %v, counted %d", got, reg.Count("GET", "/v2/"))
	}
	reg.NoFaults()
	reg.Fault(registrytest.Fault{CutBefore: true})
	if resp, err := client.Get(reg.Server.URL + "/v2/"); err == nil {
		_ = resp.Body.Close()
		t.Error("the connection was not cut")
	}
}
