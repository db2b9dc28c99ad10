package base

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/spec"
)

// Resolver finds bases. Its fields are set before it is used.
type Resolver struct {
	// Open gives the Source that a reference points into. It is called once for each
	// reference, by several goroutines, and the caller closes what it opened.
	Open func(ctx context.Context, r ref.Reference) (Source, error)
	// Pins says which digests references are pinned to; nil pins nothing.
	Pins Pins
	// Parallelism is the number of bases that are read at once; 0 is 4.
	Parallelism int
}

// Pins are the digests of references whose names may come to mean something else. What is
// pinned is not looked up by its name. Its methods are called by several goroutines.
type Pins interface {
	// Pin gives the digest that a base is pinned to, and the place that says so; an empty
	// digest for a base without a pin that may be looked up, and an error for one that may not.
	Pin(b *spec.Base) (d digest.Digest, place string, err error)
	// Found is told the digest that a base without a pin leads to.
	Found(b *spec.Base, d digest.Digest)
}

// parallelism is the default of Resolver.
const parallelism = 4

// Resolve finds the images of the requests. Each reference is looked up once, and each
// problem is a diagnostic with the place of the request.
func (r *Resolver) Resolve(ctx context.Context, requests []spec.BaseRequest) (map[spec.Address]*spec.BaseImage, hcl.Diagnostics) {
	l := &lookups{r: r, found: map[string]*lookup{}}
	images := make([]*spec.BaseImage, len(requests))
	errs := make([]error, len(requests))
	var group errgroup.Group
	group.SetLimit(cmp.Or(max(r.Parallelism, 0), parallelism))
	for i, request := range requests {
		group.Go(func() error {
			images[i], errs[i] = l.find(ctx, request.Base)
			return nil
		})
	}
	_ = group.Wait() // each request has an error of its own
	var diags hcl.Diagnostics
	all := map[spec.Address]*spec.BaseImage{}
	for i, request := range requests {
		if errs[i] != nil {
			diags = append(diags, problem(request, errs[i]))
		}
		all[request.Address] = images[i]
	}
	return all, diags
}

// UnusableError says why a base cannot be used. It is the Extra of the diagnostic, which
// says the same with the place of the base: the spec need not be wrong.
type UnusableError struct {
	Address spec.Address
	Err     error
}

// Error names the base.
func (e *UnusableError) Error() string { return fmt.Sprintf("%s cannot be used: %v", e.Address, e.Err) }

// Unwrap gives Err.
func (e *UnusableError) Unwrap() error { return e.Err }

// problem is the diagnostic of a base that cannot be used.
func problem(request spec.BaseRequest, err error) *hcl.Diagnostic {
	unusable := &UnusableError{Address: request.Address, Err: err}
	d := &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Unusable base", Subject: request.Range.Ptr(),
		Detail: strings.TrimSuffix(unusable.Error(), ".") + ".", Extra: unusable,
	}
	var missing *layout.PlatformError
	if errors.As(err, &missing) && request.PlatformRange.Filename != "" {
		d.Subject = request.PlatformRange.Ptr()
		if len(missing.Have) > 0 {
			d.Detail += " Set platform to one of these."
		}
	}
	return d
}

// lookups are the references that were looked up.
type lookups struct {
	r     *Resolver
	mu    sync.Mutex
	found map[string]*lookup
}

// lookup is one reference.
type lookup struct {
	once sync.Once
	src  Source
	root ocispec.Descriptor
	err  error
}

// find finds one base.
func (l *lookups) find(ctx context.Context, b *spec.Base) (*spec.BaseImage, error) {
	from, place, err := l.pinned(b)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	found := l.found[from.String()]
	if found == nil {
		found = &lookup{}
		l.found[from.String()] = found
	}
	l.mu.Unlock()
	found.once.Do(func() {
		if found.src, found.err = l.r.Open(ctx, from); found.err == nil {
			found.root, found.err = found.src.Resolve(ctx, Name(from))
		}
	})
	if found.err != nil && from.Transport == ref.Registry { // whose errors name it
		return nil, blame(found.err, place)
	}
	if found.err != nil {
		return nil, blame(fmt.Errorf("%s: %w", from, found.err), place)
	}
	made, err := image(ctx, found.src, found.root, b.Platform)
	if err != nil {
		return nil, blame(fmt.Errorf("%s: %w", from, err), place)
	}
	if place == "" && l.r.Pins != nil {
		l.r.Pins.Found(b, found.root.Digest)
	}
	made.Registry = from.Transport == ref.Registry
	made.Name = b.From.String()
	if made.Registry {
		made.Name = b.From.Image.String()
	}
	if b.From.Image.Tag != "" {
		tagged := b.From.Image
		tagged.Digest = ""
		made.Name = tagged.String()
	}
	return made, nil
}

// pinned is the reference of a base with the digest that it is pinned to, and the place
// of the pin; empty for none.
func (l *lookups) pinned(b *spec.Base) (from ref.Reference, place string, err error) {
	from = b.From
	if l.r.Pins == nil {
		return from, "", nil
	}
	d, place, err := l.r.Pins.Pin(b)
	switch {
	case err != nil || d == "":
		return from, "", err
	case from.Transport == ref.Registry:
		from.Image.Digest = d
	default:
		from.Name, from.Digest = "", d // the name may mean another image by now
	}
	return from, place, nil
}

// blame names the pin that an error is about.
func blame(err error, place string) error {
	if place == "" {
		return err
	}
	return &PinError{Place: place, Err: err}
}

// PinError is an error about an image that is pinned.
type PinError struct {
	// Place is where the pin stands.
	Place string
	Err   error
}

// Error names the place of the pin.
func (e *PinError) Error() string {
	return fmt.Sprintf("%v (the digest is that of %s)", e.Err, e.Place)
}

// Unwrap gives Err.
func (e *PinError) Unwrap() error { return e.Err }

// Name is what a Source is asked for: the digest of a reference, or else its name.
func Name(r ref.Reference) string {
	switch {
	case r.Transport == ref.Registry:
		return r.Image.Reference()
	case r.Digest != "":
		return r.Digest.String()
	}
	return r.Name
}
