package encode

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// File is one path of an image: its entry, and the layer that it comes from.
type File struct {
	// Layer is the index of the layer, bottom first.
	Layer int
	layer.Entry
}

// View lists what the layers of an image, bottom first, make up together, in
// canonical order: whiteouts hide what lies below them, a directory over a
// directory changes its metadata, and anything else replaces what was there.
func View(layers []*layer.TOC) []File {
	var view []File
	for i, toc := range layers {
		over := newOverlay(i, toc)
		view = over.apply(view)
	}
	return view
}

// overlay is one layer as it is laid over those below.
type overlay struct {
	files   []File
	byPath  map[string]layer.Type
	hidden  map[string]bool // whiteouts, by the path that they hide
	emptied map[string]bool // opaque directories
}

func newOverlay(index int, toc *layer.TOC) *overlay {
	o := &overlay{byPath: map[string]layer.Type{}, hidden: map[string]bool{}, emptied: map[string]bool{}}
	for _, e := range toc.Entries {
		dir, base := path.Split(e.Path)
		switch {
		case base == imagespec.OpaqueName:
			o.emptied[path.Clean(dir)] = true
		case imagespec.IsWhiteout(base):
			o.hidden[dir+strings.TrimPrefix(base, imagespec.WhiteoutPrefix)] = true
		default:
			o.files = append(o.files, File{Layer: index, Entry: e})
			o.byPath[e.Path] = e.Type
		}
	}
	slices.SortStableFunc(o.files, func(a, b File) int { return layer.Compare(a.Path, b.Path) })
	// Of several entries for a path the last one counts.
	last := o.files[:0]
	for i, f := range o.files {
		if i+1 == len(o.files) || o.files[i+1].Path != f.Path {
			last = append(last, f)
		}
	}
	o.files = last
	return o
}

// apply gives what is seen when o lies over a view.
func (o *overlay) apply(below []File) []File {
	out := make([]File, 0, len(below)+len(o.files))
	next, gone := 0, ""
	for _, f := range below {
		// A tree stands together in canonical order: whatever is gone takes all
		// that follows below it along.
		if gone != "" && strings.HasPrefix(f.Path, gone) {
			continue
		}
		gone = ""
		for next < len(o.files) && layer.Compare(o.files[next].Path, f.Path) < 0 {
			out = append(out, o.files[next])
			next++
		}
		kind, replaced := o.byPath[f.Path]
		switch {
		case o.hidden[f.Path] || replaced && (kind != layer.Directory || f.Type != layer.Directory):
			gone = f.Path + "/"
		case o.emptied[f.Path]:
			if gone = f.Path + "/"; f.Path == "." {
				gone = ""
			}
			if !replaced {
				out = append(out, f)
			}
		case !replaced && !o.emptied["."]:
			out = append(out, f)
		}
	}
	return append(out, o.files[next:]...)
}

// maxLinks bounds the links that Lookup goes through.
const maxLinks = 40

// Lookup finds a path in a view, through symlinks, which are taken as a
// container takes them: the root of the image is their root. With follow unset
// a link in the last component is given itself.
func Lookup(view []File, name string, follow bool) (File, error) {
	rest := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	at, links := implied("."), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = parentOf(view, at.Path)
			continue
		}
		f, ok := find(view, path.Join(at.Path, part))
		if !ok {
			return File{}, fmt.Errorf("the image has no %q", "/"+path.Join(at.Path, part))
		}
		if f.Type != layer.Symlink || len(rest) == 0 && !follow {
			at = f
			continue
		}
		if len(f.Linkname) > imagespec.MaxPath {
			return File{}, fmt.Errorf("%q leads through a link that is longer than Linux allows", name)
		}
		if links++; links > maxLinks {
			return File{}, fmt.Errorf("%q leads through too many symlinks", name)
		}
		if at = parentOf(view, f.Path); path.IsAbs(f.Linkname) {
			at = implied(".")
		}
		rest = append(strings.Split(f.Linkname, "/"), rest...)
	}
	return at, nil
}

// parentOf is the directory that a path lies in; the root lies in itself.
func parentOf(view []File, p string) File {
	dir := path.Dir(p)
	if f, ok := find(view, dir); ok {
		return f
	}
	return implied(dir)
}

// implied is a directory that has no entry of its own.
func implied(p string) File {
	return File{Entry: layer.Entry{Path: p, Type: layer.Directory, Mode: 0o755}}
}

// find gives what stands at a path: its entry, or a directory where only what
// lies in it has entries.
func find(view []File, p string) (File, bool) {
	i, ok := slices.BinarySearchFunc(view, p, func(f File, p string) int { return layer.Compare(f.Path, p) })
	if ok {
		return view[i], true
	}
	if i < len(view) && strings.HasPrefix(view[i].Path, p+"/") {
		return implied(p), true
	}
	return File{}, false
}
