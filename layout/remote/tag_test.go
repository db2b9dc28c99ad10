package remote_test

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// newer is a second manifest over the blobs that seed puts.
func newer(reg *registrytest.Registry) (ocispec.Descriptor, []byte) {
	data := imageOf(layerData, nil, "application/vnd.example.newer")
	reg.PutManifest("app", "", ocispec.MediaTypeImageManifest, data)
	return descriptor(ocispec.MediaTypeImageManifest, data), data
}

func TestPutTags(t *testing.T) {
	ctx := t.Context()
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	old, oldData := seed(reg, "app", "v1")
	next, nextData := newer(reg)

	t.Run("there already", func(t *testing.T) {
		reg.Forget()
		if err := r.PutTags(ctx, old, oldData, []string{"v1"}, remote.Condition{Absent: true}); err != nil {
			t.Fatal(err)
		}
		if n := len(reg.Requests()); n != 1 || reg.Count(http.MethodPut, "") != 0 {
			t.Errorf("a tag that is right took %d requests", n)
		}
	})
	t.Run("condition that does not hold", func(t *testing.T) {
		reg.Forget()
		for _, cond := range []remote.Condition{{Absent: true}, {Digest: next.Digest}} {
			var moved *remote.PreconditionError
			err := r.PutTags(ctx, next, nextData, []string{"new", "v1"}, cond)
			if !errors.As(err, &moved) || moved.Have == moved.Want {
				t.Errorf("%+v: %v", cond, err)
			}
		}
		if reg.Count(http.MethodPut, "") != 0 {
			t.Error("something was put")
		}
	})
	t.Run("condition is sent", func(t *testing.T) {
		reg.Forget()
		if err := r.PutTags(ctx, next, nextData, []string{"v1"}, remote.Condition{Digest: old.Digest}); err != nil {
			t.Fatal(err)
		}
		if err := r.PutTags(ctx, next, nextData, []string{"fresh"}, remote.Condition{Absent: true}); err != nil {
			t.Fatal(err)
		}
		var sent []string
		for _, q := range reg.Requests() {
			if q.Method == http.MethodPut {
				sent = append(sent, q.Path+" "+q.Header.Get("If-Match")+q.Header.Get("If-None-Match"))
			}
		}
		want := "/v2/app/manifests/v1 \"" + old.Digest.String() + "\"|/v2/app/manifests/fresh *"
		if got := strings.Join(sent, "|"); got != want {
			t.Errorf("sent %s\nwant %s", got, want)
		}
	})
	t.Run("bad input", func(t *testing.T) {
		reg.Forget()
		for _, err := range []error{
			r.PutTags(ctx, next, nextData, []string{"ok", "not ok"}, remote.Condition{}),
			r.PutTags(ctx, next, oldData, []string{"ok"}, remote.Condition{}),
		} {
			if err == nil {
				t.Error("no error")
			}
		}
		if n := len(reg.Requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestPutTagsOnImmutableRegistry(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	old, _ := seed(reg, "app", "v1")
	next, data := newer(reg)
	reg.Immutable = true
	for range 2 { // the second finds it there
		if err := r.PutTags(t.Context(), next, data, []string{"v2"}, remote.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := reg.Count(http.MethodPut, "/manifests/v2"); n != 1 {
		t.Errorf("the tag was put %d times", n)
	}
	err := r.PutTags(t.Context(), next, data, []string{"v1"}, remote.Condition{})
	var refused *remote.RefusedError
	if !errors.As(err, &refused) || reg.Tag("app", "v1") != old.Digest || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("an immutable tag: %v", err)
	}
}

func TestPutTagsRaces(t *testing.T) {
	for _, test := range []struct {
		name   string
		set    func(*registrytest.Registry)
		method string // of the request at which somebody moves the tag
		after  int
		cut    bool
		to     func(old, next digest.Digest) digest.Digest
		ok     bool
	}{
		{name: "moved between the look and the put", method: http.MethodPut, to: func(_, _ digest.Digest) digest.Digest { return "other" }},
		{name: "put by somebody else", method: http.MethodPut, to: func(_, next digest.Digest) digest.Digest { return next }, ok: true},
		{name: "moved behind the put", method: http.MethodHead, after: 1, to: func(_, _ digest.Digest) digest.Digest { return "other" }},
		{name: "moved behind the put, no conditions", set: func(r *registrytest.Registry) { r.NoConditions = true }, method: http.MethodHead, after: 1, to: func(_, _ digest.Digest) digest.Digest { return "other" }},
		{name: "answer lost", method: http.MethodPut, cut: true, ok: true},
		{name: "answer lost, no conditions", set: func(r *registrytest.Registry) { r.NoConditions = true }, method: http.MethodPut, cut: true, ok: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			reg := registrytest.New(t)
			if test.set != nil {
				test.set(reg)
			}
			r := open(t, reg, "app", remote.Options{})
			old, _ := seed(reg, "app", "v1")
			next, data := newer(reg)
			other := reg.PutManifest("app", "", ocispec.MediaTypeImageIndex, indexOf())
			reg.Fault(registrytest.Fault{Method: test.method, After: test.after, Times: 1, Cut: test.cut, Do: func() {
				if test.to == nil {
					return
				}
				d := test.to(old.Digest, next.Digest)
				if d == "other" {
					d = other
				}
				reg.SetTag("app", "v1", d)
			}})
			err := r.PutTags(t.Context(), next, data, []string{"v1"}, remote.Condition{Digest: old.Digest})
			var moved *remote.PreconditionError
			switch {
			case test.ok && err != nil:
				t.Error(err)
			case !test.ok && (!errors.As(err, &moved) || moved.Have != other || moved.Tag != "v1"):
				t.Errorf("not noticed: %v", err)
			}
		})
	}
}

func TestPutTagsTogether(t *testing.T) {
	ctx := t.Context()
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	seed(reg, "app", "v1")
	next, data := newer(reg)
	if err := r.PutTags(ctx, next, data, []string{"a", "b", "c"}, remote.Condition{Absent: true}); err != nil {
		t.Fatal(err)
	}
	if n := reg.Count(http.MethodPut, ""); n != 1 {
		t.Errorf("three tags took %d puts", n)
	}
	reg.NoMultiTag = true
	reg.Forget()
	if err := r.PutTags(ctx, next, data, []string{"d", "e"}, remote.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := r.PutTags(ctx, next, data, []string{"f", "g"}, remote.Condition{}); err != nil {
		t.Fatal(err)
	}
	if n := reg.Count(http.MethodPut, ""); n != 5 { // one to find out
		t.Errorf("four tags took %d puts", n)
	}
	for _, tag := range strings.Split("abcdefg", "") {
		if reg.Tag("app", tag) != next.Digest {
			t.Errorf("%s is %s", tag, reg.Tag("app", tag))
		}
	}
	// The second of two is refused: the error says what has moved.
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/y", Status: http.StatusForbidden})
	err := r.PutTags(ctx, next, data, []string{"x", "y"}, remote.Condition{})
	var denied *remote.DeniedError
	if !errors.As(err, &denied) || !strings.Contains(err.Error(), "tags x have been put") {
		t.Errorf("the error does not say what was put: %v", err)
	}
}

// Registries that store what was just uploaded with a delay are given time.
func TestManifestRightAfterItsBlobs(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	manifest := imageOf(layerData, nil, "")
	desc := descriptor(ocispec.MediaTypeImageManifest, manifest)
	_, err := r.PushManifest(t.Context(), desc.MediaType, manifest)
	var refused *remote.RefusedError
	if !errors.As(err, &refused) || len(refused.Missing) == 0 || reg.Count(http.MethodPut, "") != 1 {
		t.Errorf("a manifest without its blobs: %v, %d puts", err, reg.Count(http.MethodPut, ""))
	}
	reg.PutBlob("app", emptyJSON)
	if err := r.Push(t.Context(), layerOf(layerData), bytes.NewReader(layerData)); err != nil {
		t.Fatal(err)
	}
	unknown := `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"wait"}]}`
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/", Times: 2, Status: http.StatusBadRequest, Body: unknown})
	if _, err := r.PushManifest(t.Context(), desc.MediaType, manifest); err != nil {
		t.Error(err)
	}
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/", Status: http.StatusBadRequest, Body: unknown})
	if _, err := r.PushManifest(t.Context(), desc.MediaType, manifest); !errors.As(err, &refused) {
		t.Errorf("refused for ever: %v", err)
	}
}
