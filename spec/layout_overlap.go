package spec

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/spec/eval"
)

// layoutFiles are files in a layout that an apply writes, and layoutFolders the
// directories above them; "." is the layout itself.
var (
	layoutFiles = []string{
		"index.json", "oci-layout", "blobs/sha256/" + strings.Repeat("0", 64),
		".layform/lock", ".layform/stat.cache", ".layform/stage/default.json",
	}
	layoutFolders = []string{".", "blobs", "blobs/sha256", ".layform"}
)

// enclosed refuses copies that take the layout itself into a layer: every apply
// would change what the next one copies, and no plan would ever be empty.
func (p *module) enclosed(l *Layer) hcl.Diagnostics {
	diags := p.archiveEnclosed(l)
	layout, ok := p.inside(p.layoutPath)
	if !ok {
		return diags
	}
	for _, n := range l.Tree {
		if n.Kind != OpCopy || !n.takesLayout(layout) {
			continue
		}
		hint := "Copy from a directory that is not part of it."
		if rel := n.relative(layout); rel != "" && layout != "." {
			hint = fmt.Sprintf("Exclude it: exclude = [%q].", rel)
		}
		diags = append(diags, eval.Errorf(n.Range.Ptr(), "Copy of the layout", "The copy takes along the layout %q, and with it what every apply writes. %s", p.layoutPath, hint))
	}
	return diags
}

// enclosedSets refuses calls of fileset that list files of the layout, for the
// same reason.
func (p *module) enclosedSets() hcl.Diagnostics {
	var written []string
	if layout, ok := p.inside(p.layoutPath); ok {
		for _, name := range layoutFiles {
			written = append(written, path.Join(layout, name))
		}
	}
	if archive, ok := p.inside(p.archivePath); ok {
		written = append(written, archive)
	}
	var diags hcl.Diagnostics
	for _, set := range p.library.Inputs() {
		if !slices.ContainsFunc(written, func(name string) bool { return lists(set, name) }) {
			continue
		}
		diags = append(diags, eval.Errorf(nil, "List of the layout", "fileset(%q, %q) lists files of the layout %q or its archive, which every apply changes. List a directory that they are not in, or take a pattern that leaves it out.", set.Path, set.Pattern, p.layoutPath))
	}
	return diags
}

// inside is a path of the layout block relative to the spec's directory, with slashes;
// false where it leads elsewhere.
func (p *module) inside(text string) (string, bool) {
	at := filepath.FromSlash(text)
	if filepath.IsAbs(at) {
		dir, err := filepath.Abs(p.library.Dir())
		if err != nil {
			return "", false
		}
		if at, err = filepath.Rel(dir, at); err != nil {
			return "", false
		}
	}
	return path.Clean(filepath.ToSlash(at)), text != "" && filepath.IsLocal(at)
}

// takesLayout reports whether a copy holds anything of a layout at that path.
func (n FileOp) takesLayout(layout string) bool {
	return slices.ContainsFunc(slices.Concat(layoutFolders, layoutFiles), func(name string) bool {
		if name == "." && layout == "." {
			return false // the spec's directory is the layout: only what an apply writes counts
		}
		file := path.Join(layout, name)
		return n.takes(file) || name != "." && strings.HasPrefix(n.From, file+"/")
	})
}

// takes reports whether a copy takes the file or directory at a path of the spec's
// tree.
func (n FileOp) takes(file string) bool {
	rel := n.relative(file)
	if n.From == file || rel == "" {
		return n.From == file
	}
	selection, err := NewSelection(&n)
	if err != nil {
		return false // which is reported where the patterns are decoded
	}
	dir, name := splitLast(rel)
	included, _ := selection.Folder(dir).Take(name)
	return included
}

// relative is a path of the spec's tree relative to From; empty where it is not below it.
func (n FileOp) relative(file string) string {
	if n.From == "." {
		return file
	}
	rel, ok := strings.CutPrefix(file, n.From+"/")
	if !ok {
		return ""
	}
	return rel
}
