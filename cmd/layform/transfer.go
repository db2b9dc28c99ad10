package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"
	"syscall"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/remote"
	"github.com/layform/layform/layout/transfer"
)

// transferFlags are those of push, pull and copy.
type transferFlags struct {
	Tag         []string `name:"tag" sep:"none" placeholder:"TAG" help:"Give the image this tag at the destination. Repeatable."`
	Platform    []string `name:"platform" sep:"none" placeholder:"OS/ARCH[/VARIANT]" help:"Copy only this platform of an index: a new index with a digest of its own. Repeatable."`
	Referrers   bool     `name:"referrers" negatable:"" default:"true" help:"Take along signatures, SBOMs and whatever else refers to the images (default)."`
	NoClobber   bool     `name:"no-clobber" help:"Fail where a tag of the destination would move."`
	DryRun      bool     `name:"dry-run" help:"Compare, tell what would be sent, and write nothing."`
	Verify      bool     `name:"verify" help:"Ask for each blob, also those of manifests that the registry has."`
	Parallelism int      `name:"parallelism" default:"0" placeholder:"N" help:"Send this many blobs at once; 0 is 4."`
	registryFlags
}

// shipment is one run of push, pull or copy.
type shipment struct {
	a        *app
	flags    *transferFlags
	requests atomic.Int64
	diff     transfer.Options
	remote   remote.Options
	closers  []func() error
	src, dst *endpoint
	// homes are the repositories of blobs that the layout of src lacks. They are read
	// there for registries, and where the shipment completes the layout.
	homes     map[digest.Digest]string
	completes bool
}

// endpoint is one side of a shipment: a layout in a directory or an archive, or a
// repository.
type endpoint struct {
	ref   ref.Reference
	store *layout.Store
	// reader reads the layout; that of an archive which is not there yet is empty.
	reader  *layout.Reader
	archive *transfer.Archive
	repo    *remote.Repository
}

// move copies the images that src means, or all that have a tag, to dst.
func (f *transferFlags) move(ctx context.Context, a *app, src, dst ref.Reference, all bool) (err error) {
	s, err := f.ship(ctx, a, src, dst)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	images, err := s.resolve(ctx, all)
	if err != nil {
		return err
	}
	return s.run(ctx, images)
}

// ship opens both sides. The caller closes the shipment.
func (f *transferFlags) ship(ctx context.Context, a *app, src, dst ref.Reference) (*shipment, error) {
	if f.Parallelism < 0 {
		return nil, &failure{message: "--parallelism must not be negative", hint: "0 is 4"}
	}
	s := &shipment{a: a, flags: f}
	var err error
	if s.diff, err = f.options(); err != nil {
		return nil, err
	}
	if s.remote, err = f.registryFlags.options(a, &s.requests); err != nil {
		return nil, err
	}
	if len(s.remote.TLS) > 0 && src.Image.Host != "" && dst.Image.Host != "" && src.Image.Host != dst.Image.Host && f.ClientCert != "" {
		return nil, &failure{message: "--client-cert is for one registry, and there are two", hint: "pull into a layout first, then push it"}
	}
	if s.src, err = s.open(ctx, src, true); err == nil {
		s.dst, err = s.open(ctx, dst, false)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.dst.reader != nil {
		s.diff.Local = s.dst.reader
	}
	s.diff.Attached = s.attached()
	if s.src.store != nil {
		s.homes = homesOf(ctx, s.src.store)
		s.diff.Homes = mountable(s.homes, dst.Image.Host)
	}
	if a, b := src.Image, dst.Image; s.src.repo != nil && a.Host == b.Host && a.Repository != b.Repository {
		s.diff.MountFrom = a.Repository
	}
	return s, nil
}

func (s *shipment) close() error {
	var errs []error
	for _, closer := range slices.Backward(s.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

// open opens one side. A layout that is read must be there.
func (s *shipment) open(ctx context.Context, r ref.Reference, read bool) (*endpoint, error) {
	e := &endpoint{ref: r}
	var err error
	switch r.Transport {
	case ref.Layout:
		if read {
			e.store, err = openExisting(r.Path, layout.Options{})
		} else {
			e.store, err = layout.Open(r.Path, layout.Options{})
		}
		if err == nil {
			s.closers = append(s.closers, e.store.Close)
			e.reader = e.store.Reader
		}
	case ref.Registry:
		e.repo, err = remote.Open(r.Image.Name(), s.remote)
	default:
		err = s.openArchive(ctx, e, read)
	}
	return e, err
}

// source is where the images are read.
func (s *shipment) source() transfer.Source {
	e := s.src
	if e.reader == nil {
		return transfer.NewRepository(e.repo)
	}
	from := transfer.NewLayout(e.reader, e.ref.Path)
	if len(s.homes) == 0 || s.dst.repo == nil && !s.completes {
		return from
	}
	return transfer.NewSparse(from, s.homes, func(home string) (*remote.Repository, error) {
		if image, err := ref.ParseImage(home); err == nil && s.flags.ClientCert != "" && image.Host != s.dst.ref.Image.Host {
			return nil, &failure{message: fmt.Sprintf("--client-cert is for one registry, and layers are in %s", home), hint: "run layform layout complete first"}
		}
		return remote.Open(home, s.remote)
	})
}

// destination is where the images go. Blobs of a layout go into another one by clones.
func (s *shipment) destination() transfer.Destination {
	e := s.dst
	switch {
	case e.archive != nil:
		return e.archive
	case e.store != nil:
		d := transfer.NewDirectory(e.store)
		if !s.completes {
			d.From(s.src.reader)
		}
		return d
	}
	return transfer.NewRepository(e.repo)
}

// roots decides on the tags at the destination: those of --tag and of the
// reference, else those of the source.
func (s *shipment) roots(images []named) ([]transfer.Root, error) {
	r := s.dst.ref
	wanted := slices.Clone(s.flags.Tag)
	for _, tag := range []string{r.Name, r.Image.Tag} {
		if tag != "" && !slices.Contains(wanted, tag) {
			wanted = append(wanted, tag)
		}
	}
	if len(wanted) > 0 && len(images) > 1 {
		return nil, &failure{message: fmt.Sprintf("%s cannot be the tag of %d images", wanted[0], len(images)), hint: "name one image of the source, or no tag for the destination"}
	}
	want := r.Digest + r.Image.Digest
	if want != "" && (len(images) > 1 || images[0].desc.Digest != want) {
		return nil, &failure{message: fmt.Sprintf("%s is to be the digest, and the source has %s", want, images[0].desc.Digest), hint: "leave the digest of the destination out"}
	}
	var roots []transfer.Root
	for _, image := range images {
		root := transfer.Root{Descriptor: image.desc}
		tags := wanted
		if len(tags) == 0 {
			tags = image.tags
		}
		for _, tag := range tags {
			name, err := s.tag(tag)
			if err != nil {
				return nil, err
			}
			root.Tags = append(root.Tags, transfer.Tag{Name: name})
		}
		roots = append(roots, root)
	}
	return roots, nil
}

// tag is the name of an image at the destination. Of a ref name that is a whole
// image name, a registry gets the tag.
func (s *shipment) tag(name string) (string, error) {
	if s.dst.ref.Transport == ref.DockerArchive {
		return s.dockerName(name)
	}
	if s.dst.reader != nil {
		if !imagespec.IsRefName(name) {
			return "", &failure{message: fmt.Sprintf("%q cannot be a ref name", name), hint: "give another one with --tag"}
		}
		return name, nil
	}
	if ref.CheckTag(name) == nil {
		return name, nil
	}
	if image, err := ref.ParseImage(name); err == nil && image.Tag != "" && image.Digest == "" {
		return image.Tag, nil
	}
	return "", &failure{message: fmt.Sprintf("the ref name %q cannot be a tag of a registry", name), hint: "give a tag with --tag, or as docker://HOST/REPOSITORY:TAG"}
}

// options are those of Diff that flags decide.
func (f *transferFlags) options() (transfer.Options, error) {
	opts := transfer.Options{Referrers: f.Referrers, NoClobber: f.NoClobber, Verify: f.Verify, Parallelism: f.Parallelism}
	for _, text := range f.Platform {
		p, err := parsePlatform(text)
		if err != nil {
			return opts, err
		}
		opts.Platforms = append(opts.Platforms, p)
	}
	return opts, nil
}

// run compares, copies and reports.
func (s *shipment) run(ctx context.Context, images []named) error {
	out, err := s.transfer(ctx, images)
	if err != nil {
		return err
	}
	if s.a.json {
		return s.a.print(view.Document{Type: view.TypeTransfer, Transfer: out})
	}
	return s.a.show(view.TransferReport(out))
}

// transfer compares and copies.
func (s *shipment) transfer(ctx context.Context, images []named) (*view.Transfer, error) {
	roots, err := s.roots(images)
	if err != nil {
		return nil, err
	}
	src, dst := s.source(), s.destination()
	if s.src.reader != nil {
		s.diff.Inspect = transfer.InspectLength
		if s.flags.DryRun {
			s.diff.Inspect = transfer.InspectContent
		}
	}
	plan, err := transfer.Diff(ctx, src, dst, roots, s.diff)
	if err != nil {
		return nil, sparseHint(ctx, s.src.store, err)
	}
	out := &view.Transfer{Source: s.src.ref.String(), Destination: s.dst.ref.String(), DryRun: s.flags.DryRun, Roots: plan.Roots, Summary: plan.Summary()}
	if s.flags.DryRun {
		out.Steps = plan.Steps
	} else {
		release, err := s.hold(ctx, plan)
		if err != nil {
			return nil, err
		}
		defer release()
		if s.dst.archive != nil {
			if err := s.begin(ctx, plan); err != nil {
				return nil, err
			}
		}
		bar := s.a.newBar(out.Summary.Upload.Bytes + out.Summary.Mount.Bytes)
		result, err := transfer.Execute(ctx, src, dst, plan, transfer.ExecuteOptions{Parallelism: s.flags.Parallelism, Event: bar.transferred})
		bar.finish()
		if err != nil {
			return nil, err
		}
		out.Summary = result.Summary
	}
	out.Requests = s.requests.Load()
	return out, nil
}

// hold protects the images that are read from sweeps.
func (s *shipment) hold(ctx context.Context, plan *transfer.Plan) (release func() error, err error) {
	if !plan.Changes() {
		return func() error { return nil }, nil
	}
	made := map[digest.Digest]bool{} // by a choice of platforms: the layout does not have them
	for _, root := range plan.Roots {
		made[root.Descriptor.Digest] = root.Was != ""
	}
	var roots []ocispec.Descriptor
	for _, step := range plan.Steps {
		if step.Manifest && !made[step.Descriptor.Digest] {
			roots = append(roots, step.Descriptor)
		}
	}
	return holdEntries(ctx, s.src.store, roots)
}

// holdEntries protects the content of roots from sweeps. A layout that cannot be
// written to is read without, as is one in an archive, whose store is nil.
func holdEntries(ctx context.Context, store *layout.Store, roots []ocispec.Descriptor) (release func() error, err error) {
	none := func() error { return nil }
	if store == nil {
		return none, nil
	}
	release, err = store.Hold(ctx, roots)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return none, nil
	}
	return release, err
}
