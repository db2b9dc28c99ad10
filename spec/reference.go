package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
)

// The names that an expression can start with, besides the kinds of objects.
const (
	rootVar   = "var"
	rootLocal = "local"
	rootEach  = "each"
)

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
func (p *module) checkNames(e *eval.Expression, s scope) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range e.References {
		if problem := p.checkReference(r, s); problem != nil {
			diags = append(diags, problem)
		}
	}
	hclsyntax.VisitAll(e.Syntax, func(n hclsyntax.Node) hcl.Diagnostics {
		call, ok := n.(*hclsyntax.FunctionCallExpr)
		if !ok {
			return nil
		}
		if !p.library.Has(call.Name) {
			diags = append(diags, eval.Errorf(call.NameRange.Ptr(), "Call to unknown function", "There is no function named %q.%s", call.Name, p.functionHint(call.Name)))
		}
		return nil
	})
	e.Invalid = e.Invalid || len(diags) > 0
	return diags
}

func (p *module) checkReference(r eval.Reference, s scope) *hcl.Diagnostic {
	problem := func(rng hcl.Range, format string, args ...any) *hcl.Diagnostic {
		return eval.Errorf(&rng, "Invalid reference", format, args...)
	}
	root := r.Root()
	if root == s.iterator && root != "" {
		return nil
	}
	all := append([]string{rootVar, rootLocal, rootEach}, addr.KindNames()...)
	switch {
	case !slices.Contains(all, root):
		hint := suggest.Closest(root, all)
		if hint == "" {
			hint = fmt.Sprintf(" If a string is meant, put it in quotation marks: %q.", root)
		}
		return problem(r.Range(), "There is nothing named %q to refer to.%s", root, hint)
	case root == rootEach && !slices.Contains(s.roots, rootEach):
		return problem(r.Range(), "%s has no each: each.key and each.value exist in a block with for_each.", s.what)
	case !slices.Contains(s.roots, root) && len(s.roots) == 0:
		return problem(r.Range(), "%s may not refer to anything.", s.what)
	case !slices.Contains(s.roots, root):
		return problem(r.Range(), "%s may not refer to %s.%s", s.what, root, allowedRoots(s.roots))
	}
	name, rng, ok := r.Name()
	if !ok {
		return problem(r.Range(), "%s needs a name after it: %s.NAME.", root, root)
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
func (p *module) checkObjectReference(r eval.Reference) *hcl.Diagnostic {
	addr, _ := r.Block()
	_, rng, _ := r.Name()
	problem := func(rng hcl.Range, format string, args ...any) *hcl.Diagnostic {
		return eval.Errorf(&rng, "Invalid reference", format, args...)
	}
	b, ok := p.blocks[addr]
	if !ok {
		return problem(rng, "There is no block %s.%s", addr, p.blockHint(addr))
	}
	if b.forEach == nil && r.Index != nil {
		return problem(r.Index.Range(), "%s has no for_each, so it takes no key.", addr)
	}
	name, step := r.Attribute(b.forEach != nil)
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
func (p *module) blockHint(addr Address) string {
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

func (p *module) functionHint(name string) string {
	switch name {
	case "timestamp", "plantimestamp", "uuid", "bcrypt", "rsadecrypt":
		return " No function of a spec reads a clock or random numbers, for the same spec gives the same bytes."
	case "pathexpand", "abspath", "env", "getenv":
		return " No function of a spec reads the environment. Use a variable."
	}
	return suggest.Closest(name, p.library.FunctionNames())
}

// objectAttributes are the attributes that a reference to an object offers.
func objectAttributes(k Kind) []string {
	attributes := []string{attrAddress, attrMediaType, attrDigest, attrSize}
	switch k {
	case KindLayer:
		attributes = append(attributes, attrDiffID)
	case KindBase:
		attributes = append(attributes, attrIndexDigest, attrName, attrPlatform, attrLayers, attrAnnotations, attrConfig)
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
