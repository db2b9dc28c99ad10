package edit

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/schema"
)

// quote is a text as a quoted string of a spec. Text that a spec cannot hold is refused.
func quote(text string) (string, error) {
	v := cty.StringVal(text)
	if !utf8.ValidString(text) || v.AsString() != text {
		return "", refuse("put it into a file, and read that with filebase64", "%q is no text in Unicode normal form C, as the strings of a spec are", text)
	}
	return string(bytes.TrimSpace(hclwrite.TokensForValue(v).Bytes())), nil
}

// item is an element of an object: its name, and name and value as a spec has them.
type item struct{ name, key, value string }

// itemsOf writes pairs. The last one for a key counts.
func itemsOf(pairs []Pair) ([]item, error) {
	var items []item
	for _, p := range pairs {
		key, err := quote(p.Key)
		if err != nil {
			return nil, err
		}
		value, err := quote(p.Value)
		if err != nil {
			return nil, err
		}
		if hclsyntax.ValidIdentifier(p.Key) && !slices.Contains([]string{"for", "null", "true", "false"}, p.Key) {
			key = p.Key
		}
		it := item{p.Key, key, value}
		if i := slices.IndexFunc(items, func(other item) bool { return other.name == p.Key }); i >= 0 {
			items[i] = it
			continue
		}
		items = append(items, it)
	}
	return items, nil
}

// objectText writes an object: one element on one line, several on a line each.
func objectText(items []item) string {
	if len(items) == 1 {
		return "{ " + items[0].key + " = " + items[0].value + " }"
	}
	var b strings.Builder
	b.WriteString("{\n")
	for _, it := range items {
		b.WriteString("  " + it.key + " = " + it.value + "\n")
	}
	b.WriteString("}")
	return b.String()
}

// indented indents all lines of a text but the first.
func indented(text, indent string) string { return strings.ReplaceAll(text, "\n", "\n"+indent) }

// Value writes a text of the command line as the value of an attribute: as it is for
// strings, numbers and booleans; for a list of strings as an expression in brackets, or
// as comma-separated values, quoted as in CSV; as an expression for all else.
func Value(kind addr.Kind, name, text string) (string, error) {
	all := schema.Of(kind).Attributes
	i := slices.IndexFunc(all, func(a schema.Attribute) bool { return a.Name == name })
	if i < 0 {
		return "", refuse("layform reference "+string(kind)+" lists what there is", "a %s has no attribute %q", kind, name)
	}
	switch t := all[i].Type; {
	case t == cty.String && len(all[i].Refers) == 0:
		return quote(text)
	case t.Equals(cty.List(cty.String)) && !strings.HasPrefix(strings.TrimSpace(text), "["):
		return list(text)
	}
	if _, diags := eval.ParseExpression(text, name); diags.HasErrors() {
		return "", refuse("it is an expression of the spec language, such as "+all[i].Example, "%s %q cannot be read: %s", name, text, diags[0].Detail)
	}
	return strings.TrimSpace(text), nil
}

// list writes comma-separated values as a list of strings.
func list(text string) (string, error) {
	if text == "" {
		return "[]", nil
	}
	values, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return "", refuse(`write values with commas between them, or ["a", "b"]`, "%q is no list: %v", text, err)
	}
	for i, v := range values {
		if values[i], err = quote(v); err != nil {
			return "", err
		}
	}
	return "[" + strings.Join(values, ", ") + "]", nil
}
