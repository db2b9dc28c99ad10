package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// wireFaults are what goes wrong on the wire. Those that heal must be recovered
// from when they come once or twice in a row; all others may end in an error.
var wireFaults = []struct {
	name  string
	fault registrytest.Fault
	heals bool
}{
	{"503", registrytest.Fault{Status: 503}, true},
	{"503 and Retry-After", registrytest.Fault{Status: 503, RetryAfter: "1"}, true},
	{"429", registrytest.Fault{Status: 429}, true},
	{"429 and Retry-After", registrytest.Fault{Status: 429, RetryAfter: "2"}, true},
	{"500", registrytest.Fault{Status: 500}, true},
	{"502", registrytest.Fault{Status: 502, Body: "<html>bad gateway</html>"}, true},
	{"cut before", registrytest.Fault{CutBefore: true}, true},
	{"cut after", registrytest.Fault{Cut: true}, true},
	{"cut in the body", registrytest.Fault{CutAfter: 7}, true},
	{"cut in the body, no length", registrytest.Fault{CutAfter: 7, Drop: "Content-Length"}, true},
	{"slow answer", registrytest.Fault{Stall: time.Minute}, true},
	{"slow body", registrytest.Fault{CutAfter: 7, Stall: time.Minute}, true},
	{"wrong bytes", registrytest.Fault{Wrong: true}, false},
	{"wrong length", registrytest.Fault{Longer: true}, false},
	{"no length", registrytest.Fault{Drop: "Content-Length"}, true},
	{"redirect into nothing", registrytest.Fault{Status: 307, Location: "/nothing"}, false},
	{"redirect without a place", registrytest.Fault{Status: 307}, false},
	{"empty 200", registrytest.Fault{Status: 200}, false},
	{"404", registrytest.Fault{Status: 404}, false},
	{"400", registrytest.Fault{Status: 400}, false},
	{"409", registrytest.Fault{Status: 409}, false},
	{"418", registrytest.Fault{Status: 418}, false},
}

// quick are limits under which a stalled connection ends soon.
var quick = remote.Limits{Idle: 250 * time.Millisecond, Header: 250 * time.Millisecond}

// isTyped reports whether err is one of the package's.
func isTyped(err error) bool {
	return errors.As(err, new(*remote.NotFoundError)) || errors.As(err, new(*remote.DeniedError)) ||
		errors.As(err, new(*remote.PreconditionError)) || errors.As(err, new(*remote.LimitError)) ||
		errors.As(err, new(*remote.UnavailableError)) || errors.As(err, new(*remote.ContentError)) ||
		errors.As(err, new(*remote.UntrustedError)) || errors.As(err, new(*remote.UnsupportedError)) ||
		errors.As(err, new(*remote.RefusedError))
}

// pushImage pushes an image with a tag, as a tool would.
func pushImage(ctx context.Context, r *remote.Repository) error {
	data := imageOf(layerData, nil, "")
	desc := descriptor(ocispec.MediaTypeImageManifest, data)
	for _, content := range [][]byte{layerData, emptyJSON} {
		d := layerOf(content)
		if ok, err := r.Exists(ctx, d); err != nil {
			return err
		} else if ok {
			continue
		}
		if err := r.Push(ctx, d, bytes.NewReader(content)); err != nil {
			return err
		}
	}
	if _, err := r.PushManifest(ctx, desc.MediaType, data); err != nil {
		return err
	}
	return r.PutTags(ctx, desc, data, []string{"v1"}, remote.Condition{Absent: true})
}

// pullImage pulls it, and checks all that came.
func pullImage(ctx context.Context, r *remote.Repository) error {
	data := imageOf(layerData, nil, "")
	want := descriptor(ocispec.MediaTypeImageManifest, data)
	desc, err := r.Resolve(ctx, "v1")
	if err != nil {
		return err
	}
	if desc.Digest != want.Digest || desc.MediaType != want.MediaType { // a size that lies shows when it is fetched
		return fmt.Errorf("WRONG: resolved to %v", desc)
	}
	got, err := r.FetchManifest(ctx, desc)
	if err != nil {
		return err
	}
	layer, err := fetch(r, layerOf(layerData))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, data) || !bytes.Equal(layer, layerData) {
		return fmt.Errorf("WRONG: %d bytes and %d bytes", len(got), len(layer))
	}
	tags := 0
	for tag, err := range r.Tags(ctx, "") {
		if err != nil {
			return err
		}
		if tags++; tag != "v1" {
			return fmt.Errorf("WRONG: tag %s", tag)
		}
	}
	for _, err := range r.Referrers(ctx, desc, "") {
		if err != nil {
			return err
		}
	}
	if tags != 1 {
		return fmt.Errorf("WRONG: %d tags", tags)
	}
	return nil
}

// Each fault at each request of a push and of a pull, once, twice in a row and for
// ever: the operation recovers, or ends in a typed error, soon; what came is right,
// and so is what the registry holds.
func TestFaultsAtEachRequest(t *testing.T) {
	var points atomic.Int64
	for _, op := range []struct {
		name string
		run  func(context.Context, *remote.Repository) error
		seed bool
	}{{"push", pushImage, false}, {"pull", pullImage, true}} {
		reg := registrytest.New(t)
		if op.seed {
			seed(reg, "app", "v1")
		}
		if err := op.run(t.Context(), open(t, reg, "app", remote.Options{})); err != nil {
			t.Fatalf("%s without a fault: %v", op.name, err)
		}
		requests := len(reg.Requests())
		for _, f := range wireFaults {
			t.Run(op.name+" "+f.name, func(t *testing.T) {
				t.Parallel()
				for at := range requests {
					for _, times := range []int{1, 2, 0} {
						if f.fault.Stall > 0 && (times != 1 && at > 0 || testing.Short() && at > 2) {
							continue // takes real time, and one request is like the other
						}
						points.Add(1)
						checkFault(t, registrytest.New(t), op.run, op.seed, f.fault, f.heals, at, times)
					}
				}
			})
		}
	}
	t.Cleanup(func() { t.Logf("%d points", points.Load()) })
}

// The same over TLS with HTTP/2, whose errors are others.
func TestFaultsOverHTTP2(t *testing.T) {
	for _, f := range wireFaults[:12] {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && f.fault.Stall > 0 {
				t.Skip("takes real time")
			}
			for at := range 5 {
				checkFault(t, registrytest.NewTLS(t, nil), pushImage, false, f.fault, f.heals, at, 1)
				checkFault(t, registrytest.NewTLS(t, nil), pullImage, true, f.fault, f.heals, at, 1)
			}
		})
	}
}

func checkFault(t *testing.T, reg *registrytest.Registry, run func(context.Context, *remote.Repository) error, seeded bool, fault registrytest.Fault, heals bool, at, times int) {
	t.Helper()
	if seeded {
		seed(reg, "app", "v1")
	}
	var opts remote.Options
	if strings.HasPrefix(reg.Server.URL, "https") {
		opts.TLS = []remote.TLS{{Roots: pool(reg.Server)}}
	}
	if fault.Stall > 0 {
		opts.Limits = quick
	}
	r := open(t, reg, "app", opts)
	fault.After, fault.Times = at, times
	reg.Fault(fault)
	err := run(t.Context(), r)
	where := fmt.Sprintf("request %d, %d times", at, times)
	switch {
	case err != nil && strings.HasPrefix(err.Error(), "WRONG"):
		t.Errorf("%s: %v", where, err)
	case err != nil && !isTyped(err):
		t.Errorf("%s: an error without a type: %v", where, err)
	case err != nil && heals && times > 0:
		t.Errorf("%s: not recovered: %v", where, err)
	}
	if wrong := reg.Wrong("app"); len(wrong) > 0 {
		t.Errorf("%s: the registry holds wrong content", where)
	}
	if n := len(reg.Requests()); n > 80 {
		t.Errorf("%s: %d requests", where, n)
	}
	if err == nil && !seeded {
		reg.NoFaults()
		if err := pullImage(t.Context(), r); err != nil {
			t.Errorf("%s: the push said nothing, and: %v", where, err)
		}
	}
}

// A download that is cut again and again goes on where it was.
func TestDownloadResumes(t *testing.T) {
	for name, fault := range map[string]registrytest.Fault{
		"range":          {},
		"range ignored":  {Do: nil, Header: http.Header{"X-Ignore": {"1"}}},
		"wrong range":    {Header: http.Header{"Content-Range": {"bytes 0-9/10"}}},
		"no length":      {Drop: "Content-Length"},
		"stalled bodies": {Stall: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			reg.PutBlob("app", layerData)
			if name == "range ignored" {
				reg.Handler = func(_ http.ResponseWriter, r *http.Request) bool {
					r.Header.Del("Range")
					return false
				}
			}
			fault.Times, fault.CutAfter = 4, 30_000
			reg.Fault(fault)
			var opts remote.Options
			if fault.Stall > 0 {
				opts.Limits = quick
			}
			r := open(t, reg, "app", opts)
			got, err := fetch(r, layerOf(layerData))
			if name == "range ignored" || name == "wrong range" {
				// Each attempt begins at the start and gets no further: an error is right.
				if err == nil && !bytes.Equal(got, layerData) || err != nil && !isTyped(err) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				return
			}
			if err != nil || !bytes.Equal(got, layerData) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			var ranges []string
			for _, q := range reg.Requests() {
				ranges = append(ranges, q.Header.Get("Range"))
			}
			ranges = slices.Compact(ranges) // where the machine is busy, an attempt may come to nothing
			if want := []string{"", "bytes=30000-", "bytes=60000-", "bytes=90000-", "bytes=120000-"}; !slices.Equal(ranges, want) {
				t.Errorf("asked for %q", ranges)
			}
		})
	}
}

// Progress does not buy endless patience: little progress none, and much only
// until the waits are spent.
func TestDownloadThatNeverEnds(t *testing.T) {
	large := blobOf(4 << 20)
	for after, most := range map[int]int{1: 6, 70_000: 30} {
		wait := 3 * time.Second
		if after == 1 {
			wait = time.Hour
		}
		reg := registrytest.New(t)
		reg.PutBlob("app", large)
		reg.Fault(registrytest.Fault{CutAfter: after})
		r := open(t, reg, "app", remote.Options{Limits: remote.Limits{Wait: wait}})
		waited := r.FakeWaits()
		_, err := fetch(r, layerOf(large))
		if n := len(reg.Requests()); !errors.As(err, new(*remote.UnavailableError)) || *waited > wait || n > most {
			t.Errorf("cut after %d bytes: %v after %s and %d requests", after, err, *waited, n)
		}
	}
}

// An upload whose answer was lost is not sent again.
func TestUploadWhoseAnswerIsLost(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{})
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Times: 1, Cut: true})
	source := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layerData)), nil }
	how, err := r.PushFrom(t.Context(), layerOf(layerData), source, "")
	if err != nil || how != remote.Existing || reg.Count(http.MethodPut, "") != 1 {
		t.Errorf("%q, %v, %d uploads", how, err, reg.Count(http.MethodPut, ""))
	}
}

// A plain reader is sent once, and the error says why not again.
func TestUploadOfWhatCanBeReadOnce(t *testing.T) {
	reg := registrytest.New(t)
	r := open(t, reg, "app", remote.Options{Limits: remote.Limits{Document: 1000}})
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Times: 1, CutBefore: true})
	err := r.Push(t.Context(), layerOf(layerData), io.MultiReader(bytes.NewReader(layerData)))
	if err == nil || !strings.Contains(err.Error(), "only once") {
		t.Errorf("%v", err)
	}
	if err := r.Push(t.Context(), layerOf(layerData), io.MultiReader(bytes.NewReader(layerData))); err != nil {
		t.Error(err)
	}
}
