package spec

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/spec/eval"
)

// hasUnset reports whether the spec is checked without the value of a variable.
func (p *module) hasUnset() bool {
	for _, v := range p.variables {
		if v.unset {
			return true
		}
	}
	return false
}

// missingSources warns about the sources of a layer that do not exist, as far as
// their paths are known. They may still be made before the plan is.
func (p *module) missingSources(l *Layer, rng hcl.Range) hcl.Diagnostics {
	root, err := eval.OpenDir(p.library.Dir())
	if err != nil {
		return nil // reading the spec says so
	}
	defer root.Close()
	var diags hcl.Diagnostics
	look := func(name string, rng hcl.Range) {
		if name == "" {
			return
		}
		if _, err := root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning, Summary: "Missing source", Subject: &rng,
				Detail: fmt.Sprintf("There is no %q in the directory of the spec. Make it before the plan.", name),
			})
		}
	}
	look(l.Archive, rng)
	look(l.Blob, rng)
	for _, n := range l.Tree {
		look(n.From, n.Range)
		look(n.Source, n.Range)
	}
	return diags
}
