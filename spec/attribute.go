package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/schema"
)

// attribute is an attribute of a block.
type attribute struct {
	schema *schema.Attribute
	name   string
	rng    hcl.Range // of the name
	expr   *eval.Expression
}

// attributes are the attributes of a block, sorted by name. A list takes a fraction of a
// map's memory, and no block has more than some twenty.
type attributes []attribute

// named is the attribute of a name, nil where the block does not have it.
func (list attributes) named(name string) *attribute {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

// without is the list without the attribute of a name.
func (list attributes) without(name string) attributes {
	return slices.DeleteFunc(list, func(a attribute) bool { return a.name == name })
}

// attributesOf prepares the attributes of a block, in the order of their names
// as far as diagnostics go.
func attributesOf(language *schema.Block, content *hcl.BodyContent) (attributes, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	attrs := make(attributes, 0, len(content.Attributes))
	for _, name := range keysOf(content.Attributes) {
		a := content.Attributes[name]
		e, more := eval.NewExpression(a.Expr)
		diags = append(diags, more...)
		attrs = append(attrs, attribute{schema: language.Attribute(name), name: name, rng: a.NameRange, expr: e})
	}
	return attrs, diags
}
