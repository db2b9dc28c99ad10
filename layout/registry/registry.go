package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/ref"
)

// Options shape a Registry. The zero value is a layout of many repositories.
type Options struct {
	// DefaultRepo is the repository of the entries of index.json whose ref name is a
	// bare tag, and of those that have none. Without it they are of no repository.
	DefaultRepo string
	// PerRepository makes each repository a layout of its own, in the folder of its
	// name.
	PerRepository bool
	// ReadOnly refuses all that writes.
	ReadOnly bool
	// Immutable are patterns of tags, as path.Match has them, that can be made and
	// neither moved nor deleted.
	Immutable []string
	// Sparse lets manifests name blobs and manifests that are not there.
	Sparse bool
	// Layout is how layouts are opened.
	Layout layout.Options
}

// Registry is a set of repositories that are kept in one layout, or in a folder of them.
// It may be used by several goroutines, and several processes may have the same one.
type Registry struct {
	*shared
	prefix   string
	readOnly bool
	// sparse lets manifests name what is not there.
	sparse   bool
	upstream Upstream
}

// Open opens the layout in a directory, or with Options.PerRepository the folder of
// layouts. It writes nothing, and the directory need not exist: what is missing is made
// by the first write. The caller closes the Registry.
func Open(dir string, opts Options) (*Registry, error) {
	if opts.DefaultRepo != "" {
		if opts.PerRepository {
			return nil, errors.New("a default repository and one layout for each repository do not go together: leave one out")
		}
		if err := ref.CheckRepository(opts.DefaultRepo); err != nil {
			return nil, fmt.Errorf("the default repository %q %w", opts.DefaultRepo, err)
		}
	}
	for _, pattern := range opts.Immutable {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("the pattern of immutable tags %q: %w", pattern, err)
		}
	}
	s := &shared{dir: dir, opts: opts, open: map[string]*opened{}, verified: verified{seen: map[string]sight{}}}
	// A directory that cannot be a registry is told now and not by the first request.
	if err := s.check(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return &Registry{shared: s, readOnly: opts.ReadOnly, sparse: opts.Sparse}, nil
}

// ReadOnly is the same registry without writes.
func (r *Registry) ReadOnly() *Registry {
	out := *r
	out.readOnly = true
	return &out
}

// Sub is the part of a registry below a prefix: the repository app of Sub("team") is
// team/app.
func (r *Registry) Sub(prefix string) (*Registry, error) {
	if err := ref.CheckRepository(prefix); err != nil {
		return nil, &Error{Code: CodeNameInvalid, Repository: prefix, Message: fmt.Sprintf("the prefix %v", err), Err: err}
	}
	out := *r
	out.prefix += prefix + "/"
	return &out, nil
}

// Writable reports whether writes are allowed.
func (r *Registry) Writable() bool { return !r.readOnly }

// Close closes what is open. Uploads and blobs that are open stay so.
func (r *Registry) Close() error { return r.close() }

// Ping reports whether the registry can be read: its index.json, or its folder.
func (r *Registry) Ping(ctx context.Context) error {
	if r.opts.PerRepository {
		return r.check()
	}
	o, err := r.acquire(r.opts.DefaultRepo)
	if err != nil {
		return err
	}
	defer o.release()
	_, err = o.content(ctx)
	return err
}

// Expire ends uploads, and leases of blobs that no manifest came for, which nobody has
// touched for layout.PendingAge, and tells how many. Whoever serves a registry for long
// calls it now and then; layout.Store.GC does the same.
func (r *Registry) Expire(ctx context.Context) (int, error) {
	if r.readOnly {
		return 0, r.denied("", "")
	}
	removed := 0
	for dir, err := range r.layouts(ctx) {
		if err != nil {
			return removed, err
		}
		o, err := r.acquire(dir)
		if err != nil {
			return removed, err
		}
		n, err := o.store.Expire(ctx, time.Now())
		o.release()
		removed += n
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// denied is the error about a write to a registry that is only read.
func (r *Registry) denied(repo, reference string) error {
	return &Error{Code: CodeDenied, Repository: repo, Reference: reference, Message: "the registry is read-only; allow writes where it is opened, or write to another one", Err: fs.ErrPermission}
}

// Repository gives the repository of a name, which need not exist. It looks at no file.
func (r *Registry) Repository(name string) (*Repository, error) {
	err := ref.CheckRepository(name)
	full := r.prefix + name
	if err == nil {
		err = ref.CheckRepository(full) // it may be too long
	}
	if err == nil && r.opts.PerRepository {
		err = checkFolder(full)
	}
	if err != nil {
		return nil, &Error{Code: CodeNameInvalid, Repository: name, Message: fmt.Sprintf("the repository %v", err), Err: err}
	}
	return &Repository{reg: r, name: name, full: full}, nil
}

// Repository is one repository of a Registry. It is an oras.GraphTarget.
type Repository struct {
	reg *Registry
	// name is what the caller calls it, and full its name in the layout.
	name, full string
}

// Name is the name of the repository.
func (r *Repository) Name() string { return r.name }

// writable opens the layout of the repository for a write.
func (r *Repository) writable(reference string) (*opened, error) {
	if r.reg.readOnly {
		return nil, r.reg.denied(r.name, reference)
	}
	return r.reg.acquire(r.full)
}

// unknown is the error about what does not exist.
func (r *Repository) unknown(code Code, reference, message string, cause error) error {
	return &Error{Code: code, Repository: r.name, Reference: reference, Message: message, Err: cause}
}
