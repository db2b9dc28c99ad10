package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/transfer"
)

// kinds are the faults that each request meets in turn, once and for ever.
var kinds = map[string]registrytest.Fault{
	"503":        {Status: 503},
	"429":        {Status: 429, RetryAfter: "0"},
	"403":        {Status: 403},
	"cut":        {Cut: true},
	"cut before": {CutBefore: true},
	"half":       {CutAfter: 10},
	"wrong":      {Wrong: true},
	"longer":     {Longer: true},
	"redirect":   {Status: 307, Location: "http://127.0.0.1:1/"},
}

// A push that fails at any request leaves no tag that names what is not there
// whole; the next push ends well.
func TestFaultsOfPush(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	if _, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1"); err != nil {
		t.Fatal(err)
	}
	total := reg.Count("", "")
	for name, fault := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for at := 0; at < total; at += step() {
				for _, fault.Times = range []int{1, 0} {
					fault.After = at
					s.pushWith(t, fault)
				}
			}
		})
	}
}

// pushWith pushes the sample to a new registry with a fault, and again without it.
func (s *sample) pushWith(t *testing.T, fault registrytest.Fault) {
	t.Helper()
	reg := registrytest.New(t)
	reg.Fault(fault)
	_, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1")
	place := fmt.Sprintf("at request %d, %d times: %v", fault.After, fault.Times, err)
	reg.NoFaults()
	if got := reg.Tag("app", "v1"); got != "" || err == nil {
		if got != s.root.Digest {
			t.Errorf("%s: the tag is %q", place, got)
		}
		wholeIn(t, reg, "app", s.root.Digest)
		wholeIn(t, reg, "app", s.sig.Digest)
	}
	if wrong := reg.Wrong("app"); len(wrong) > 0 {
		t.Errorf("%s: wrong content %v", place, wrong)
	}
	if err == nil {
		return
	}
	if _, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1"); err != nil {
		t.Errorf("%s: and again: %v", place, err)
	}
	wholeIn(t, reg, "app", s.root.Digest)
	wholeIn(t, reg, "app", s.sbom.Digest)
	if t.Failed() {
		t.FailNow()
	}
}

// step is the distance of the requests that meet a fault.
func step() int {
	if testing.Short() {
		return 7
	}
	return 1
}

// A pull that fails at any request leaves the layout with the tags that it had, and
// the next one ends well.
func TestFaultsOfPull(t *testing.T) {
	s := newSample(t)
	for name, fault := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			if _, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1"); err != nil {
				t.Fatal(err)
			}
			reg.Forget()
			if err := pull(t, reg, "app", "v1", layouttest.Open(t, t.TempDir())); err != nil {
				t.Fatal(err)
			}
			total := reg.Count("", "")
			for at := 0; at < total; at += step() {
				for _, fault.Times = range []int{1, 0} {
					fault.After = at
					s.pullWith(t, reg, fault)
				}
			}
		})
	}
}

// pullWith pulls the sample into a new layout with a fault, and again without it.
func (s *sample) pullWith(t *testing.T, reg *registrytest.Registry, fault registrytest.Fault) {
	t.Helper()
	reg.Fault(fault)
	dir := filepath.Join(t.TempDir(), "dst")
	store := layouttest.Open(t, dir)
	err := pull(t, reg, "app", "v1", store)
	place := fmt.Sprintf("at request %d, %d times: %v", fault.After, fault.Times, err)
	reg.NoFaults()
	if err != nil {
		if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
			t.Errorf("%s: there is an index.json", place)
		}
		if err := pull(t, reg, "app", "v1", store); err != nil {
			t.Errorf("%s: and again: %v", place, err)
		}
	}
	whole(t, dir)
	// Nothing vouches for a list of referrers: a wrong byte in it may lose one.
	if !fault.Wrong || err != nil {
		sameBlobs(t, s.dir, dir)
	}
	if t.Failed() {
		t.Fatal(place)
	}
}

// Wrong bytes of a blob, with the right length, are fetched once more.
func TestWrongBytesOnce(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	if _, _, err := s.push(t, reg, "app", transfer.Options{}, "v1"); err != nil {
		t.Fatal(err)
	}
	reg.Forget()
	reg.Fault(registrytest.Fault{Method: "GET", Path: "/blobs/" + string(s.layer.Digest), Times: 1, Wrong: true})
	dir := t.TempDir()
	if err := pull(t, reg, "app", "v1", layouttest.Open(t, dir)); err != nil {
		t.Fatal(err)
	}
	whole(t, dir)
	if n := reg.Count("GET", "/blobs/"+string(s.layer.Digest)); n != 2 {
		t.Errorf("the blob was fetched %d times", n)
	}
	reg.Fault(registrytest.Fault{Method: "GET", Path: "/blobs/" + string(s.layer.Digest), Wrong: true})
	if err := pull(t, reg, "app", "v1", layouttest.Open(t, t.TempDir())); err == nil {
		t.Error("wrong bytes for ever were taken")
	}
}

// An interrupt ends a transfer that stalls: one that went on waiting would not end
// before the test's own time is over.
func TestInterrupt(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	reg.Fault(registrytest.Fault{Method: "PUT", Path: "/blobs/", Stall: time.Hour, Do: cancel})
	_, _, err := run(ctx, transfer.NewDirectory(s.store), transfer.NewRepository(repository(t, reg, "app")), s.roots("v1"), transfer.Options{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if reg.Tag("app", "v1") != "" {
		t.Error("there is a tag")
	}
}

// Progress reports bytes, and every piece of content once as done.
func TestEvents(t *testing.T) {
	s := newSample(t)
	src, dst := transfer.NewDirectory(s.store), transfer.NewDirectory(layouttest.Open(t, t.TempDir()))
	p, err := transfer.Diff(t.Context(), src, dst, s.roots("v1"), transfer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var most, done int64
	_, err = transfer.Execute(t.Context(), src, dst, p, transfer.ExecuteOptions{Parallelism: 1, Event: func(e transfer.Event) {
		switch {
		case e.Kind == transfer.EventDone:
			done += e.Bytes
		case e.Descriptor.Digest == s.layer.Digest:
			most = max(most, e.Bytes)
		}
	}})
	if err != nil || most != s.layer.Size || done != p.Summary().Upload.Bytes {
		t.Errorf("progress up to %d of %d bytes, %d of %d done: %v", most, s.layer.Size, done, p.Summary().Upload.Bytes, err)
	}
}

// A sweep in the middle of a push takes nothing that the push holds, though
// index.json does not reach it any more.
func TestSweepDuringPush(t *testing.T) {
	s := newSample(t)
	reg := registrytest.New(t)
	release, err := s.store.Hold(t.Context(), []ocispec.Descriptor{s.root, s.sbom, s.sig})
	if err != nil {
		t.Fatal(err)
	}
	other := layouttest.Open(t, s.dir)
	var all []digest.Digest
	for _, name := range blobs(t, s.dir) {
		all = append(all, digest.NewDigestFromEncoded(digest.SHA256, name))
	}
	sweep := func() layout.Swept {
		unlock, err := other.Lock(t.Context(), layout.Holder{Operation: "apply"}, 0)
		if err != nil {
			t.Error(err)
			return layout.Swept{}
		}
		defer unlock()
		if _, _, err := other.Swap(t.Context(), func(x *layout.Index) error {
			x.Remove("v1")
			x.RemoveUntagged(s.sbom.Digest)
			x.RemoveUntagged(s.sig.Digest)
			return nil
		}); err != nil {
			t.Error(err)
		}
		swept, err := other.Sweep(t.Context(), all, nil)
		if err != nil {
			t.Error(err)
		}
		return swept
	}
	reg.Fault(registrytest.Fault{Method: "POST", Path: "/blobs/uploads/", Times: 1, Do: func() {
		if swept := sweep(); len(swept.Blobs) != 0 {
			t.Errorf("swept %+v", swept)
		}
	}})
	if _, _, err := s.push(t, reg, "app", transfer.Options{Referrers: true}, "v1"); err != nil {
		t.Fatal(err)
	}
	wholeIn(t, reg, "app", s.root.Digest)
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if swept := sweep(); len(swept.Blobs) != len(all) {
		t.Errorf("after the push %d of %d blobs were swept", len(swept.Blobs), len(all))
	}
}
