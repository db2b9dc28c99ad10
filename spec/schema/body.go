package schema

import (
	"fmt"
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
// not expected says which ones are, where it does not suggest one.
func (b *Block) Content(body hcl.Body) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := body.Content(b.schema())
	for _, d := range diags {
		if strings.Contains(d.Detail, "Did you mean") {
			continue
		}
		switch d.Summary {
		case "Unsupported argument", "Extraneous JSON object property":
			d.Detail += fmt.Sprintf(" Expected is one of %s.", oneOf(append(b.AttributeNames(), blockNames(b.Blocks)...)))
		case "Unsupported block type":
			if len(b.Blocks) > 0 {
				d.Detail += fmt.Sprintf(" Expected is one of %s.", oneOf(blockNames(b.Blocks)))
			}
		}
	}
	return content, diags
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
