package registry

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Page is a part of a sorted list. The zero value is all of it.
type Page struct {
	// After leaves out the names up to this one, which need not exist.
	After string
	// Limit is the number of names, if it is positive.
	Limit int
}

// cut gives the part of a sorted list, of which name names the elements.
func cut[T any](p Page, list []T, name func(T) string) []T {
	from := 0
	if p.After != "" {
		at, found := slices.BinarySearchFunc(list, p.After, func(e T, after string) int { return strings.Compare(name(e), after) })
		if from = at; found {
			from++
		}
	}
	list = list[from:]
	if p.Limit > 0 && len(list) > p.Limit {
		list = list[:p.Limit]
	}
	return list
}

// each yields the part of a sorted list that load gives, or its error.
func each[T any](ctx context.Context, p Page, name func(T) string, load func() ([]T, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		list, err := load()
		if err != nil {
			yield(*new(T), err)
			return
		}
		for _, e := range cut(p, list, name) {
			if err := ctx.Err(); err != nil {
				yield(*new(T), err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func itself(s string) string { return s }

// Repositories lists the names of the repositories that hold something, sorted. An error
// ends the list.
func (r *Registry) Repositories(ctx context.Context, page Page) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		n := 0
		for name, err := range each(ctx, Page{After: page.After}, itself, func() ([]string, error) { return r.repositories(ctx) }) {
			if err == nil && r.opts.PerRepository {
				if empty, emptyErr := r.empty(ctx, r.prefix+name); empty && emptyErr == nil {
					continue
				} else {
					err = emptyErr
				}
			}
			if n++; !yield(name, err) || n == page.Limit {
				return
			}
		}
	}
}

// empty reports whether a repository holds nothing.
func (s *shared) empty(ctx context.Context, repo string) (bool, error) {
	o, err := s.acquire(repo)
	if err != nil {
		return false, err
	}
	defer o.release()
	c, err := o.content(ctx)
	return err == nil && len(c.entries(repo).roots) == 0, err
}

// repositories lists the repositories below the prefix, and with PerRepository those that
// hold nothing as well.
func (r *Registry) repositories(ctx context.Context) ([]string, error) {
	names, err := r.allRepositories(ctx)
	if err != nil || r.prefix == "" {
		return names, err
	}
	var below []string
	for _, name := range names {
		if short, ok := strings.CutPrefix(name, r.prefix); ok {
			below = append(below, short)
		}
	}
	return below, nil
}

// allRepositories lists repositories by their full names.
func (r *Registry) allRepositories(ctx context.Context) ([]string, error) {
	if r.opts.PerRepository {
		return r.folders(ctx)
	}
	o, err := r.acquire(r.opts.DefaultRepo)
	if err != nil {
		return nil, err
	}
	defer o.release()
	c, err := o.content(ctx)
	if err != nil {
		return nil, err
	}
	return c.names, nil
}

// Tags lists the tags of the repository, sorted. The error is CodeNameUnknown where it
// does not exist, and ends the list.
func (r *Repository) Tags(ctx context.Context, page Page) iter.Seq2[string, error] {
	return each(ctx, page, itself, func() ([]string, error) {
		o, e, err := r.read(ctx)
		if err != nil {
			return nil, err
		}
		defer o.release()
		if len(e.roots) == 0 {
			return nil, r.unknown(CodeNameUnknown, "", "no such repository; check the name, or push something to it", nil)
		}
		return e.tagNames, nil
	})
}

// Referrers lists the manifests of the repository whose subject has a digest, sorted by
// their own, with artifact types and annotations: those of one artifact type where that
// is not empty. Page.After is a digest. The subject need not exist. An error ends the
// list.
func (r *Repository) Referrers(ctx context.Context, subject digest.Digest, artifactType string, page Page) iter.Seq2[ocispec.Descriptor, error] {
	name := func(d ocispec.Descriptor) string { return string(d.Digest) }
	return each(ctx, page, name, func() ([]ocispec.Descriptor, error) {
		if err := checkDigest(r.name, subject); err != nil {
			return nil, err
		}
		o, s, err := r.readScope(ctx)
		if err != nil {
			return nil, err
		}
		defer o.release()
		all := s.referrers[subject]
		if artifactType == "" {
			return all, nil
		}
		var some []ocispec.Descriptor
		for _, d := range all {
			if d.ArtifactType == artifactType {
				some = append(some, d)
			}
		}
		return some, nil
	})
}

// read opens the layout of the repository and gives its entries. The caller releases it.
func (r *Repository) read(ctx context.Context) (*opened, *entries, error) {
	o, err := r.reg.acquire(r.full)
	if err != nil {
		return nil, nil, err
	}
	c, err := o.content(ctx)
	if err != nil {
		o.release()
		return nil, nil, err
	}
	return o, c.entries(r.full), nil
}

// readScope is read with the scope of the entries in their place.
func (r *Repository) readScope(ctx context.Context) (*opened, *scope, error) {
	o, e, err := r.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	s, err := o.reached(ctx, e)
	if err != nil {
		o.release()
		return nil, nil, err
	}
	return o, s, nil
}
