package schema

import (
	"encoding/json"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// jsonObject is a JSON Schema.
type jsonObject map[string]any

// JSONSchema is the JSON Schema (draft 2020-12) of *.layform.json files: the names
// and types of blocks and attributes. What is missing and what values mean is left
// to the check of the spec, for override files have a part of a block alone.
func JSONSchema() ([]byte, error) {
	defs := jsonObject{
		"expression": jsonObject{"type": "string", "pattern": `[$%]\{`, "description": "A string with an expression in it: ${...}."},
	}
	Walk(func(path []string, b *Block) {
		defs[strings.Join(path, ".")] = bodySchema(strings.Join(path, "."), b)
	})
	file := bodySchema("", &Block{Blocks: root, Text: "A file of a layform spec."})
	file["properties"].(jsonObject)["$schema"] = jsonObject{"type": "string"}
	defs["file"] = file
	return json.MarshalIndent(jsonObject{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "layform spec", "$defs": defs,
		"anyOf": []any{ref("file"), jsonObject{"type": "array", "items": ref("file")}},
	}, "", "  ")
}

func ref(name string) jsonObject { return jsonObject{"$ref": "#/$defs/" + name} }

// bodySchema is the schema of the body of a block.
func bodySchema(path string, b *Block) jsonObject {
	properties := jsonObject{"//": jsonObject{"description": "A comment."}}
	for _, a := range b.Attributes {
		properties[a.Name] = valueSchema(a)
	}
	for _, inner := range b.Blocks {
		name := strings.TrimPrefix(path+"."+inner.Name, ".")
		if _, both := properties[inner.Name]; !both { // in JSON, an attribute goes before a block of its name
			properties[inner.Name] = blockSchema(name, inner)
		}
	}
	return jsonObject{"type": "object", "description": b.Text, "properties": properties, "additionalProperties": b.Open}
}

// blockSchema is the schema of all blocks of a type in a body: by label, where the
// type has one, and several of them as an array.
func blockSchema(path string, b *Block) jsonObject {
	one := severalOf(ref(path))
	if b.Label == "" {
		return one
	}
	return severalOf(jsonObject{"type": "object", "additionalProperties": one})
}

// severalOf takes an array of what a schema takes as well.
func severalOf(s jsonObject) jsonObject {
	return jsonObject{"anyOf": []any{s, jsonObject{"type": "array", "items": s}}}
}

// valueSchema is the schema of an attribute's value.
func valueSchema(a Attribute) jsonObject {
	var forms []any
	switch {
	case a.Form != Expression:
		return jsonObject{"type": "string", "description": a.Text}
	case len(a.Refers) > 0 && a.Type.IsListType():
		forms = append(forms, jsonObject{"type": "array", "items": ref("expression")})
	case len(a.Refers) > 0:
	case a.Values != nil:
		forms = append(forms, jsonObject{"enum": a.Values})
	default:
		forms = append(forms, typeSchema(a.Type))
	}
	for _, t := range a.Forms {
		if !t.IsSetType() { // a set is made by toset(...)
			forms = append(forms, typeSchema(t))
		}
	}
	return jsonObject{"description": a.Text, "anyOf": append(forms, ref("expression"), jsonObject{"type": "null"})}
}

// typeSchema is the schema of values that convert to a type.
func typeSchema(t cty.Type) jsonObject {
	element := func() jsonObject {
		return jsonObject{"anyOf": []any{typeSchema(t.ElementType()), ref("expression"), jsonObject{"type": "null"}}}
	}
	switch {
	case t == cty.String:
		return jsonObject{"type": []string{"string", "number", "boolean"}}
	case t == cty.Number:
		return jsonObject{"anyOf": []any{jsonObject{"type": "number"}, jsonObject{"type": "string", "pattern": `^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$`}}}
	case t == cty.Bool:
		return jsonObject{"enum": []any{true, false, "true", "false"}}
	case t.IsListType(), t.IsSetType():
		return jsonObject{"type": "array", "items": element()}
	case t.IsMapType():
		return jsonObject{"type": "object", "additionalProperties": element()}
	case t.IsObjectType():
		properties := jsonObject{}
		for name, member := range t.AttributeTypes() {
			properties[name] = jsonObject{"anyOf": []any{typeSchema(member), ref("expression")}}
		}
		return jsonObject{"type": "object", "properties": properties, "additionalProperties": false}
	}
	return jsonObject{}
}
