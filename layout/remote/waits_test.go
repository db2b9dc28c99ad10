package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/layform/layform/layout/registrytest"
	"github.com/layform/layform/layout/remote"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestRetryAfter(t *testing.T) {
	for name, test := range map[string]struct {
		header string
		ok     bool
	}{
		"seconds": {"7", true}, "nothing": {"", true}, "negative": {"-5", true}, "nonsense": {"soon", true},
		"a date that has passed": {"Wed, 21 Oct 2015 07:28:00 GMT", true},
		"an hour":                {"3600", false}, "for ever": {"9223372036854775807", true},
		"a date in the future": {"Wed, 21 Oct 2999 07:28:00 GMT", false},
	} {
		reg := registrytest.New(t)
		seed(reg, "app", "v1")
		reg.Fault(registrytest.Fault{Status: http.StatusServiceUnavailable, RetryAfter: test.header, Times: 1})
		r := open(t, reg, "app", remote.Options{})
		waited := r.FakeWaits()
		_, err := r.Resolve(t.Context(), "v1")
		var down *remote.UnavailableError
		if test.ok && err != nil || !test.ok && (!errors.As(err, &down) || down.RetryAfter < time.Hour-time.Minute) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "seconds" && *waited < 7*time.Second || *waited > time.Minute {
			t.Errorf("%s: waited %s", name, *waited)
		}
	}
}

// Interrupts end every wait: each would last longer than the test may.
func TestCancel(t *testing.T) {
	layer := layerOf(layerData)
	for name, test := range map[string]struct {
		fault registrytest.Fault
		run   func(context.Context, *remote.Repository) error
	}{
		"answer of a push": {registrytest.Fault{Method: http.MethodPut, Stall: time.Hour}, func(ctx context.Context, r *remote.Repository) error {
			return r.Push(ctx, layer, bytes.NewReader(layerData))
		}},
		"answer of a look": {registrytest.Fault{Stall: time.Hour}, func(ctx context.Context, r *remote.Repository) error { _, err := r.Resolve(ctx, "v1"); return err }},
		"body of a download": {registrytest.Fault{CutAfter: 100, Stall: time.Hour}, func(ctx context.Context, r *remote.Repository) error {
			rc, err := r.Fetch(ctx, layer)
			if err != nil {
				return err
			}
			defer rc.Close()
			_, err = io.Copy(io.Discard, rc)
			return err
		}},
		"wait between attempts": {registrytest.Fault{Status: http.StatusTooManyRequests, RetryAfter: "3600"}, func(ctx context.Context, r *remote.Repository) error { _, err := r.Resolve(ctx, "v1"); return err }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t)
			seed(reg, "app", "v1")
			arrived := make(chan struct{}, 100)
			test.fault.Do = func() { arrived <- struct{}{} }
			reg.Fault(test.fault)
			r, err := remote.Open(reg.Host()+"/app", remote.Options{Limits: remote.Limits{Wait: 24 * time.Hour}}) // waits by the clock
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- test.run(ctx, r) }()
			<-arrived
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) || isTyped(err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A server that takes the connection and says nothing, or sends a byte now and then.
func TestSlowServers(t *testing.T) {
	reg := registrytest.New(t)
	seed(reg, "app", "v1")
	reg.Fault(registrytest.Fault{Stall: time.Minute})
	limits := quick
	limits.Attempts = 2
	r := open(t, reg, "app", remote.Options{Limits: limits})
	_, err := r.Resolve(t.Context(), "v1")
	if !errors.As(err, new(*remote.UnavailableError)) || !strings.Contains(err.Error(), "no progress") || len(reg.Requests()) != 2 {
		t.Errorf("%v after %d requests", err, len(reg.Requests()))
	}
}

func TestErrorsNameTheirPlace(t *testing.T) {
	reg := registrytest.New(t)
	seed(reg, "app", "v1")
	r := open(t, reg, "app", remote.Options{Limits: remote.Limits{Attempts: 2}})
	none := digest.FromString("none")
	for status, words := range map[int][]string{
		401: {"not logged in", "log in to " + reg.Host()}, 403: {"no permission", "owner of " + reg.Host() + "/app"},
		404: {"not found", "check the name"}, 429: {"too many requests", "try again"}, 503: {"not available", "try again later"}, 400: {"refuses", "a fault of the test"},
	} {
		reg.NoFaults()
		reg.Fault(registrytest.Fault{Status: status})
		_, err := r.Resolve(t.Context(), "v1")
		_, blobErr := r.Fetch(t.Context(), ocispec.Descriptor{MediaType: "a/b", Digest: none, Size: 1})
		if !isTyped(err) || !isTyped(blobErr) {
			t.Fatalf("%d: %v, %v", status, err, blobErr)
		}
		for _, word := range append(words, reg.Host()+"/app:v1", fmt.Sprintf("status %d", status)) {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%d: the error does not say %q: %v", status, word, err)
			}
		}
		if !strings.Contains(blobErr.Error(), "/app@"+none.String()) {
			t.Errorf("%d: %v", status, blobErr)
		}
	}
	reg.NoFaults()
	reg.Fault(registrytest.Fault{Method: http.MethodPut, Status: 405, Body: `{"errors":[{"code":"DENIED","message":"use --write"}]}`})
	reg.Fault(registrytest.Fault{Method: http.MethodPost, Status: 405, Body: `{"errors":[{"code":"DENIED","message":"use --write"}]}`})
	err := r.Push(t.Context(), layerOf(layerData), bytes.NewReader(layerData))
	if !errors.As(err, new(*remote.DeniedError)) || !strings.Contains(err.Error(), "read-only") || !strings.Contains(err.Error(), "use --write") {
		t.Errorf("a read-only registry: %v", err)
	}
	reg.Server.Close()
	_, err = r.Resolve(t.Context(), "v1")
	if !errors.As(err, new(*remote.UnavailableError)) || !strings.Contains(err.Error(), "host and port") {
		t.Errorf("nobody there: %v", err)
	}
}
