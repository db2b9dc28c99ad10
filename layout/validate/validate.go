// Package validate checks layouts against the OCI image spec. A Finding is one breach of
// a Rule; a Rule is a sentence of the image spec, or of the formats that it builds on,
// with an id that does not change. A layout is valid when it has no finding of severity
// Must. Layout checks whatever a layout.Reader reads, and Archive an archive besides.
package validate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"runtime"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/printable"
)

// Options choose what Layout checks.
type Options struct {
	// Quick checks structure and sizes and hashes manifests, indexes and
	// configs; other blobs are not read.
	Quick bool
	// SkipLayers hashes layers without decompressing them: diffIDs and the
	// rules about tars are not checked.
	SkipLayers bool
	// Sparse allows blobs that are described to be missing, as the image spec
	// does for layouts whose blobs are kept elsewhere.
	Sparse bool
	// Homes are the repositories, HOST/REPOSITORY, that are known to have blobs. One that
	// is missing there is a finding of RuleBlobElsewhere.
	Homes map[digest.Digest]string
	// Parallelism is the number of blobs that are read at once; 0 means the number of
	// processors.
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
	// Problem is the message, and Advice the remedy.
	Problem string `json:"problem"`
	Advice  string `json:"advice"`
}

// Layout checks the layout that r reads against the image spec and yields all findings:
// those of files first, then those of documents, then those of blobs in the
// order of their digests. It reads everything again, whatever a layout.Cache says, and
// changes nothing. An error that is no fault of the layout ends it. It is best
// used on a Store that was opened with Options.Inspect, or on layout.NewInspector.
func Layout(ctx context.Context, r *layout.Reader, opts Options) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		if _, err := r.Tree().List("."); err != nil {
			yield(Finding{}, err) // there is nothing of which something could be wrong
			return
		}
		newValidator(r.Tree(), r.Limits(), opts, yield).run(ctx)
	}
}

// Archive is Layout for a layout in an archive, with what is wrong with the archive
// itself before all.
func Archive(ctx context.Context, in *archive.Archive, limits layout.Limits, opts Options) iter.Seq2[Finding, error] {
	return func(yield func(Finding, error) bool) {
		r := layout.NewInspector(in, "the archive", limits)
		a := newValidator(in, r.Limits(), opts, yield)
		for _, p := range in.Problems() {
			rule := RuleArchiveUnreadable
			switch p.Kind {
			case archive.Outside:
				rule = RuleArchivePath
			case archive.Duplicate:
				rule = RuleArchiveDuplicate
			}
			a.breach(rule, p.Path, "", p.Text)
		}
		if in.Damaged() {
			return // all else would follow from that
		}
		a.run(ctx)
	}
}

// treeFile is a file or directory in a tree.
type treeFile struct {
	name string
	mode fs.FileMode
	size int64
}

// list lists the files of a directory, by name.
func (a *validator) list(dir string) ([]treeFile, error) {
	entries, err := a.tree.List(dir)
	if err != nil {
		return nil, err
	}
	nodes := make([]treeFile, 0, len(entries))
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, treeFile{name: e.Name(), mode: info.Mode(), size: info.Size()})
	}
	return nodes, nil
}

// open opens a regular file and gives its size.
func (a *validator) open(name string) (layout.File, int64, error) {
	f, err := a.tree.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// validator is one validation of a layout.
type validator struct {
	tree   layout.Tree
	limits layout.Limits
	opts   Options
	yield  func(Finding, error) bool
	texts  map[Rule]RuleText
	// stopped is set when the consumer has had enough or an error ended the run.
	stopped bool

	// blobs are the blobs in the layout, with their sizes.
	blobs map[digest.Digest]int64
	// known are the documents that were read already.
	known map[digest.Digest]bool
	// layers are the uses of blobs as layers of images.
	layers map[digest.Digest][]layerUse
	// kinds counts findings.
	kinds map[findingKind]int
	// sameUses counts the uses of layers.
	sameUses map[sameUse]int
	// verified are the blobs that were hashed while documents were read.
	verified map[digest.Digest]bool
	// images are the platforms of the configs of images, by manifest.
	images map[digest.Digest]ocispec.Platform
	// withPlatform are the descriptors that say a platform.
	withPlatform []edge
}

func newValidator(t layout.Tree, limits layout.Limits, opts Options, yield func(Finding, error) bool) *validator {
	if opts.Parallelism <= 0 {
		opts.Parallelism = runtime.GOMAXPROCS(0)
	}
	a := &validator{
		tree: t, limits: limits, opts: opts, yield: yield,
		texts:    map[Rule]RuleText{},
		blobs:    map[digest.Digest]int64{},
		known:    map[digest.Digest]bool{},
		layers:   map[digest.Digest][]layerUse{},
		sameUses: map[sameUse]int{},
		kinds:    map[findingKind]int{},
		verified: map[digest.Digest]bool{},
		images:   map[digest.Digest]ocispec.Platform{},
	}
	for _, r := range Rules() {
		a.texts[r.Rule] = r
	}
	return a
}

// breach reports a breach of a rule.
func (a *validator) breach(rule Rule, object, place, problem string) {
	a.report(Finding{Rule: rule, Object: object, Place: place, Problem: problem})
}

// report yields a finding, unless there were many of its kind.
func (a *validator) report(f Finding) {
	if a.stopped {
		return
	}
	kind := findingKind{f.Rule, f.Object}
	if a.kinds[kind]++; a.kinds[kind] > maxOfKind {
		return
	}
	a.yieldFinding(f)
}

// maxOfKind is how many findings of one rule are reported for one document or file.
const maxOfKind = 1000

// findingKind is what findings have in common of which a number is reported.
type findingKind struct {
	rule   Rule
	object string
}

// reportOmitted says how many findings were left out.
func (a *validator) reportOmitted() {
	byName := func(x, y findingKind) int {
		return cmp.Or(cmp.Compare(x.object, y.object), cmp.Compare(x.rule, y.rule))
	}
	for _, kind := range slices.SortedFunc(maps.Keys(a.kinds), byName) {
		if n := a.kinds[kind]; n > maxOfKind && !a.stopped {
			a.yieldFinding(Finding{Rule: kind.rule, Object: kind.object, Problem: fmt.Sprintf("and %d more of this kind", n-maxOfKind)})
		}
	}
}

// yieldFinding yields a finding, with what the rule's text adds to it.
func (a *validator) yieldFinding(f Finding) {
	text := a.texts[f.Rule]
	f.Severity, f.Advice = text.Severity, text.Advice
	f.Object, f.Place, f.Problem = printable.Line(f.Object), printable.Line(f.Place), printable.Line(f.Problem)
	a.stopped = !a.yield(f, nil)
}

// fail ends the run with an error that is no fault of the layout.
func (a *validator) fail(err error) {
	if !a.stopped {
		a.yield(Finding{}, err)
	}
	a.stopped = true
}

// run checks everything.
func (a *validator) run(ctx context.Context) {
	a.layoutFile()
	a.blobFiles()
	a.index(ctx)
	a.platformsOfImages()
	if !a.opts.Quick {
		a.contents(ctx)
	}
	a.reportOmitted()
}
