package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"runtime"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/layer"

	"github.com/layform/layform/layout/printable"
)

// ValidateOptions choose what Validate checks.
type ValidateOptions struct {
	// Quick checks structure and sizes and hashes manifests, indexes and
	// configs; other blobs are not read.
	Quick bool
	// SkipLayers hashes layers without decompressing them: diffIDs and the
	// rules about tars are not checked.
	SkipLayers bool
	// Sparse allows blobs that are described to be missing, as the image spec
	// does for layouts whose blobs are kept elsewhere.
	Sparse bool
	// Parallelism is the number of blobs that are read at once; 0 stands for
	// the number of processors.
	Parallelism int
}

// Finding is one breach of a rule.
type Finding struct {
	Rule     Rule     `json:"rule"`
	Severity Severity `json:"severity"`
	// Object is the file of the layout that the finding is about.
	Object string `json:"object"`
	// Place is where in the object: an element of the document, or the path of
	// a layer's entry. Empty for the whole object.
	Place string `json:"place,omitempty"`
	// Problem says what is wrong, and Advice what to do.
	Problem string `json:"problem"`
	Advice  string `json:"advice"`
}

// Validate checks the layout against the image spec and yields all findings:
// those of files first, then those of documents, then those of blobs in the
// order of their digests. It reads everything again, whatever a Cache says, and
// changes nothing. An error that is no fault of the layout ends it. It is best
// used on a Store that was opened with Options.Inspect.
func (s *Store) Validate(ctx context.Context, opts ValidateOptions) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		d, err := s.disk()
		if err != nil {
			yield(Finding{}, err)
			return
		}
		newAudit(dirTree{d: d}, s.limits, opts, yield).run(ctx)
	}
}

// ValidateArchive is Validate for a layout in a plain tar of size bytes. One that is
// compressed gives one finding that says so.
func ValidateArchive(ctx context.Context, tar io.ReaderAt, size int64, limits Limits, opts ValidateOptions) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		a := newAudit(nil, limits.withDefaults(), opts, yield)
		if _, c, err := layer.Detect(io.NewSectionReader(tar, 0, size)); err == nil && c != imagespec.Uncompressed {
			// A layout in an archive is read at any place, which a stream does not give.
			a.find(RuleArchiveCompressed, "", "", fmt.Sprintf("the archive is compressed with %s, so nothing in it was checked", c))
			return
		}
		t, err := openTar(ctx, tar, size, a.find)
		if err != nil {
			a.fail(err)
			return
		}
		a.tree = t
		a.run(ctx)
	}
}

// tree is where the files of a layout are.
type tree interface {
	// list gives what stands in a directory, by name; fs.ErrNotExist when there
	// is no such directory, ErrNotPlain when it is something else.
	list(dir string) ([]node, error)
	// open opens a regular file and gives its size. The errors are those of list.
	open(name string) (io.ReadCloser, int64, error)
}

// node is a file or directory in a tree.
type node struct {
	name string
	mode fs.FileMode
	size int64
}

// dirTree is a layout in a directory.
type dirTree struct{ d *disk.Dir }

func (t dirTree) list(dir string) ([]node, error) {
	if err := errors.Join(t.d.CheckParents(dir), t.d.CheckDir(dir)); err != nil {
		return nil, err
	}
	entries, err := t.d.List(dir)
	if err != nil {
		return nil, err
	}
	nodes := make([]node, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node{name: e.Name(), mode: info.Mode(), size: info.Size()})
	}
	return nodes, nil
}

func (t dirTree) open(name string) (io.ReadCloser, int64, error) {
	open := func(name string) (*os.File, fs.FileInfo, error) { return t.d.Open(name, os.O_RDONLY) }
	if strings.HasPrefix(name, blobsDir+"/") {
		open = t.d.OpenLinked
	}
	f, info, err := open(name)
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// audit is one run of Validate.
type audit struct {
	tree   tree
	limits Limits
	opts   ValidateOptions
	yield  func(Finding, error) bool
	texts  map[Rule]RuleText
	// stopped is set when the consumer has had enough or an error ended the run.
	stopped bool

	// blobs are the blobs that stand in the layout, with their sizes.
	blobs map[digest.Digest]int64
	// known are the documents that were read already.
	known map[digest.Digest]bool
	// layers are the uses of blobs as layers of images.
	layers map[digest.Digest][]layerUse
	// verified are the blobs that were hashed while documents were read.
	verified map[digest.Digest]bool
	// images are the platforms of the configs of images, by manifest.
	images map[digest.Digest]ocispec.Platform
	// withPlatform are the descriptors that say a platform.
	withPlatform []edge
	// count is the number of descriptors met so far.
	count int
}

func newAudit(t tree, limits Limits, opts ValidateOptions, yield func(Finding, error) bool) *audit {
	if opts.Parallelism <= 0 {
		opts.Parallelism = runtime.GOMAXPROCS(0)
	}
	a := &audit{
		tree: t, limits: limits, opts: opts, yield: yield,
		texts:    map[Rule]RuleText{},
		blobs:    map[digest.Digest]int64{},
		known:    map[digest.Digest]bool{},
		layers:   map[digest.Digest][]layerUse{},
		verified: map[digest.Digest]bool{},
		images:   map[digest.Digest]ocispec.Platform{},
	}
	for _, r := range Rules() {
		a.texts[r.Rule] = r
	}
	return a
}

// find reports a breach of a rule.
func (a *audit) find(rule Rule, object, place, problem string) {
	a.report(Finding{Rule: rule, Object: object, Place: place, Problem: problem})
}

// report yields a finding, with what the rule's text adds to it.
func (a *audit) report(f Finding) {
	if a.stopped {
		return
	}
	text := a.texts[f.Rule]
	f.Severity, f.Advice = text.Severity, text.Advice
	f.Object, f.Place, f.Problem = printable.Line(f.Object), printable.Line(f.Place), printable.Line(f.Problem)
	a.stopped = !a.yield(f, nil)
}

// fail ends the run with an error that is no fault of the layout.
func (a *audit) fail(err error) {
	if !a.stopped {
		a.yield(Finding{}, err)
	}
	a.stopped = true
}

// run checks everything.
func (a *audit) run(ctx context.Context) {
	a.layoutFile()
	a.blobFiles()
	a.index(ctx)
	a.platformsOfImages()
	if !a.opts.Quick {
		a.contents(ctx)
	}
}
