package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// file is the body of a spec file.
var file = &Block{Blocks: root}

// Content takes the body of a spec file apart.
func Content(body hcl.Body) (*hcl.BodyContent, hcl.Diagnostics) { return file.Content(body) }

// schema is the schema of the block's body for the parser.
func (b *Block) schema() *hcl.BodySchema {
	b.body.Do(func() {
		b.hcl = &hcl.BodySchema{Blocks: headers(b.Blocks)}
		for _, a := range b.Attributes {
			b.hcl.Attributes = append(b.hcl.Attributes, hcl.AttributeSchema{Name: a.Name, Required: a.Required})
		}
	})
	return b.hcl
}

// headers are the headers of blocks for the parser.
func headers(blocks []*Block) []hcl.BlockHeaderSchema {
	var headers []hcl.BlockHeaderSchema
	for _, b := range blocks {
		h := hcl.BlockHeaderSchema{Type: b.Name}
		if b.Label != "" {
			h.LabelNames = []string{b.Label}
		}
		headers = append(headers, h)
	}
	return headers
}

// Content takes a body apart by the block's schema. A diagnostic of a name that is
// not expected says what the language has in its place, or which names are expected
// where it does not suggest one, and what explains them.
func (b *Block) Content(body hcl.Body) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := body.Content(b.schema())
	for _, d := range diags {
		var names []string
		switch d.Summary {
		case "Unsupported argument", "Extraneous JSON object property":
			names = append(b.AttributeNames(), blockNames(b.Blocks)...)
		case "Unsupported block type":
			names = blockNames(b.Blocks)
		default:
			b.nameLabels(d)
			continue
		}
		_, name, _ := strings.Cut(d.Detail, `"`)
		name, _, _ = strings.Cut(name, `"`)
		first, _, _ := strings.Cut(d.Detail, " Did you mean")
		switch hint := b.firstTry(name); {
		case hint != "":
			d.Detail = first + " " + hint + b.reference()
		case first == d.Detail && len(names) > 0:
			d.Detail += fmt.Sprintf(" Expected is one of %s.", oneOf(names)) + b.reference()
		}
	}
	return content, diags
}

// nameLabels says in words which names a block has: the parser counts its labels.
func (b *Block) nameLabels(d *hcl.Diagnostic) {
	_, kind, found := strings.Cut(d.Summary, " for ")
	i := slices.IndexFunc(b.Blocks, func(b *Block) bool { return b.Name == kind })
	if !found || i < 0 {
		return
	}
	switch label := b.Blocks[i].Label; {
	case strings.HasPrefix(d.Summary, "Missing ") && label != "":
		d.Detail = fmt.Sprintf("A %s block has a %s: %s %q { … }.", kind, label, kind, exampleLabel(label))
	case strings.HasPrefix(d.Summary, "Extraneous label") && label == "":
		d.Detail = fmt.Sprintf("A %s block has no name: %s { … }.", kind, kind)
	case strings.HasPrefix(d.Summary, "Extraneous label"):
		d.Detail = fmt.Sprintf("A %s block has one %s: %s %q { … }.", kind, label, kind, exampleLabel(label))
	}
}

// exampleLabel is a label of a kind.
func exampleLabel(label string) string {
	switch label {
	case "path":
		return "/app"
	case "type":
		return "file"
	}
	return "app"
}

// reference is a sentence on where the names in the block are explained.
func (b *Block) reference() string {
	if b.Name == "" {
		return " All blocks: layform reference."
	}
	return " More: layform reference " + b.Name + "."
}

func blockNames(blocks []*Block) []string {
	names := make([]string, len(blocks))
	for i, b := range blocks {
		names[i] = b.Name
	}
	return names
}

// oneOf writes names as "a, b or c".
func oneOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// Expected says which values are right: "Expected is one of …", or an example.
func (a *Attribute) Expected() string {
	switch {
	case a == nil:
		return ""
	case len(a.Values) > 0:
		quoted := make([]string, len(a.Values))
		for i, v := range a.Values {
			quoted[i] = fmt.Sprintf("%q", v)
		}
		return "Expected is one of " + oneOf(quoted) + "."
	case a.Example != "":
		return "A right value is " + a.Example + "."
	}
	return ""
}
