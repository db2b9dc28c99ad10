package source

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source/walk"
	"github.com/layform/layform/spec"
)

// entryPath is a spec path as an entry spells it.
func entryPath(to string) string {
	if to == "" {
		return "."
	}
	return to
}

// whiteoutPath is the path of the marker file of a whiteout block.
func whiteoutPath(n *spec.FileOp) (string, bool) {
	if n.Opaque {
		return imagespec.OpaquePath(n.To), true
	}
	return imagespec.WhiteoutPath(n.To)
}

// checkPath reports paths that no layer may hold.
func (o *observer) checkPath(node int, p string) bool {
	base := path.Base(p)
	switch {
	case !utf8.ValidString(p):
		o.report(node, "Invalid file name", "The name %q is not valid UTF-8. Rename the file, or exclude it.", p)
	case imagespec.IsWhiteout(base):
		o.report(node, "Reserved file name", "The name of %q begins with %q, which marks deletions in layers. Rename the file, or exclude it.", "/"+p, imagespec.WhiteoutPrefix)
	case imagespec.TooLong(p):
		o.report(node, "Path too long", "%q is longer than Linux allows: %d bytes for a name, %d for a path.", "/"+p, imagespec.MaxName, imagespec.MaxPath)
	default:
		return true
	}
	return false
}

// fingerprint computes Tree.Fingerprint for the layer of these blocks, without keeping
// entries. It answers false where it takes more to tell: while content is unknown or
// unread, and for hard links.
func (o *observer) fingerprint(blocks []block) (digest.Digest, bool) {
	r, known := newTreeHasher(), true
	o.visit(blocks, func(path []byte, g contribution, e *Entry) {
		switch {
		case e.Unknown || e.Type == layer.Hardlink || g.isShared():
			known = false
		case e.Type != layer.Regular:
			addEntry(r, path, &e.Entry, nil)
		case g.found != nil && g.found.Sum != nil:
			addEntry(r, path, &e.Entry, g.found.Sum)
		default:
			sum, ok := layer.SumOf(e.Digest)
			known = known && ok
			addEntry(r, path, &e.Entry, &sum)
		}
	})
	return r.fingerprint(), known
}

// isShared reports whether a file has several names, all of which a copy that
// preserves metadata makes links of one file.
func (g contribution) isShared() bool { return g.found != nil && g.found.Shared() }

// entries lists the entries of a layer in canonical order, hard links behind
// their targets. The list is of no use once something was reported.
func (o *observer) entries(blocks []block) []Entry {
	count := 0 // at most, with the parents that no block declares
	for _, b := range blocks {
		if b.copied != nil {
			count += b.copied.count + strings.Count(b.copied.to, "/")
		} else {
			count += 1 + strings.Count(b.entry.Path, "/")
		}
	}
	c := &collector{entries: make([]Entry, 0, count), first: map[*copyResult]map[walk.Inode]string{}}
	c.texts.Block = min(count*textLength, layer.TextBlock)
	o.visit(blocks, c.add)
	o.checkWhiteouts(c.entries)
	o.shareMetadata(c.entries)
	if o.diags.HasErrors() {
		return nil
	}
	return linksLast(c.entries)
}

// collector keeps the entries that are visited.
type collector struct {
	entries []Entry
	texts   layer.Texts
	file    []byte
	// first is the path of the first name of each shared inode that a copy found.
	first map[*copyResult]map[walk.Inode]string
}

func (c *collector) add(path []byte, g contribution, e *Entry) {
	c.file = g.appendFile(c.file[:0], path)
	e.Path, e.File = c.pathPair(path, c.file)
	if f := g.found; f != nil && f.Sum != nil {
		e.Digest = f.Sum.Digest()
	}
	if g.isShared() {
		c.makeLink(g, e)
	}
	c.entries = append(c.entries, *e)
}

// makeLink turns an entry into a hard link where its inode has an earlier name.
func (c *collector) makeLink(g contribution, e *Entry) {
	first := c.first[g.copied]
	if first == nil {
		first = map[walk.Inode]string{}
		c.first[g.copied] = first
	}
	target, ok := first[g.found.Kept.Inode]
	if !ok {
		first[g.found.Kept.Inode] = e.Path
		return
	}
	e.Type, e.Linkname = layer.Hardlink, target
	e.File, e.State, e.Size, e.Digest, e.Xattrs = "", 0, 0, "", nil
}

// appendFile appends the path of the file that holds the content of the entry at path,
// relative to the spec's directory: nothing where there is none.
func (g contribution) appendFile(dst, path []byte) []byte {
	switch {
	case g.entry != nil:
		return append(dst, g.entry.File...)
	case g.found == nil || g.found.Type() != layer.Regular:
		return dst
	case g.found == g.copied.tree.Top:
		return append(dst, g.copied.from...)
	}
	if g.copied.from != "." {
		dst = append(append(dst, g.copied.from...), '/')
	}
	if g.copied.to != "." {
		path = path[len(g.copied.to)+1:]
	}
	return append(dst, path...)
}

// textLength is the length of a usual path.
const textLength = 32

// pathPair makes strings of a and b. Where one is the end of the other, which is usual,
// they share memory.
func (c *collector) pathPair(a, b []byte) (string, string) {
	switch {
	case bytes.HasSuffix(a, b):
		text := c.texts.Text(a)
		return text, text[len(a)-len(b):]
	case bytes.HasSuffix(b, a):
		text := c.texts.Text(b)
		return text[len(b)-len(a):], text
	}
	return c.texts.Text(a), c.texts.Text(b)
}

// origin says where an entry comes from: "a file from bin/x (copy at a.hcl:3)".
func (o *observer) origin(e *Entry) string {
	text := "a " + string(e.Type)
	if e.File != "" {
		text += " from " + e.File
	}
	if e.Op < 0 {
		return text
	}
	return fmt.Sprintf("%s (%s at %s)", text, o.layer.Tree[e.Op].Kind, location(o.layer.Tree[e.Op].Range))
}

func location(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

func quotePath(p string) string {
	if p == "." {
		return `"/"`
	}
	return fmt.Sprintf("%q", "/"+p)
}

// impliedParent is the entry of an implied directory: one that no block declares.
func (o *observer) impliedParent() Entry {
	return Entry{Op: -1, Entry: layer.Entry{Type: layer.Directory, Mode: 0o755, Mtime: o.opts.Epoch}}
}

// shareMetadata gives hard links the metadata of their targets, for both are one inode.
func (o *observer) shareMetadata(entries []Entry) {
	if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Type == layer.Hardlink }) {
		return
	}
	known := make(map[string]int, len(entries))
	for i := range entries {
		known[entries[i].Path] = i
	}
	for i := range entries {
		e := &entries[i]
		if e.Type != layer.Hardlink {
			continue
		}
		at, ok := known[e.Linkname]
		switch {
		case !ok:
			hint := "A hard link needs its target in the same layer."
			if at := slices.IndexFunc(entries, func(other Entry) bool { return composedTwin(other.Path, e.Linkname) }); at >= 0 {
				hint = fmt.Sprintf("It has %+q, which is written with combining characters, while text in a spec is composed: rename the file.", "/"+entries[at].Path)
			}
			o.report(int(e.Op), "No such hard link target", "The layer has no entry %q for %q to share. %s", "/"+e.Linkname, "/"+e.Path, hint)
			continue
		case entries[at].Type == layer.Directory:
			o.report(int(e.Op), "Invalid hard link target", "%q is a directory, which cannot be hard-linked.", "/"+e.Linkname)
			continue
		case entries[at].Type == layer.Hardlink:
			o.report(int(e.Op), "Invalid hard link target", "%q is itself a hard link: name its target %q instead.", "/"+e.Linkname, "/"+entries[at].Linkname)
			continue
		}
		target := &entries[at]
		e.Mode, e.UID, e.GID, e.Mtime = target.Mode, target.UID, target.GID, target.Mtime
	}
}
