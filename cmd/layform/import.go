package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/edit"
)

// importCmd writes a spec for what is in a layout, and takes that over.
type importCmd struct {
	Source string `arg:"" name:"source" help:"DIR[:REF][@DIGEST]: the layout, all of it or one image. Of a tar, oci-archive:FILE[:REF] or docker-archive:FILE[:NAME:TAG], and of docker://HOST/REPOSITORY[:TAG], the content is copied into a layout first: see --into."`
	Into   string `name:"into" placeholder:"DIR" help:"The layout for what comes from a tar or a registry; dist/NAME unless set, where NAME is that of the tar or the repository."`
	Out    string `name:"out" default:"layform.hcl" placeholder:"FILE" help:"The spec file to write, which must not exist."`
	Name   string `name:"name" placeholder:"NAME" help:"The name of the spec, for a layout that has another spec already."`
	DryRun bool   `name:"dry-run" help:"Print the spec, and write nothing."`
	registryFlags
}

// Help gives examples.
func (c *importCmd) Help() string {
	return `For example:
  layform import --dry-run dist/app           prints the spec, and writes nothing
  layform import dist/app                     takes over all that the layout holds
  layform import --name web --out web.layform.hcl dist/app:web`
}

// Run describes, plans, and only then writes: first the spec, then the staging state.
func (c *importCmd) Run(ctx context.Context, a *app) (err error) {
	at, err := c.locate()
	if err != nil {
		return err
	}
	if err := c.refuseExisting(); err != nil {
		return err
	}
	if at.Transport != ref.Layout {
		if at, err = c.fetch(ctx, a, at); err != nil {
			return err
		}
	} else if c.Into != "" {
		return &failure{message: "--into is for what comes from a tar or a registry: a layout is imported where it is", hint: "layform copy copies it"}
	}
	store, err := openExisting(at.Path, layout.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	im := &importing{importCmd: c, a: a, store: store, at: at}
	if err := im.readStaged(ctx); err != nil {
		return err
	}
	if im.staged != nil {
		err = im.describeStaged(ctx)
	} else if err = im.choose(ctx); err == nil {
		err = im.describe(ctx)
	}
	if err != nil {
		return err
	}
	if !c.DryRun {
		if err := im.write(ctx); err != nil {
			return err
		}
	}
	return im.show()
}

// refuseExisting refuses to write over a file, or beside a spec that the new file would
// become a part of.
func (c *importCmd) refuseExisting() error {
	if !spec.IsFile(filepath.Base(c.Out)) {
		return &failure{message: fmt.Sprintf("--out %s is no name of a spec file", c.Out), hint: "it ends in .layform.hcl, or is layform.hcl"}
	}
	if strings.HasSuffix(c.Out, ".json") {
		return &failure{message: fmt.Sprintf("--out %s: the spec is written in HCL", c.Out), hint: "name a file that ends in .layform.hcl"}
	}
	if c.DryRun {
		return nil
	}
	entries, err := os.ReadDir(filepath.Dir(c.Out))
	if errors.Is(err, fs.ErrNotExist) {
		return &failure{message: fmt.Sprintf("--out %s: there is no directory %s", c.Out, filepath.Dir(c.Out)), hint: "make it first; import writes the spec alone", err: err}
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == filepath.Base(c.Out) {
			return &failure{message: c.Out + " exists already", hint: "import overwrites nothing; name another file with --out"}
		}
		if spec.IsFile(e.Name()) {
			return &failure{
				message: fmt.Sprintf("there is a spec already beside %s: %s", c.Out, e.Name()),
				hint:    "the files of a directory are one spec; write to another directory with --out DIR/layform.hcl",
			}
		}
	}
	return nil
}

// importing is one run of import.
type importing struct {
	*importCmd
	a       *app
	store   *layout.Store
	at      ref.Reference
	entries []ocispec.Descriptor
	// staged is the parsed staging file of regshape; nil when the layout has none.
	staged *edit.Staged
	// mends is set when the spec is not what the layout holds, but mends that.
	mends bool
	// out is the description, and made what follows from it.
	out    *edit.Description
	spec   *spec.Spec
	result *planner.Result
}

// choose finds the entries of index.json that are meant, and walks all that they lead
// to: what is torn or half-written is not imported.
func (im *importing) choose(ctx context.Context) error {
	index, err := im.store.Index(ctx)
	if err != nil {
		return err
	}
	for _, d := range index.Descriptors() {
		if (im.at.Name == "" || layout.RefName(d) == im.at.Name) && (im.at.Digest == "" || d.Digest == im.at.Digest) {
			im.entries = append(im.entries, d)
		}
	}
	if len(im.entries) == 0 {
		if im.at.Name+string(im.at.Digest) == "" {
			return &failure{message: im.at.Path + " has no entries, so that there is nothing to import"}
		}
		return &failure{message: fmt.Sprintf("%s has no entry named %q", im.at.Path, strings.Trim(im.at.Name+"@"+string(im.at.Digest), "@")), hint: "layform layout show DIR lists all"}
	}
	for d, err := range im.store.Reachable(ctx, im.entries) {
		if err != nil && !errors.Is(err, layout.ErrOdd) {
			return im.damaged(fmt.Errorf("%s: %w", d.Digest, err))
		}
	}
	return nil
}

// damaged is the error about a layout that is not whole.
func (im *importing) damaged(err error) error {
	return &failure{
		message: fmt.Sprintf("%s is not imported, for it is not whole: %v", im.at.Path, err),
		hint:    "layform layout validate " + im.at.Path + " says all that is wrong with it",
		err:     err,
	}
}

// describe writes a spec that describes the entries, and plans with it. What turns out
// not to mean the same is described in a simpler way, or left out, until nothing is
// to be done but to take over what is there.
func (im *importing) describe(ctx context.Context) error {
	contents, err := im.contents(ctx)
	if err != nil {
		return err
	}
	for {
		if im.out, err = edit.Describe(contents); err != nil {
			return im.damaged(err)
		}
		if len(im.out.Objects) == 0 {
			return &failure{message: "nothing of " + im.at.Path + " can be described: " + im.omissions()}
		}
		wrong, err := im.plan(ctx)
		if err != nil {
			return err
		}
		if len(wrong) == 0 {
			return nil
		}
		if !simplify(&contents, im.out.Objects, wrong) {
			return &failure{message: fmt.Sprintf("%s cannot be taken over: %s", im.at.Path, wrong[0].reason)}
		}
	}
}

// contents gives spec/edit what it describes: paths, entries of index.json, and how to read
// blobs.
func (im *importing) contents(ctx context.Context) (edit.Contents, error) {
	dir, err := im.relativeLayout()
	return edit.Contents{
		Path: dir, Spec: im.Name, Name: filepath.Base(filepath.Clean(im.store.Dir())), Entries: im.entries,
		Read:   func(d ocispec.Descriptor) ([]byte, error) { return im.store.ReadBlob(ctx, d, 0) },
		Stored: map[digest.Digest]string{}, Left: map[digest.Digest]string{},
	}, err
}

// relativeLayout is the path of the layout as the spec has it.
func (im *importing) relativeLayout() (string, error) {
	base, err := filepath.Abs(filepath.Dir(im.Out))
	if err != nil {
		return "", err
	}
	dir, err := filepath.Abs(im.store.Dir())
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(base, dir)
	if err != nil {
		return dir, nil // on another volume
	}
	return filepath.ToSlash(rel), nil
}

// mismatch is an object of a description that does not come out as what is there.
type mismatch struct{ address, reason string }

// simplify describes the config of each mismatch as a blob of the layout, and leaves the
// documents of all others out. It reports whether that changes anything.
func simplify(c *edit.Contents, objects []edit.Named, wrong []mismatch) bool {
	changed := false
	for _, w := range wrong {
		i := slices.IndexFunc(objects, func(o edit.Named) bool { return o.Address == w.address })
		if i < 0 {
			continue
		}
		dgst := objects[i].Descriptor.Digest
		if kind, _, _ := strings.Cut(w.address, "."); kind == string(spec.KindConfig) && c.Stored[dgst] == "" {
			c.Stored[dgst], changed = w.reason, true
		} else if kind != string(spec.KindConfig) && c.Left[dgst] == "" {
			c.Left[dgst], changed = w.reason, true
		}
	}
	return changed
}

// plan plans with the description, and lists what is not simply taken over: configs
// alone where there are any, for all else follows from them.
func (im *importing) plan(ctx context.Context) ([]mismatch, error) {
	sp, diags := spec.Load(filepath.Dir(im.Out), spec.LoadOptions{
		Sources: []spec.Source{{Name: filepath.Base(im.Out), Text: string(im.out.Text)}}, Version: version(),
	})
	im.a.files = sp.Files
	if diags.HasErrors() {
		return im.refusals(diags)
	}
	epoch, err := im.a.epoch()
	if err != nil {
		return nil, err
	}
	im.spec = sp
	im.result, err = planner.New(ctx, sp, im.store, planner.RefreshOptions{Epoch: epoch})
	if errors.As(err, &diags) {
		return im.refusals(diags)
	}
	if err != nil {
		return nil, err
	}
	var wrong []mismatch
	for _, c := range im.result.Plan.Changes {
		if c.Action == planner.Import && len(c.Implied) == 0 {
			continue
		}
		reason := "it comes out otherwise"
		for _, r := range c.Reasons {
			if r.Kind == planner.ReasonDiffers {
				reason = r.Text
			}
		}
		if c.Kind == spec.KindConfig {
			return []mismatch{{c.Address, reason}}, nil
		}
		wrong = append(wrong, mismatch{c.Address, reason})
	}
	return wrong, nil
}

// refusals are the objects that diagnostics are about. One that is about no document that
// can be described otherwise is an error.
func (im *importing) refusals(diags hcl.Diagnostics) ([]mismatch, error) {
	if im.staged != nil {
		return nil, diags // there is one way to describe it
	}
	var wrong []mismatch
	for _, d := range diags {
		if d.Severity != hcl.DiagError || d.Subject == nil {
			continue
		}
		address := im.out.At(d.Subject.Start.Line)
		if kind, _, _ := strings.Cut(address, "."); kind == "" || kind == string(spec.KindLayer) {
			return nil, diags
		}
		wrong = append(wrong, mismatch{address, d.Detail})
	}
	if len(wrong) == 0 {
		return nil, diags
	}
	return wrong, nil
}

// omissions says why entries are left out.
func (im *importing) omissions() string {
	var reasons []string
	for _, o := range im.out.Left {
		reasons = append(reasons, o.Reason)
	}
	return strings.Join(slices.Compact(reasons), "; ")
}

// write writes the spec, and then the staging state.
func (im *importing) write(ctx context.Context) error {
	dir, name := filepath.Split(im.Out)
	root, err := os.OpenRoot(filepath.Clean(dir + "."))
	if err != nil {
		return err
	}
	defer root.Close()
	if err := writeNewIn(root, name, im.out.Text); err != nil {
		return err
	}
	if im.mends {
		return nil // apply does that, when the user has seen the plan
	}
	_, err = executor.Apply(ctx, im.store, im.result.Plan, executor.Options{Dir: filepath.Dir(im.Out), Planned: im.result})
	if err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}

// show prints what was imported.
func (im *importing) show() error {
	out := &view.Import{Layout: im.at.Path, File: im.Out, DryRun: im.DryRun, Text: string(im.out.Text)}
	for _, o := range im.out.Objects {
		out.Objects = append(out.Objects, view.Imported{Address: o.Address, Origin: o.Origin, MediaType: o.Descriptor.MediaType, Digest: o.Descriptor.Digest, Size: o.Descriptor.Size, Stored: o.Stored})
	}
	for _, o := range im.out.Left {
		out.Left = append(out.Left, view.LeftOut{Ref: o.Ref, Digest: o.Digest, Reason: o.Reason})
	}
	out.Mends = im.mends
	doc := view.Document{Type: view.TypeImport, Import: out}
	if im.mends {
		doc.Plan = im.result.Plan
	}
	if im.a.json {
		return im.a.print(doc)
	}
	if im.DryRun {
		for _, o := range out.Left {
			if err := writeTo(im.a.stderr, fmt.Sprintf("layform: %s\n", printable.Line(fmt.Sprintf("%s %s is left as it is: %s", o.Ref, o.Digest, o.Reason)))); err != nil {
				return err
			}
		}
		return writeTo(im.a.stdout, out.Text)
	}
	if err := im.a.show(view.ImportReport(out)); err != nil || !im.mends {
		return err
	}
	return im.a.show(view.PlanReport(im.result.Plan, view.DefaultRows))
}
