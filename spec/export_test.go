package spec

import (
	"slices"

	"github.com/layform/layform/spec/schema"
)

// AllAttributes lists the attributes of the language as BLOCK.NAME, by its schema,
// but for those of the blocks that name the spec and its layout.
func AllAttributes() []string {
	var list []string
	schema.Walk(func(_ []string, b *schema.Block) {
		if b.Name == "layform" || b.Name == "layout" {
			return
		}
		for _, a := range b.Attributes {
			list = append(list, b.Name+"."+a.Name)
		}
	})
	slices.Sort(list)
	return list
}
