package spec

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// AllAttributes lists every attribute of the language as BLOCK.NAME, by its schema.
func AllAttributes() []string {
	var list []string
	add := func(block string, schema *hcl.BodySchema) {
		for _, a := range schema.Attributes {
			list = append(list, block+"."+a.Name)
		}
	}
	for kind, schema := range objectSchemas {
		add(string(kind), schema)
	}
	for block, schema := range nestedSchemas {
		add(block, schema)
	}
	add("variable", variableSchema)
	add("validation", validationSchema)
	add("output", outputSchema)
	add("dynamic", dynamicSchema)
	slices.Sort(list)
	return list
}
