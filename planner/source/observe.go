package source

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source/walk"
	"github.com/layform/layform/spec"
)

// maxProblems bounds the diagnostics of one block, for a copy of a broken tree
// would otherwise give one for each of its files.
const maxProblems = 20

// Observe reads the sources of the layer l below root, the spec's directory. It writes
// nothing, keeps nothing open, and follows no link out of root. What the user can mend
// is reported as diagnostics with the places of their blocks, at most twenty a block, as
// is a cancelled context. Where there are errors the result is nil.
func Observe(ctx context.Context, root *os.Root, l *spec.Layer, opts Options) (*Observed, hcl.Diagnostics) {
	if opts.Parallelism <= 0 {
		opts.Parallelism = runtime.GOMAXPROCS(0)
	}
	o := &observer{ctx: ctx, root: root, layer: l, opts: opts, counts: map[int]int{}}
	var result Observed
	switch {
	case l.Archive != "":
		result.File = o.archive(l.Archive)
	case l.Blob != "":
		result.File = o.blob(l.Blob)
	case l.Digest != "":
		result.File = &File{Digest: l.Digest}
	default:
		result.Tree = o.tree()
	}
	if err := ctx.Err(); err != nil {
		o.report(-1, "Interrupted", "Not all of the layer was read: %s.", err)
	}
	if o.diags.HasErrors() {
		return nil, o.diags
	}
	return &result, o.diags
}

// observer carries one observation. Its report method alone is called from
// several goroutines.
type observer struct {
	ctx   context.Context
	root  *os.Root
	layer *spec.Layer
	opts  Options

	mu     sync.Mutex
	diags  hcl.Diagnostics
	counts map[int]int
}

// report adds an error that belongs to a block of the layer's tree, or to the
// layer itself for op -1.
func (o *observer) report(op int, summary, format string, args ...any) {
	o.add(hcl.DiagError, op, summary, format, args...)
}

// warn adds a warning, as report adds an error.
func (o *observer) warn(op int, summary, format string, args ...any) {
	o.add(hcl.DiagWarning, op, summary, format, args...)
}

func (o *observer) add(severity hcl.DiagnosticSeverity, op int, summary, format string, args ...any) {
	subject := o.opts.Range
	if op >= 0 {
		subject = o.layer.Tree[op].Range
	}
	detail := fmt.Sprintf(format, args...)
	o.mu.Lock()
	defer o.mu.Unlock()
	if severity == hcl.DiagError {
		o.counts[op]++
		if n := o.counts[op]; n > maxProblems {
			return
		} else if n == maxProblems {
			detail += " There are more problems of this block; they are left out."
		}
	}
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail}
	if subject != (hcl.Range{}) {
		d.Subject = subject.Ptr()
	}
	o.diags = append(o.diags, d)
}

// tree gathers what all blocks give and makes one canonical list of it. A tree
// is often large, and seldom what changed: nothing is made of one that did not.
func (o *observer) tree() *Tree {
	var blocks []block
	ready := true // whether the blocks give a fingerprint without being read
	for i := range o.layer.Tree {
		if o.ctx.Err() != nil {
			return nil
		}
		n := &o.layer.Tree[i]
		if n.Kind == spec.OpCopy {
			if c := o.copy(i, n); c != nil {
				blocks = append(blocks, block{copied: c})
				ready = ready && !c.tree.Unread
			}
		} else if e, ok := o.singleEntry(i, n); ok {
			blocks = append(blocks, block{entry: &e})
			ready = ready && !e.Unknown && e.Type != layer.Hardlink
		}
	}
	if o.opts.Known != "" && ready && !o.diags.HasErrors() {
		sum, ok := o.fingerprint(blocks)
		if ok && treeLayer(sum, layer.EncodingOf(o.layer.Compression)) == o.opts.Known {
			return &Tree{Sum: sum, Unchanged: true}
		}
		if o.diags.HasErrors() {
			return nil // which another visit would report again
		}
	}
	return o.hashedTree(o.entries(blocks))
}

// hashedTree is the tree of entries, with digests where Options.Hash asks for them.
func (o *observer) hashedTree(entries []Entry) *Tree {
	t := &Tree{Entries: entries}
	if o.opts.Hash && !o.diags.HasErrors() {
		o.hashFiles(t.Entries)
	}
	if o.opts.Hash && !o.diags.HasErrors() && o.ctx.Err() == nil {
		t.Sum, _ = t.Fingerprint()
	}
	return t
}

// singleEntry makes the one entry of a block that is not a copy.
func (o *observer) singleEntry(i int, n *spec.FileOp) (Entry, bool) {
	e := Entry{Op: int32(i)}
	e.Path = entryPath(n.To)
	e.Mtime = o.opts.Epoch
	ok := true
	switch n.Kind {
	case spec.OpFile:
		e.Type, e.Mode = layer.Regular, 0o644
		ok = o.setFileContent(i, n, &e)
	case spec.OpDirectory:
		e.Type, e.Mode = layer.Directory, 0o755
	case spec.OpSymlink:
		e.Type, e.Mode, e.Linkname = layer.Symlink, 0o777, n.Target
	case spec.OpHardlink:
		e.Type, e.Linkname = layer.Hardlink, entryPath(n.Target)
	case spec.OpWhiteout:
		e.Type, e.Mode = layer.Regular, 0o644
		e.setContent("")
		e.Path, ok = whiteoutPath(n)
		if !ok {
			o.report(i, "Whiteout of the root", "A whiteout cannot hide the root directory itself. Set opaque = true to hide all that lower layers have in it.")
		}
	}
	if ok && n.Kind != spec.OpWhiteout {
		ok = o.checkPath(i, e.Path)
	}
	return e, ok && o.setExplicit(i, n, &e)
}

// setFileContent sets the content of a file block's entry.
func (o *observer) setFileContent(i int, n *spec.FileOp, e *Entry) bool {
	switch {
	case n.ContentUnknown:
		e.Unknown = true
		return true
	case n.HasContent:
		e.setContent(n.Content)
		return true
	}
	name, info, err := resolve(o.root, n.Source)
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(info.Mode())
	}
	if err != nil {
		o.report(i, "Unusable source file", "The source %q of file %q cannot be read: %s.", n.Source, "/"+n.To, err)
		return false
	}
	e.Mode = walk.FileMode(info.Mode()&0o100 != 0)
	if l := walk.LossIn(o.root, name, info, e.Mode); l != 0 && n.Mode == nil && (!l.Capability() || n.Capabilities == "") {
		o.warnOfLoss(i, 1, name, lossText(l, e.Mode))
	}
	e.File, e.Size, e.Digest = name, info.Size(), o.cachedDigest(name, info)
	if e.Digest == "" {
		e.State = StateOf(info)
	}
	return true
}

// setExplicit sets the attributes that the block sets for its entry, or for every
// entry of a copy. It reports false after an error.
func (o *observer) setExplicit(i int, n *spec.FileOp, e *Entry) bool {
	mode := n.Mode
	if n.Kind == spec.OpCopy && e.Type == layer.Directory {
		mode = n.DirMode
	}
	if mode != nil && e.Type != layer.Symlink {
		e.Mode = *mode
	}
	if n.UID != nil {
		e.UID = *n.UID
	}
	if n.GID != nil {
		e.GID = *n.GID
	}
	if n.Mtime != nil {
		e.Mtime = n.Mtime.Unix()
	}
	regular := e.Type == layer.Regular
	if !regular && n.Kind == spec.OpCopy {
		return true
	}
	for name, value := range n.Xattrs {
		e.setXattr(name, value)
	}
	if n.Capabilities != "" && regular {
		value, err := encodeCapabilities(n.Capabilities)
		if err != nil {
			o.report(i, "Invalid capabilities", "The capabilities %q cannot be set: %s.", n.Capabilities, err)
			return false
		}
		e.setXattr(walk.CapabilityXattr, value)
	}
	return true
}

// setContent makes content the entry's inline content, now known.
func (e *Entry) setContent(content string) {
	e.Content = content
	e.Size = int64(len(content))
	e.Digest = digest.FromString(content)
	e.Unknown = false
}

func (e *Entry) setXattr(name, value string) {
	if e.Xattrs == nil {
		e.Xattrs = map[string]string{}
	}
	e.Xattrs[name] = value
}
