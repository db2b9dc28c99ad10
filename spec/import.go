package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/schema"
)

// Import is a document of the layout that is taken over as an object of the spec.
type Import struct {
	// To is the config, manifest or index that it becomes.
	To Address
	// Digest is that of the document.
	Digest digest.Digest
	// Range is the place of the block's header.
	Range hcl.Range
}

// Imports lists the import blocks in the order of the files.
func (s *Spec) Imports() []Import {
	if s.root == nil {
		return nil
	}
	return slices.Clone(s.root.imports)
}

// importable are the kinds of objects that a document can become.
var importable = []Kind{KindConfig, KindManifest, KindIndex}

// declareImport takes in an import block.
func (p *module) declareImport(b *hcl.Block) hcl.Diagnostics {
	language := schema.Named(b.Type)
	content, diags := language.Content(b.Body)
	i := Import{Range: b.DefRange}
	if a := content.Attributes["to"]; a != nil {
		var problem *hcl.Diagnostic
		if i.To, problem = targetOf(a, language.Attribute("to"), importable); problem != nil {
			diags = append(diags, problem)
		}
	}
	if a := content.Attributes["digest"]; a != nil {
		e, more := eval.NewExpression(a.Expr)
		diags = append(diags, more...)
		v, more := p.constant(e, language.Attribute("digest"), "The digest of an import")
		diags = append(diags, more...)
		if text, ok := eval.StringOf(v); ok && !more.HasErrors() {
			var err error
			if i.Digest, err = digest.Parse(text); err != nil {
				diags = append(diags, eval.Errorf(a.Expr.Range().Ptr(), "Invalid import", "digest is %s, but must be an algorithm and hexadecimal digits. %s", eval.Quote(text), language.Attribute("digest").Expected()))
			}
		}
	}
	if !diags.HasErrors() {
		p.imports = append(p.imports, i)
	}
	return diags
}

// targetOf reads the address of an object that an attribute holds, of one of the kinds.
func targetOf(a *hcl.Attribute, language *schema.Attribute, kinds []Kind) (Address, *hcl.Diagnostic) {
	wrong := func(format string, args ...any) *hcl.Diagnostic {
		d := eval.Errorf(a.Expr.Range().Ptr(), "Invalid address", format, args...)
		d.Detail += " " + language.Expected()
		return d
	}
	steps, ok := eval.Traversal(a.Expr)
	if !ok {
		return Address{}, wrong("%s holds the address of an object, without quotation marks and functions.", a.Name)
	}
	to, err := addr.FromTraversal(steps)
	if err != nil {
		return Address{}, wrong("%s: %s.", a.Name, err)
	}
	if !slices.Contains(kinds, to.Kind) {
		return Address{}, wrong("%s is %s, and a %s does not go there.", a.Name, to, to.Kind)
	}
	return to, nil
}

// checkImports checks that the spec has the objects that documents become.
func (p *module) checkImports() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, i := range p.imports {
		if p.instances[i.To] != nil || p.hasUnset() {
			continue
		}
		if b := p.blocks[i.To.Block()]; b != nil && b.invalid {
			continue
		}
		diags = append(diags, eval.Errorf(i.Range.Ptr(), "Invalid import", "The spec has no object %s. Declare it, or remove this block.", i.To))
	}
	return diags
}
