package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// reference is one place where an expression names something.
type reference struct {
	traversal hcl.Traversal
	// index is the expression in the brackets that follow the name of a block:
	// layer.app[each.key]. It is nil where there is none, or none that means the
	// same outside of the expression, or where it stands in traversal.
	index *expression
	// rest is what follows index.
	rest hcl.Traversal
}

func (r reference) root() string   { return r.traversal.RootName() }
func (r reference) rng() hcl.Range { return r.traversal.SourceRange() }

// name is the second step of the reference: the x of var.x.
func (r reference) name() (string, hcl.Range, bool) {
	if len(r.traversal) < 2 {
		return "", hcl.Range{}, false
	}
	name, ok := stepName(r.traversal[1])
	return name, r.traversal[1].SourceRange(), ok
}

// block is the block address that the reference names, if it names one.
func (r reference) block() (Address, bool) {
	name, _, ok := r.name()
	return Address{Kind: Kind(r.root()), Name: name}, ok && Kind(r.root()).Valid()
}

// stepName is the name that a step of a traversal stands for, as an attribute
// or as an index that is a string.
func stepName(step hcl.Traverser) (string, bool) {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		return keyText(step.Key)
	}
	return "", false
}

// keyText is an index as the text of a for_each key.
func keyText(v cty.Value) (string, bool) {
	v, _ = v.Unmark()
	if v, err := convert.Convert(v, cty.String); err == nil && v.IsKnown() && !v.IsNull() {
		return v.AsString(), true
	}
	return "", false
}

// attribute is the attribute of an object that the reference reads, "" when it
// is the object as a whole. keyed tells whether the block has for_each.
func (r reference) attribute(keyed bool) (name string, step hcl.Traverser) {
	rest := r.traversal[2:]
	switch {
	case r.index != nil:
		rest = r.rest
	case keyed && len(rest) > 0:
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return "", nil
	}
	name, _ = stepName(rest[0])
	return name, rest[0]
}

// findReferences lists what an expression refers to.
func findReferences(e hclsyntax.Expression) []reference {
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
	found  []reference
	scopes []map[string]struct{}
	// indexes holds the brackets that follow a node, and the steps after them.
	indexes map[hclsyntax.Node]indexing
}

// Enter notes what the node refers to.
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
			r := reference{traversal: n.Traversal, rest: index.rest}
			if index.key != nil {
				r.index = &expression{syntax: index.key, refs: findReferences(index.key)}
			}
			w.found = append(w.found, r)
		}
	}
	return nil
}

// index notes an index that directly follows a name, kind.block[key], unless
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
