package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
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
}

// endpoint is one side of a shipment: a layout or a repository.
type endpoint struct {
	ref   ref.Reference
	store *layout.Store
	repo  *remote.Repository
}

// ship opens both sides. The caller closes the shipment.
func (f *transferFlags) ship(a *app, src, dst ref.Reference) (*shipment, error) {
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
	if s.src, err = s.open(src, true); err == nil {
		s.dst, err = s.open(dst, false)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.dst.store != nil {
		s.diff.Local = s.dst.store
	}
	if a, b := src.Image, dst.Image; s.src.repo != nil && a.Host == b.Host && a.Repository != b.Repository {
		s.diff.MountFrom = a.Repository
	}
	return s, nil
}

func (s *shipment) close() error {
	var errs []error
	for _, closer := range s.closers {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

// open opens one side. A layout that is read must be there.
func (s *shipment) open(r ref.Reference, read bool) (*endpoint, error) {
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
		}
	case ref.Registry:
		e.repo, err = remote.Open(r.Image.Name(), s.remote)
	default:
		err = &failure{message: fmt.Sprintf("%s: archives cannot be copied from or to yet", r), hint: "unpack it with tar -x into a directory, and write oci:DIR"}
	}
	return e, err
}

// source is the side as a transfer.Source, and destination as its Destination.
func (e *endpoint) source() transfer.Source {
	if e.store != nil {
		return transfer.NewDirectory(e.store)
	}
	return transfer.NewRepository(e.repo)
}

func (e *endpoint) destination() transfer.Destination {
	if e.store != nil {
		return transfer.NewDirectory(e.store)
	}
	return transfer.NewRepository(e.repo)
}

// named is an image at the source, with the tags that it has there.
type named struct {
	desc ocispec.Descriptor
	tags []string
}

// resolve finds the images that the source's reference means.
func (s *shipment) resolve(ctx context.Context, all bool) ([]named, error) {
	r := s.src.ref
	switch {
	case all && (r.Name != "" || r.Digest != "" || r.Image.Tag != "" || r.Image.Digest != ""):
		return nil, &failure{message: fmt.Sprintf("%s names one image, and --all-tags means all", r), hint: "leave out the tag, or --all-tags"}
	case s.src.repo != nil && all:
		return allTags(ctx, s.src.repo)
	case s.src.repo != nil:
		image := r.Image.WithDefaultTag()
		desc, err := s.src.repo.Resolve(ctx, image.Reference())
		if err != nil {
			return nil, err
		}
		return []named{{desc, tagList(image.Tag)}}, nil
	}
	index, err := s.src.store.Index(ctx)
	if err != nil {
		return nil, err
	}
	if all {
		return taggedEntries(index, r.Path)
	}
	if r.Name == "" && r.Digest == "" {
		return onlyImage(index, r.Path)
	}
	if r.Digest != "" && r.Name == "" {
		desc, err := s.src.store.Resolve(ctx, string(r.Digest))
		return []named{{desc: desc}}, err
	}
	desc, err := indexEntry(index, r.Name)
	if err != nil {
		return nil, err
	}
	if r.Digest != "" && desc.Digest != r.Digest {
		return nil, &failure{message: fmt.Sprintf("%s is %s, not %s", r.Name, desc.Digest, r.Digest), hint: "leave out one of them"}
	}
	return []named{{desc, tagList(layout.RefName(desc))}}, nil
}

// tagList is the tag of a name; none for an empty one.
func tagList(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name}
}

// allTags lists the images of a repository.
func allTags(ctx context.Context, repo *remote.Repository) ([]named, error) {
	var all []named
	for tag, err := range repo.Tags(ctx, "") {
		if err != nil {
			return nil, err
		}
		if referrersTag(tag) {
			continue
		}
		desc, err := repo.Resolve(ctx, tag)
		if err != nil {
			return nil, err
		}
		all = join(all, desc, tag)
	}
	if len(all) == 0 {
		return nil, &failure{message: repo.Name() + " has no tags", hint: "name an image by its digest: docker://" + repo.Name() + "@sha256:…"}
	}
	return all, nil
}

// referrersTag reports whether a tag is the list of referrers of a digest, which is
// no image.
func referrersTag(tag string) bool {
	algorithm, hex, ok := strings.Cut(tag, "-")
	if !ok {
		return false
	}
	d := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex)
	return d.Validate() == nil
}

// taggedEntries lists the entries of index.json that have a ref name.
func taggedEntries(index *layout.Index, path string) ([]named, error) {
	var all []named
	for _, desc := range index.Descriptors() {
		if name := layout.RefName(desc); name != "" {
			all = join(all, desc, name)
		}
	}
	if len(all) == 0 {
		return nil, &failure{message: path + " has no entries with a ref name", hint: "layform layout show DIR lists all; name one as oci:DIR@DIGEST"}
	}
	return all, nil
}

// onlyImage is the image of a layout that has one. Entries without a ref name do
// not count beside those with one: they are referrers, mostly.
func onlyImage(index *layout.Index, path string) ([]named, error) {
	all, err := taggedEntries(index, path)
	if err != nil {
		desc, err := indexEntry(index, "")
		return []named{{desc: desc}}, err
	}
	if len(all) > 1 {
		return nil, &failure{message: fmt.Sprintf("%s holds %d images", path, len(all)), hint: "name one as oci:DIR:REF, or copy them with --all-tags; layform layout show DIR lists them"}
	}
	return all, nil
}

// join adds a tag to the image that it names.
func join(all []named, desc ocispec.Descriptor, tag string) []named {
	for i := range all {
		if all[i].desc.Digest == desc.Digest {
			all[i].tags = append(all[i].tags, tag)
			return all
		}
	}
	return append(all, named{desc, []string{tag}})
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
	if s.dst.store != nil {
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
		p, err := imagespec.ParsePlatform(text)
		if err != nil {
			return opts, &failure{message: fmt.Sprintf("--platform %q %v", text, err)}
		}
		opts.Platforms = append(opts.Platforms, p)
	}
	return opts, nil
}

// run compares, copies and reports.
func (s *shipment) run(ctx context.Context, images []named) error {
	roots, err := s.roots(images)
	if err != nil {
		return err
	}
	src, dst := s.src.source(), s.dst.destination()
	plan, err := transfer.Diff(ctx, src, dst, roots, s.diff)
	if err != nil {
		return err
	}
	out := &view.Transfer{Source: s.src.ref.String(), Destination: s.dst.ref.String(), DryRun: s.flags.DryRun, Roots: plan.Roots, Summary: plan.Summary()}
	if s.flags.DryRun {
		out.Steps = plan.Steps
	} else {
		release, err := s.hold(ctx, plan)
		if err != nil {
			return err
		}
		defer release()
		bar := s.a.newBar(out.Summary.Upload.Bytes + out.Summary.Mount.Bytes)
		result, err := transfer.Execute(ctx, src, dst, plan, transfer.ExecuteOptions{Parallelism: s.flags.Parallelism, Event: bar.transferred})
		bar.finish()
		if err != nil {
			return err
		}
		out.Summary = result.Summary
	}
	out.Requests = s.requests.Load()
	if s.a.json {
		return s.a.print(view.Document{Type: view.TypeTransfer, Transfer: out})
	}
	return s.a.show(view.TransferReport(out))
}

// hold keeps what is read from being swept. A layout that cannot be written to is
// read without.
func (s *shipment) hold(ctx context.Context, plan *transfer.Plan) (release func() error, err error) {
	none := func() error { return nil }
	if s.src.store == nil || !plan.Changes() {
		return none, nil
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
	release, err = s.src.store.Hold(ctx, roots)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return none, nil
	}
	return release, err
}
