package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
)

// layoutCmd is the group of commands about layouts of any origin.
type layoutCmd struct {
	Show      layoutShowCmd      `cmd:"" help:"Show what a layout holds, from index.json down to the layers."`
	Ls        layoutLsCmd        `cmd:"" name:"ls" help:"List the files of an image, as its layers make them up together."`
	Cat       layoutCatCmd       `cmd:"" name:"cat" help:"Print a file of an image."`
	Diff      layoutDiffCmd      `cmd:"" help:"Compare two images: manifests, configs, layers and files."`
	Validate  layoutValidateCmd  `cmd:"" help:"Say all that is wrong with a layout."`
	Copy      layoutCopyCmd      `cmd:"" help:"Copy images between layouts, in directories and tars: copy, without oci: in front of paths."`
	Complete  layoutCompleteCmd  `cmd:"" help:"Fetch the layers that bases left in registries."`
	Export    layoutExportCmd    `cmd:"" help:"Write a layout, or one image of it, as a tar: the same layout gives the same bytes."`
	Repos     layoutReposCmd     `cmd:"" name:"repos" help:"List the repositories of a layout, as a registry has them."`
	Tags      layoutTagsCmd      `cmd:"" name:"tags" help:"List the tags of a layout, or of one repository in it, with their digests."`
	Resolve   layoutResolveCmd   `cmd:"" name:"resolve" help:"Print the digest of an image."`
	Referrers layoutReferrersCmd `cmd:"" name:"referrers" help:"List what refers to an image: signatures, SBOMs."`
	Tag       layoutTagCmd       `cmd:"" name:"tag" help:"Give an image more names."`
	Untag     layoutUntagCmd     `cmd:"" name:"untag" help:"Take names away, and keep the images."`
	Rm        layoutRmCmd        `cmd:"" name:"rm" help:"Remove an image from a layout, with all its names."`
	GC        layoutGCCmd        `cmd:"" name:"gc" help:"Delete the blobs that nothing refers to."`
	Repair    layoutRepairCmd    `cmd:"" help:"Mend what can be mended, and say what cannot."`
}

// layoutShowCmd shows what a layout holds.
type layoutShowCmd struct {
	Layout string `arg:"" name:"layout" help:"DIR[:REF][@DIGEST], the directory of the layout, or a tar that holds one; all of it, or one entry alone."`
	Ref    string `arg:"" optional:"" name:"ref" help:"Show the entries of this ref name alone, as DIR:REF does."`
	Raw    bool   `name:"raw" help:"Print the bytes of the document: index.json for DIR, else the manifest, index or config that is named."`
}

// Help gives examples.
func (c *layoutShowCmd) Help() string {
	return `For example:
  layform layout show dist/app             all that index.json leads to
  layform layout show dist/app:latest      one image
  layform layout show app.tar
  layform layout show --raw dist/app:latest`
}

// Run reads index.json and all manifests.
func (c *layoutShowCmd) Run(ctx context.Context, a *app) error {
	at, err := ref.LocateImage(c.Layout)
	if err != nil {
		return err
	}
	if c.Ref != "" && at.Name != "" {
		return &failure{message: fmt.Sprintf("%s names an entry, and so does %q", c.Layout, c.Ref), hint: "leave out one of them"}
	}
	at.Name += c.Ref
	if c.Raw && a.json {
		return &failure{message: "--raw and --json exclude each other", hint: "leave one of them out"}
	}
	store, err := openLayoutAt(ctx, at.Path, false)
	if err != nil {
		return err
	}
	defer store.Close()
	if c.Raw {
		return c.printRaw(ctx, a, store, at)
	}
	return c.showTree(ctx, a, store, at)
}

// showTree shows the entries of index.json, or the one that is named, and what they lead to.
func (c *layoutShowCmd) showTree(ctx context.Context, a *app, store *openedLayout, at ref.Reference) error {
	index, err := store.Index(ctx)
	if err != nil {
		return err
	}
	t := &tree{store: store.Reader, seen: map[digest.Digest]bool{}}
	entries := index.Descriptors()
	out := &view.Layout{Path: at.Path, Index: index.Digest(), Entries: make([]view.Node, 0, min(len(entries), maxNodes))}
	for _, d := range entries {
		if at.Name != "" && layout.RefName(d) != at.Name || at.Digest != "" && d.Digest != at.Digest {
			continue
		}
		n, err := t.node(ctx, view.RoleEntry, d, 0)
		if err != nil {
			return err
		}
		n.Ref = layout.RefName(d)
		out.Entries = append(out.Entries, n)
	}
	if at.Name+string(at.Digest) != "" && len(out.Entries) == 0 {
		return &failure{message: fmt.Sprintf("%s has no entry named %q", at.Path, strings.Trim(at.Name+"@"+string(at.Digest), "@")), hint: "layform layout show DIR lists all"}
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeLayout, Layout: out})
	}
	return a.show(view.LayoutReport(out))
}

// openExisting opens a layout that must be there.
func openExisting(dir string, opts layout.Options) (*layout.Store, error) {
	store, err := layout.Open(dir, opts)
	if err != nil {
		return nil, err
	}
	if !store.Initialised() && !opts.Inspect {
		store.Close()
		return nil, noLayout(dir)
	}
	return store, nil
}

// noLayout is the error about a place where a layout must be.
func noLayout(path string) error {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return &failure{message: path + " does not exist", hint: "check the path; layform apply makes the layout of a spec"}
	}
	return &failure{message: path + " holds no OCI image layout", hint: "layform apply makes one"}
}

// maxNodes is the number of descriptors that a tree shows.
const maxNodes = imagespec.MaxDescriptors

// tree reads the descriptors of a layout. Each document is read once: where it
// stands a second time it has no children.
type tree struct {
	store *layout.Reader
	seen  map[digest.Digest]bool
	nodes int
}

// node reads one descriptor and what its document refers to.
func (t *tree) node(ctx context.Context, role view.Role, d ocispec.Descriptor, depth int) (view.Node, error) {
	n := view.Node{Role: role, Descriptor: d}
	if t.nodes++; t.nodes > maxNodes {
		return n, &failure{message: fmt.Sprintf("the layout has more than %d descriptors", maxNodes)}
	}
	var bad *layout.BlobError
	there, err := t.store.Exists(ctx, d)
	if errors.As(err, &bad) && !bad.Unread {
		n.Problem = bad.Problem
		return n, nil
	}
	if err != nil {
		return n, err
	}
	n.Missing = !there
	if !there || !imagespec.IsManifest(d.MediaType) || t.seen[d.Digest] {
		return n, nil
	}
	if depth > imagespec.MaxGraphDepth {
		return n, &failure{message: fmt.Sprintf("indexes are nested more than %d deep", imagespec.MaxGraphDepth)}
	}
	t.seen[d.Digest] = true
	doc, err := t.store.Document(ctx, d)
	if errors.As(err, &bad) {
		n.Problem = bad.Problem
		return n, nil
	}
	if err != nil {
		return n, err
	}
	add := func(role view.Role, list ...ocispec.Descriptor) error {
		for _, d := range list {
			child, err := t.node(ctx, role, d, depth+1)
			if err != nil {
				return err
			}
			n.Children = append(n.Children, child)
		}
		return nil
	}
	if doc.Config != nil {
		err = add(view.RoleConfig, *doc.Config)
	}
	err = errors.Join(err, add(view.RoleLayer, doc.Layers...), add(view.RoleLayer, doc.Blobs...), add(view.RoleManifest, doc.Manifests...))
	if doc.Subject != nil {
		// A subject may be absent, and has a place of its own in the layout.
		t.nodes++
		n.Children = append(n.Children, view.Node{Role: view.RoleSubject, Descriptor: *doc.Subject})
	}
	return n, err
}
