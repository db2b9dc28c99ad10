package remote_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
)

// Offline, nothing is sent, and each call says what it would have asked.
func TestOffline(t *testing.T) {
	reg := registrytest.New(t)
	repo, err := remote.Open(reg.Host()+"/team/app", remote.Options{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	blob := ocispec.Descriptor{MediaType: "text/plain", Digest: digest.FromString("x"), Size: 1}
	calls := map[string]func() error{
		"/manifests/v1":                      func() error { _, err := repo.Resolve(t.Context(), "v1"); return err },
		"/blobs/" + blob.Digest.String():     func() error { _, err := repo.Exists(t.Context(), blob); return err },
		"/blobs/uploads/":                    func() error { return repo.Push(t.Context(), blob, strings.NewReader("x")) },
		"/tags/list":                         func() error { return first(repo.Tags(t.Context(), "")) },
		"/referrers/" + blob.Digest.String(): func() error { return first(repo.Referrers(t.Context(), blob, "")) },
	}
	for path, call := range calls {
		err := call()
		var offline *remote.OfflineError
		if !errors.As(err, &offline) || !strings.Contains(err.Error(), "http://"+reg.Host()+"/v2/team/app"+path+" would have been asked") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if n := reg.Count("", ""); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func first[T any](seq func(func(T, error) bool)) (err error) {
	for _, err = range seq {
		break
	}
	return err
}
