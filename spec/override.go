package spec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/spec/eval"
)

// IsOverride reports whether a spec file of this name changes blocks of the other
// files instead of declaring its own, where the spec has other files.
func IsOverride(name string) bool {
	for _, suffix := range []string{"override.layform.hcl", "override.layform.json"} {
		if name == suffix || strings.HasSuffix(name, "."+suffix) {
			return true
		}
	}
	return false
}

// override merges the blocks of an override file into those that the spec has. A
// block that it does not have is a mistake, and so is one that is changed twice.
func override(blocks hcl.Blocks, over hcl.Blocks) hcl.Diagnostics {
	declared := map[string]*hcl.Block{}
	for _, b := range slices.Backward(blocks) {
		declared[blockKey(b)] = b
	}
	var diags hcl.Diagnostics
	seen := map[string]hcl.Range{}
	var locals hcl.Blocks
	for _, o := range over {
		if o.Type == "locals" {
			locals = append(locals, o)
			continue
		}
		key := blockKey(o)
		b := declared[key]
		if first, again := seen[key]; again {
			diags = append(diags, duplicate("override", key, o.DefRange, first))
		} else if b == nil {
			diags = append(diags, nothingToOverride(key, o.DefRange))
		} else {
			b.Body = &overriddenBody{base: b.Body, over: o.Body}
		}
		seen[key] = o.DefRange
	}
	return append(diags, overrideLocals(blocks, locals)...)
}

// blockKey names a block of a file: layer.app.
func blockKey(b *hcl.Block) string { return strings.Join(append([]string{b.Type}, b.Labels...), ".") }

// overrideLocals replaces local values, whichever block declares them.
func overrideLocals(blocks, over hcl.Blocks) hcl.Diagnostics {
	changes := hcl.Attributes{}
	var diags hcl.Diagnostics
	for _, o := range over {
		attrs, more := o.Body.JustAttributes()
		diags = append(diags, more...)
		for _, name := range keysOf(attrs) {
			if first, again := changes[name]; again {
				diags = append(diags, duplicate("override", "local."+name, attrs[name].NameRange, first.NameRange))
			}
			changes[name] = attrs[name]
		}
	}
	if len(changes) == 0 {
		return diags
	}
	for _, b := range blocks {
		if b.Type != "locals" {
			continue
		}
		declared, _ := b.Body.JustAttributes() // declaring says what is wrong with it
		here := hcl.Attributes{}
		for name := range declared {
			if a, ok := changes[name]; ok {
				here[name] = a
				delete(changes, name)
			}
		}
		b.Body = &overriddenBody{base: b.Body, over: &attributeBody{Body: hcl.EmptyBody(), attrs: here}}
	}
	for _, name := range keysOf(changes) {
		diags = append(diags, nothingToOverride("local."+name, changes[name].NameRange))
	}
	return diags
}

func nothingToOverride(what string, rng hcl.Range) *hcl.Diagnostic {
	return eval.Errorf(&rng, "Nothing to override", "The spec has no %s that this could change. Declare it in a file that is no *.override.layform.hcl.", what)
}

// attributeBody is a body of which some attributes count.
type attributeBody struct {
	hcl.Body
	attrs hcl.Attributes
}

// JustAttributes gives the attributes that count.
func (b *attributeBody) JustAttributes() (hcl.Attributes, hcl.Diagnostics) { return b.attrs, nil }

// overriddenBody is the body of a block with that of an override over it: its
// attributes win, and its nested blocks take the place of all of their type.
type overriddenBody struct{ base, over hcl.Body }

// Content merges the contents of both bodies.
func (b *overriddenBody) Content(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Diagnostics) {
	content, rest, diags := b.merge(schema)
	for _, left := range []hcl.Body{rest.base, rest.over} {
		_, more := left.Content(&hcl.BodySchema{}) // what is left over is not expected
		diags = append(diags, more...)
	}
	return content, diags
}

// PartialContent merges those contents of both bodies that the schema names.
func (b *overriddenBody) PartialContent(schema *hcl.BodySchema) (*hcl.BodyContent, hcl.Body, hcl.Diagnostics) {
	return b.merge(schema)
}

func (b *overriddenBody) merge(schema *hcl.BodySchema) (*hcl.BodyContent, *overriddenBody, hcl.Diagnostics) {
	optional := *schema
	optional.Attributes = slices.Clone(schema.Attributes)
	for i := range optional.Attributes {
		optional.Attributes[i].Required = false
	}
	base, baseRest, diags := b.base.PartialContent(&optional)
	over, overRest, more := b.over.PartialContent(&optional)
	diags = append(diags, more...)
	merged := &hcl.BodyContent{Attributes: hcl.Attributes{}, MissingItemRange: base.MissingItemRange}
	for name, a := range base.Attributes {
		if !slices.ContainsFunc(over.Blocks, func(o *hcl.Block) bool { return nestedType(o) == name }) {
			merged.Attributes[name] = a
		}
	}
	for name, a := range over.Attributes {
		merged.Attributes[name] = a
	}
	for _, inner := range base.Blocks {
		_, replaced := over.Attributes[nestedType(inner)]
		if !replaced && !slices.ContainsFunc(over.Blocks, func(o *hcl.Block) bool { return nestedType(o) == nestedType(inner) }) {
			merged.Blocks = append(merged.Blocks, inner)
		}
	}
	merged.Blocks = append(merged.Blocks, over.Blocks...)
	for _, a := range schema.Attributes {
		if _, ok := merged.Attributes[a.Name]; a.Required && !ok {
			diags = append(diags, eval.Errorf(&merged.MissingItemRange, "Missing required argument", "The argument %q is required, but no definition was found.", a.Name))
		}
	}
	return merged, &overriddenBody{base: baseRest, over: overRest}, diags
}

// nestedType is the type of a nested block, or of those that a dynamic one makes.
func nestedType(b *hcl.Block) string {
	if b.Type == "dynamic" && len(b.Labels) > 0 {
		return b.Labels[0]
	}
	return b.Type
}

// JustAttributes merges the attributes of both bodies.
func (b *overriddenBody) JustAttributes() (hcl.Attributes, hcl.Diagnostics) {
	base, diags := b.base.JustAttributes()
	over, more := b.over.JustAttributes()
	merged := hcl.Attributes{}
	for _, attrs := range []hcl.Attributes{base, over} {
		for name, a := range attrs {
			merged[name] = a
		}
	}
	return merged, append(diags, more...)
}

// MissingItemRange is that of the block that is overridden.
func (b *overriddenBody) MissingItemRange() hcl.Range { return b.base.MissingItemRange() }
