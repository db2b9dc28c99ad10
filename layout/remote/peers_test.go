package remote_test

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/layform/layform/layout/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A registry that somebody else wrote takes and gives all that the client has.
func TestGoContainerRegistry(t *testing.T) {
	for _, referrersAPI := range []bool{true, false} {
		server := httptest.NewServer(registry.New(registry.WithReferrersSupport(referrersAPI), registry.Logger(log.New(io.Discard, "", 0))))
		defer server.Close()
		r, err := remote.Open(strings.TrimPrefix(server.URL, "http://")+"/app", remote.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if err := pushImage(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := pullImage(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		desc, err := r.Resolve(t.Context(), "v1")
		if err != nil {
			t.Fatal(err)
		}
		data := imageOf(layerData, &desc, "a/a")
		if err := r.Push(t.Context(), descriptor(ocispec.MediaTypeImageManifest, data), strings.NewReader(string(data))); err != nil {
			t.Fatal(err)
		}
		if got := referrers(t, r, desc, ""); len(got) != 1 || got[0].Digest != descriptor("", data).Digest {
			t.Errorf("referrers API %v: found %v", referrersAPI, got)
		}
		if err := r.PutTags(t.Context(), desc, imageOf(layerData, nil, ""), []string{"a", "b"}, remote.Condition{Absent: true}); err != nil {
			t.Errorf("tags: %v", err)
		}
		if err := r.Untag(t.Context(), "a", desc.Digest); err != nil {
			t.Errorf("untag: %v", err)
		}
	}
}
