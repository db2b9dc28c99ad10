package spec

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/spec/eval"
)

// tarSuffix ends the name of an archive of a layout.
const tarSuffix = ".tar"

// archivePathProblem checks the path of a layout's archive, which is a plain tar: its
// name says so, so that no other file can be meant by mistake.
func archivePathProblem(text string) error {
	if text == "" || strings.ContainsRune(text, 0) {
		return errors.New("it is empty or contains a NUL character")
	}
	if m := referencePattern().FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%q is a reference. The archive is a file: write its path alone, such as \"dist/app.tar\"", text)
	}
	if err := shellPathProblem(text, "file"); err != nil {
		return err
	}
	if strings.HasSuffix(text, tarSuffix) && path.Base(text) != tarSuffix {
		return nil
	}
	for _, suffix := range tarSuffixes[1:] {
		if strings.HasSuffix(strings.ToLower(text), suffix) {
			return fmt.Errorf("%q is the name of a compressed tar. The layers in the archive are compressed, the archive is not: write %q", text, text[:len(text)-len(suffix)]+tarSuffix)
		}
	}
	return fmt.Errorf("%q is not the name of a tar: write one that ends with .tar, such as %q", text, strings.TrimRight(text, "/.")+tarSuffix)
}

// archiveInLayout reports whether the archive would be in the layout that it holds.
func (p *module) archiveInLayout() bool {
	layout, err := p.absolute(p.layoutPath)
	if err != nil {
		return false // the directory of the spec cannot be told: loading it fails
	}
	archive, err := p.absolute(p.archivePath)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(layout, archive)
	return err == nil && filepath.IsLocal(rel)
}

// absolute is a path of the layout block from the root.
func (p *module) absolute(text string) (string, error) {
	at := filepath.FromSlash(text)
	if filepath.IsAbs(at) {
		return filepath.Clean(at), nil
	}
	return filepath.Abs(filepath.Join(p.library.Dir(), at))
}

// archiveEnclosed refuses layers that take along the archive of the layout that they are
// in: every apply would change them, and no plan would ever be empty.
func (p *module) archiveEnclosed(l *Layer) hcl.Diagnostics {
	archive, ok := p.inside(p.archivePath)
	if !ok {
		return nil
	}
	var diags hcl.Diagnostics
	for _, n := range l.Tree {
		if n.Kind != OpCopy || !n.takes(archive) {
			continue
		}
		hint := "Copy from a directory that it is not in."
		if rel := n.relative(archive); rel != "" {
			hint = fmt.Sprintf("Exclude it: exclude = [%q].", rel)
		}
		diags = append(diags, eval.Errorf(n.Range.Ptr(), "Copy of the archive", "The copy takes along the archive %q of the layout, which every apply writes. %s", p.archivePath, hint))
	}
	return diags
}
