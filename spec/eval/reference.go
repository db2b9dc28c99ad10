package eval

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/layform/layform/spec/addr"
)

// Reference is one place where an expression names something.
type Reference struct {
	Traversal hcl.Traversal
	// Index is the expression in the brackets that follow the name of a block:
	// layer.app[each.key]. It is nil where there is none, or none that means the
	// same outside of the expression, or where it stands in traversal.
	Index *Expression
	// rest are the steps after index.
	rest hcl.Traversal
}

// Root is the first step of the reference: the var of var.x.
func (r Reference) Root() string { return r.Traversal.RootName() }

// Range is the place of the reference.
func (r Reference) Range() hcl.Range { return r.Traversal.SourceRange() }

// Name is the second step of the reference: the x of var.x.
func (r Reference) Name() (string, hcl.Range, bool) {
	if len(r.Traversal) < 2 {
		return "", hcl.Range{}, false
	}
	name, ok := StepName(r.Traversal[1])
	return name, r.Traversal[1].SourceRange(), ok
}

// Block is the block address that the reference names, if it names one.
func (r Reference) Block() (addr.Address, bool) {
	name, _, ok := r.Name()
	kind := addr.Kind(r.Root())
	return addr.Address{Kind: kind, Name: name}, ok && kind.Valid()
}

// StepName is the name in a step of a traversal: of an attribute, or of an index that
// is a string.
func StepName(step hcl.Traverser) (string, bool) {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		return KeyOf(step.Key)
	}
	return "", false
}

// KeyOf is an index as the text of a for_each key.
func KeyOf(v cty.Value) (string, bool) {
	v, _ = v.Unmark()
	if v, err := convert.Convert(v, cty.String); err == nil && v.IsKnown() && !v.IsNull() {
		return v.AsString(), true
	}
	return "", false
}

// Attribute is the attribute of an object that the reference reads, "" when it
// is the object as a whole. keyed tells whether the block has for_each.
func (r Reference) Attribute(keyed bool) (name string, step hcl.Traverser) {
	rest := r.Traversal[2:]
	switch {
	case r.Index != nil:
		rest = r.rest
	case keyed && len(rest) > 0:
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return "", nil
	}
	name, _ = StepName(rest[0])
	return name, rest[0]
}

// FindReferences lists the references in an expression.
func FindReferences(e hclsyntax.Expression) []Reference {
	w := &referenceWalker{indexes: map[hclsyntax.Node]indexing{}}
	hclsyntax.Walk(e, w)
	return w.found
}

type indexing struct {
	key  hclsyntax.Expression
	rest hcl.Traversal
}

// referenceWalker collects references, without the names that for expressions
// and splats introduce.
type referenceWalker struct {
	found  []Reference
	scopes []map[string]struct{}
	// indexes holds the brackets that follow a node, and the steps after them.
	indexes map[hclsyntax.Node]indexing
}

// Enter records the reference of a node.
func (w *referenceWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case hclsyntax.ChildScope:
		w.scopes = append(w.scopes, n.LocalNames)
	case *hclsyntax.RelativeTraversalExpr:
		if index, ok := n.Source.(*hclsyntax.IndexExpr); ok {
			w.index(index, n.Traversal)
		}
	case *hclsyntax.IndexExpr:
		w.index(n, nil)
	case *hclsyntax.ScopeTraversalExpr:
		if !w.shadowed(n.Traversal.RootName()) {
			index := w.indexes[n]
			r := Reference{Traversal: n.Traversal, rest: index.rest}
			if index.key != nil {
				r.Index = &Expression{Syntax: index.key, References: FindReferences(index.key)}
			}
			w.found = append(w.found, r)
		}
	}
	return nil
}

// Index notes an index that directly follows a name, kind.block[key], unless
// the key depends on names that exist inside the expression alone.
func (w *referenceWalker) index(e *hclsyntax.IndexExpr, rest hcl.Traversal) {
	collection, ok := e.Collection.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(collection.Traversal) != 2 || w.indexes[collection].key != nil {
		return
	}
	for _, t := range hclsyntax.Variables(e.Key) {
		if w.shadowed(t.RootName()) {
			return
		}
	}
	w.indexes[collection] = indexing{key: e.Key, rest: rest}
}

func (w *referenceWalker) shadowed(name string) bool {
	return slices.ContainsFunc(w.scopes, func(names map[string]struct{}) bool {
		_, ok := names[name]
		return ok
	})
}

// Exit closes the scope that Enter opened.
func (w *referenceWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(hclsyntax.ChildScope); ok {
		w.scopes = w.scopes[:len(w.scopes)-1]
	}
	return nil
}
