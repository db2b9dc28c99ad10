package planner

import (
	"slices"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// diffFiles compares the entries of an earlier layer with those of a tree.
func diffFiles(was []layer.Entry, now []source.Entry) []FileChange {
	before, after := make([]*layer.Entry, len(was)), make([]*layer.Entry, len(now))
	for i := range was {
		before[i] = &was[i]
	}
	unknown := map[string]bool{}
	for i := range now {
		after[i] = &now[i].Entry
		if now[i].Unknown {
			unknown[now[i].Path] = true
		}
	}
	var out []FileChange
	if len(was) == 0 {
		out = make([]FileChange, 0, len(now))
	}
	var c fileChanges
	if len(was)+len(now) > manyFiles {
		c.paths.Block = layer.TextBlock
	}
	for diff := range source.Diff(before, after) {
		out = append(out, c.change(diff, unknown[diff.Path]))
	}
	return out
}

// DiffFiles compares the entries of two trees, in any order: what changes from before to
// after, sorted.
func DiffFiles(before, after []*layer.Entry) []FileChange {
	var out []FileChange
	var c fileChanges
	for diff := range source.Diff(before, after) {
		out = append(out, c.change(diff, false))
	}
	return out
}

// manyFiles is from how many files it is worth allocating paths together.
const manyFiles = 1000

// fileChanges makes the changes of files, which may be a million: what is equal in them
// is in memory once.
type fileChanges struct {
	paths  layer.Texts
	path   []byte
	common map[commonProperties]*layer.Properties
}

// commonProperties are the properties that nearly all files and directories have, and
// have in common with many others.
type commonProperties struct {
	kind     layer.Type
	mode     layer.Mode
	uid, gid int
	mtime    layer.Mtime
	size     int64
}

// maxCommon bounds the properties that are remembered, to some 15 MB.
const maxCommon = 1 << 16

// change is the change that a difference makes. With unknown, the content of the new
// entry is known after apply.
func (f *fileChanges) change(diff source.Difference, unknown bool) FileChange {
	c := FileChange{Path: f.absolute(diff.Path), Action: Update, What: diff.What, Unknown: unknown && diff.New != nil}
	switch diff.Kind {
	case source.Added:
		c.Action = Create
	case source.Removed:
		c.Action = Delete
	}
	compared := slices.Contains(diff.What, layer.PropertyContent)
	c.Before, c.After = f.properties(diff.Old, compared, false), f.properties(diff.New, compared, c.Unknown)
	return c
}

// absolute is the absolute path of an entry.
func (f *fileChanges) absolute(path string) layer.Bytes {
	if path == "." {
		return "/"
	}
	f.path = append(append(f.path[:0], '/'), path...)
	return layer.Bytes(f.paths.Text(f.path))
}

// properties are those of an entry, nil for none: with the digest where compared is
// set, and without what is known after apply where unknown is.
func (f *fileChanges) properties(e *layer.Entry, compared, unknown bool) *layer.Properties {
	if e == nil {
		return nil
	}
	p := e.Properties()
	if unknown {
		p.Size = 0
	}
	if !compared || unknown {
		p.Digest = ""
	}
	if p.Digest != "" || p.Xattrs != nil || p.Type != layer.Regular && p.Type != layer.Directory {
		own := p
		return &own
	}
	key := commonProperties{kind: p.Type, mode: p.Mode, uid: p.UID, gid: p.GID, mtime: p.Mtime, size: p.Size}
	if same := f.common[key]; same != nil {
		return same
	}
	if f.common == nil {
		f.common = map[commonProperties]*layer.Properties{}
	}
	first := p
	if len(f.common) < maxCommon {
		f.common[key] = &first
	}
	return &first
}
