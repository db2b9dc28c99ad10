// Package schema is the spec language as data: every block and attribute with its
// type, default, meaning, the section of the standard it comes from, and what it
// decides in a layout.
//
// The nouns. A Block is a type of block, with its Attributes and the blocks in it.
// An Attribute Decides some of what layouts hold: the object's own blob, the
// descriptors that lead to it, its entry in the history of configs, its entry in
// index.json.
//
// What holds: an attribute is written down here and nowhere else. The bodies that
// the parser accepts, the types that values are converted to, the words of
// diagnostics, the planner's question what an attribute decides, the reference and
// the JSON Schema are made from it. The data is constant: callers do not change it.
package schema

import (
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/addr"
)

// Effect is a set of places in a layout that an attribute has a part in.
type Effect uint8

// The places that an attribute decides.
const (
	// Blob is the object's own blob.
	Blob Effect = 1 << iota
	// Descriptor is the descriptors of the object, in manifests, indexes and index.json.
	Descriptor
	// History is the object's entry in the history of configs.
	History
	// Entry is the object's entries in index.json alone.
	Entry
)

// String names the places: "blob, history".
func (e Effect) String() string {
	var names []string
	for i, name := range []string{"blob", "descriptor", "history", "entry of index.json"} {
		if e&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// Form says in which way the value of an attribute is written.
type Form uint8

// The forms of values.
const (
	// Expression is any expression that evaluates to the type of the attribute.
	Expression Form = iota
	// TypeExpression is a type constraint such as list(string).
	TypeExpression
	// Name is a bare name.
	Name
	// Target is the address of an object, which is not evaluated.
	Target
)

// Attribute is an attribute of a block.
type Attribute struct {
	// Name is the attribute's name: the image spec's JSON name in snake_case, where
	// it has one.
	Name string
	// Type is the type that values are converted to; any value where it is dynamic.
	// Forms are other types that are taken as well.
	Type  cty.Type
	Forms []cty.Type
	Form  Form
	// Refers are the kinds of objects that the value, or its elements, refer to.
	Refers   []addr.Kind
	Required bool
	// Values are the allowed strings; nil for any.
	Values []string
	// Default is the value that counts where the attribute is not set, as an
	// expression, or in words; empty where there is none.
	Default string
	// Text is the meaning of the attribute, in whole sentences.
	Text string
	// Example is a right value, as an expression.
	Example string
	// Section is where the image spec defines it: file and member; empty for what
	// is layform's own.
	Section string
	// Member is the JSON name in the object's document, and InConfig is set for members
	// of the "config" object of an image config. Image attributes belong to image
	// configs, and not to configs of other media types.
	Member          string
	InConfig, Image bool
	// Decides are the places in a layout that the value has a part in.
	Decides Effect
}

// Block is a type of block.
type Block struct {
	// Name is the block type, and Label what its label is; empty without one.
	Name, Label string
	// Text is the meaning of the block, in whole sentences.
	Text       string
	Attributes []Attribute
	// Blocks are those that may be in it.
	Blocks []*Block
	// Open blocks take attributes of any name.
	Open bool
	// Members are members of the object's document that have no attribute.
	Members []string
	// Example is a spec that has the block and, where it is not the example of layout,
	// no layout block. A test builds it.
	Example string

	body sync.Once
	hcl  *hcl.BodySchema
}

// Named is the block of that type in a spec file; nil where there is none.
func Named(name string) *Block {
	for _, b := range root {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// Repeatable lists the types of blocks that a dynamic block can make.
func Repeatable() []string {
	var names []string
	for _, b := range layerBlock.Blocks {
		if b != compressionBlock && b != dynamicBlock {
			names = append(names, b.Name)
		}
	}
	return names
}

// Of is the block of a kind of objects.
func Of(kind addr.Kind) *Block { return Named(string(kind)) }

// Attribute is the attribute of that name; nil where there is none.
func (b *Block) Attribute(name string) *Attribute {
	if b == nil {
		return nil
	}
	for i := range b.Attributes {
		if b.Attributes[i].Name == name {
			return &b.Attributes[i]
		}
	}
	return nil
}

// Block is the block of that type in b; nil where there is none.
func (b *Block) Block(name string) *Block {
	for _, inner := range b.Blocks {
		if inner.Name == name {
			return inner
		}
	}
	return nil
}

// AttributeNames lists the names of the attributes in their order.
func (b *Block) AttributeNames() []string {
	names := make([]string, len(b.Attributes))
	for i, a := range b.Attributes {
		names[i] = a.Name
	}
	return names
}

// ImageAttributes lists the attributes that belong to image configs alone.
func (b *Block) ImageAttributes() []string {
	var names []string
	for _, a := range b.Attributes {
		if a.Image {
			names = append(names, a.Name)
		}
	}
	return names
}

// Reserved lists the JSON members that extra may not hold, for the image spec
// defines them: of the document or, with inConfig, of its "config" member.
func (b *Block) Reserved(inConfig bool) []string {
	var members []string
	if !inConfig {
		members = slices.Clone(b.Members)
	}
	for _, a := range b.Attributes {
		if a.Member != "" && a.InConfig == inConfig {
			members = append(members, a.Member)
		}
	}
	return members
}

// Decides looks up the places in a layout that an attribute of a kind of objects
// decides. An attribute that the kind does not have decides the blob.
func Decides(kind addr.Kind, attribute string) Effect {
	if !kind.Valid() {
		return Blob
	}
	if a := Of(kind).Attribute(attribute); a != nil {
		return a.Decides
	}
	return Blob
}

// Walk calls visit for each block of the language, with the names of the blocks
// around it and its own. A block that may be in several others is visited in each.
func Walk(visit func(path []string, b *Block)) {
	var walk func(path []string, b *Block)
	walk = func(path []string, b *Block) {
		path = append(slices.Clone(path), b.Name)
		visit(path, b)
		for _, inner := range b.Blocks {
			walk(path, inner)
		}
	}
	for _, b := range root {
		walk(nil, b)
	}
}

// Converted is the type that values are converted to: any, where a value may take
// several forms or have members of several types.
func (a *Attribute) Converted() cty.Type {
	t := a.Type
	if t.IsListType() {
		t = t.ElementType()
	}
	if t.IsObjectType() || t.IsMapType() && t.ElementType() == cty.DynamicPseudoType {
		return cty.DynamicPseudoType
	}
	return a.Type
}

// TypeText is the type of the attribute in words: "list of strings".
func (a Attribute) TypeText() string {
	switch {
	case a.Form == TypeExpression:
		return "type"
	case a.Form == Name:
		return "name"
	case a.Form == Target:
		return "address"
	case len(a.Refers) > 0:
		kinds := make([]string, len(a.Refers))
		for i, k := range a.Refers {
			kinds[i] = string(k)
		}
		if a.Type.IsListType() {
			return "list of references to " + strings.Join(kinds, " or ")
		}
		return "reference to " + strings.Join(kinds, " or ")
	}
	texts := []string{typeText(a.Type)}
	for _, t := range a.Forms {
		texts = append(texts, typeText(t))
	}
	return strings.Join(texts, ", or ")
}

func typeText(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "any value"
	case t.IsObjectType():
		return "object"
	case t.IsMapType() && t.ElementType() == cty.DynamicPseudoType:
		return "map or object"
	case t.IsMapType():
		return "map of " + typeText(t.ElementType()) + "s"
	case t.IsListType() && t.ElementType().IsMapType():
		return "list of maps of " + typeText(t.ElementType().ElementType()) + "s"
	case t.IsListType():
		return "list of " + typeText(t.ElementType()) + "s"
	case t.IsSetType():
		return "set of " + typeText(t.ElementType()) + "s"
	}
	return t.FriendlyName()
}
