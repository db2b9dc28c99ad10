package layout

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/layer"
)

// archiveLimit is the number of entries of an archive that are read.
const archiveLimit = 1_000_000

// tarTree is a layout in a tar that can be read anywhere.
type tarTree struct {
	r     io.ReaderAt
	nodes map[string]tarNode
	// children are the names in each directory.
	children map[string]map[string]bool
}

// tarNode is one entry and the place of its content in the tar.
type tarNode struct {
	mode         fs.FileMode
	offset, size int64
}

// openTar reads the headers of a tar, and reports through find what is wrong
// with it as a tar.
func openTar(ctx context.Context, r io.ReaderAt, size int64, find func(Rule, string, string, string)) (*tarTree, error) {
	t := &tarTree{r: r, nodes: map[string]tarNode{".": {mode: fs.ModeDir}}, children: map[string]map[string]bool{}}
	in := io.NewSectionReader(r, 0, size)
	tr := tar.NewReader(in)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		var pe *fs.PathError
		if errors.As(err, &pe) {
			return nil, err
		}
		if err != nil {
			find(RuleArchiveUnreadable, "", "", fmt.Sprintf("it is no tar after %d entries: %v", n, err))
			return t, nil
		}
		if n == archiveLimit {
			find(RuleArchiveUnreadable, "", "", fmt.Sprintf("it has more than %d entries", n))
			return t, nil
		}
		// The reader reads whole headers and nothing more: the content is next.
		offset, err := in.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		t.add(h, offset, size, find)
	}
}

// add takes down one entry.
func (t *tarTree) add(h *tar.Header, offset, size int64, find func(Rule, string, string, string)) {
	name := path.Clean(h.Name)
	if layer.Outside(h.Name) {
		find(RuleArchivePath, name, "", "the path is absolute or leaves the archive")
		return
	}
	n := tarNode{mode: h.FileInfo().Mode(), offset: offset, size: h.Size}
	switch h.Typeflag {
	case tar.TypeReg:
		if h.Size > size-offset {
			find(RuleArchiveUnreadable, name, "", "the archive ends before the file does")
			return
		}
	case tar.TypeDir:
	case tar.TypeXGlobalHeader:
		return
	case tar.TypeLink:
		// A second name for what stands in the archive already.
		target, ok := t.nodes[path.Clean(h.Linkname)]
		if !ok {
			find(RuleArchiveUnreadable, name, "", fmt.Sprintf("it is a link to %q, which does not come before it", h.Linkname))
			return
		}
		n = target
	default:
		if n.mode.IsRegular() {
			n.mode = fs.ModeIrregular
		}
	}
	if rest, ok := within(name, layoutDepth); !ok {
		// Nothing of a layout lies there. That there is a directory is enough.
		name, n = rest, tarNode{mode: fs.ModeDir}
	}
	if old, ok := t.nodes[name]; ok && !(old.mode.IsDir() && n.mode.IsDir()) {
		find(RuleArchiveDuplicate, name, "", "the file stands twice in the archive")
	}
	t.nodes[name] = n
	for dir, base := path.Split(name); base != "."; dir, base = path.Split(strings.TrimSuffix(dir, "/")) {
		parent := path.Clean("./" + dir)
		if t.children[parent] == nil {
			t.children[parent] = map[string]bool{}
		}
		t.children[parent][base] = true
		if _, ok := t.nodes[parent]; !ok {
			t.nodes[parent] = tarNode{mode: fs.ModeDir}
		}
		if parent == "." {
			return
		}
	}
}

// layoutDepth is how deep the files of a layout lie: blobs/sha256/0123….
const layoutDepth = 3

// within cuts a path off after a number of components, and reports whether it
// has no more of them.
func within(name string, depth int) (string, bool) {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		if depth--; depth == 0 {
			return name[:i], false
		}
	}
	return name, true
}

func (t *tarTree) list(dir string) ([]node, error) {
	d, ok := t.nodes[dir]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	if !d.mode.IsDir() {
		return nil, disk.NotPlain(dir, disk.WantDir, d.mode)
	}
	var nodes []node
	for _, name := range slices.Sorted(maps.Keys(t.children[dir])) {
		n := t.nodes[path.Join(dir, name)]
		nodes = append(nodes, node{name: name, mode: n.mode, size: n.size})
	}
	return nodes, nil
}

func (t *tarTree) open(name string) (io.ReadCloser, int64, error) {
	n, ok := t.nodes[name]
	if !ok {
		return nil, 0, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	if !n.mode.IsRegular() {
		return nil, 0, disk.NotPlain(name, "a regular file", n.mode)
	}
	return io.NopCloser(io.NewSectionReader(t.r, n.offset, n.size)), n.size, nil
}
