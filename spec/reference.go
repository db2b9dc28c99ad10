package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/layform/layform/spec/internal/suggest"
)

// The names that an expression can start with, besides the kinds of objects.
const (
	rootVar   = "var"
	rootLocal = "local"
	rootEach  = "each"
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

// scope says which names an expression may use.
type scope struct {
	// what names the place in messages: "a variable's default".
	what string
	// roots are the names that are allowed there; nil allows none.
	roots []string
	// iterator is the name of a dynamic block's iterator, "" outside of one.
	iterator string
}

// checkNames checks that everything an expression refers to exists, and marks
// the expression as wrong otherwise.
func (p *program) checkNames(e *expression, s scope) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range e.refs {
		if problem := p.checkReference(r, s); problem != nil {
			diags = append(diags, problem)
		}
	}
	hclsyntax.VisitAll(e.syntax, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		if !ok {
			return nil
		}
		if _, ok := p.functions[call.Name]; !ok {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Call to unknown function", Subject: call.NameRange.Ptr(),
				Detail: fmt.Sprintf("There is no function named %q.%s", call.Name, p.functionHint(call.Name)),
			})
		}
		return nil
	})
	e.wrong = e.wrong || len(diags) > 0
	return diags
}

func (p *program) checkReference(r reference, s scope) *hcl.Diagnostic {
	problem := func(rng hcl.Range, format string, args ...any) *hcl.Diagnostic {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid reference", Detail: fmt.Sprintf(format, args...), Subject: &rng}
	}
	root := r.root()
	if root == s.iterator && root != "" {
		return nil
	}
	all := []string{rootVar, rootLocal, rootEach, string(KindLayer), string(KindConfig), string(KindManifest), string(KindIndex)}
	switch {
	case !slices.Contains(all, root):
		hint := suggest.Closest(root, all)
		if hint == "" {
			hint = fmt.Sprintf(" If a string is meant, put it in quotation marks: %q.", root)
		}
		return problem(r.rng(), "There is nothing named %q to refer to.%s", root, hint)
	case root == rootEach && !slices.Contains(s.roots, rootEach):
		return problem(r.rng(), "%s has no each: each.key and each.value exist in a block with for_each.", s.what)
	case !slices.Contains(s.roots, root) && len(s.roots) == 0:
		return problem(r.rng(), "%s may not refer to anything.", s.what)
	case !slices.Contains(s.roots, root):
		return problem(r.rng(), "%s may not refer to %s.%s", s.what, root, allowedRoots(s.roots))
	}
	name, rng, ok := r.name()
	if !ok {
		return problem(r.rng(), "%s needs a name after it: %s.NAME.", root, root)
	}
	switch root {
	case rootVar:
		if _, ok := p.variables[name]; !ok {
			return problem(rng, "There is no variable %q.%s", name, suggest.Closest(name, keysOf(p.variables)))
		}
	case rootLocal:
		if _, ok := p.locals[name]; !ok {
			return problem(rng, "There is no local value %q.%s", name, suggest.Closest(name, keysOf(p.locals)))
		}
	case rootEach:
		if name != "key" && name != "value" {
			return problem(rng, "each has only key and value.%s", suggest.Closest(name, []string{"key", "value"}))
		}
	default:
		return p.checkObjectReference(r)
	}
	return nil
}

func allowedRoots(roots []string) string {
	text := " It may refer to "
	for i, root := range roots {
		switch {
		case i > 0 && i == len(roots)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += root
	}
	return text + "."
}

// checkObjectReference checks a reference such as layer.app["x"].digest.
func (p *program) checkObjectReference(r reference) *hcl.Diagnostic {
	addr, _ := r.block()
	_, rng, _ := r.name()
	problem := func(rng hcl.Range, format string, args ...any) *hcl.Diagnostic {
		return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid reference", Detail: fmt.Sprintf(format, args...), Subject: &rng}
	}
	b, ok := p.blocks[addr]
	if !ok {
		return problem(rng, "There is no block %s.%s", addr, p.blockHint(addr))
	}
	if b.forEach == nil && r.index != nil {
		return problem(r.index.rng(), "%s has no for_each, so it takes no key.", addr)
	}
	name, step := r.attribute(b.forEach != nil)
	if step == nil {
		return nil
	}
	if _, isSplat := step.(hcl.TraverseSplat); isSplat {
		return nil
	}
	if _, isIndex := step.(hcl.TraverseIndex); isIndex && b.forEach == nil {
		return problem(step.SourceRange(), "%s has no for_each, so it takes no key.", addr)
	}
	attributes := objectAttributes(addr.Kind)
	if slices.Contains(attributes, name) {
		return nil
	}
	return problem(step.SourceRange(), "A %s has no attribute %q.%s", addr.Kind, name, suggest.ClosestOrAll(name, attributes))
}

// blockHint suggests another block for an address that does not exist.
func (p *program) blockHint(addr Address) string {
	var same, others []string
	for a := range p.blocks {
		if a.Kind == addr.Kind {
			same = append(same, a.Name)
		} else if a.Name == addr.Name {
			others = append(others, a.String())
		}
	}
	if hint := suggest.Closest(addr.Name, same); hint != "" {
		return hint
	}
	if len(others) > 0 {
		slices.Sort(others)
		return fmt.Sprintf(" Did you mean %s?", others[0])
	}
	return ""
}

func (p *program) functionHint(name string) string {
	switch name {
	case "timestamp", "plantimestamp", "uuid", "bcrypt", "rsadecrypt":
		return " No function of a spec reads a clock or random numbers, for the same spec gives the same bytes."
	case "pathexpand", "abspath", "env", "getenv":
		return " No function of a spec reads the environment. Use a variable."
	}
	return suggest.Closest(name, keysOf(p.functions))
}

// objectAttributes are the attributes that a reference to an object offers.
func objectAttributes(k Kind) []string {
	attributes := []string{attrAddress, attrMediaType, attrDigest, attrSize}
	if k == KindLayer {
		attributes = append(attributes, attrDiffID)
	}
	return attributes
}

// The attributes of an object in expressions.
const (
	attrAddress   = "address"
	attrMediaType = "media_type"
	attrDigest    = "digest"
	attrSize      = "size"
	attrDiffID    = "diff_id"
)
