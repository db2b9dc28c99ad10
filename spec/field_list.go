package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/opencontainers/go-digest"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
)

// appendFields flattens a value into fields below a path.
func appendFields(fields []Field, path string, v cty.Value) []Field {
	plain, marks := v.Unmark()
	_, sensitive := marks[eval.Sensitive{}]
	t := plain.Type()
	if sensitive {
		return append(fields, sensitiveField(path, v))
	}
	if !plain.IsKnown() {
		return append(fields, Field{Path: path, Unknown: true})
	}
	compound := t.IsObjectType() || t.IsTupleType() || t.IsCollectionType()
	if plain.IsNull() || !compound || plain.LengthInt() == 0 {
		return append(fields, Field{Path: path, Value: JSON(canonicalJSON(plain))})
	}
	for it := plain.ElementIterator(); it.Next(); {
		k, element := it.Element()
		if t.IsSetType() {
			k = element
		}
		fields = appendFields(fields, path+indexText(k), element)
	}
	return fields
}

func sensitiveField(path string, v cty.Value) Field {
	plain, _ := v.UnmarkDeep()
	if !plain.IsWhollyKnown() {
		return Field{Path: path, Unknown: true, Sensitive: true}
	}
	return Field{Path: path, Value: JSON(sensitiveJSON(plain)), Sensitive: true}
}

// sensitiveJSON is a JSON string with the digest of a value.
func sensitiveJSON(v cty.Value) string { return jsonText(digest.FromString(canonicalJSON(v)).String()) }

// indexText writes an index as a spec does: ["key"] or [0].
func indexText(k cty.Value) string {
	k, _ = k.UnmarkDeep()
	if !k.IsKnown() || k.IsNull() || !k.Type().IsPrimitiveType() {
		return "[*]"
	}
	return "[" + strings.TrimSpace(string(hclwrite.TokensForValue(k).Bytes())) + "]"
}

// sortFields orders fields by path; the elements of a list stay in order.
func sortFields(fields []Field) {
	slices.SortStableFunc(fields, func(a, b Field) int { return strings.Compare(sortKey(a.Path), sortKey(b.Path)) })
}

// sortKey pads the numbers in brackets, so that [10] comes after [9].
func sortKey(path string) string {
	if !strings.Contains(path, "[") {
		return path
	}
	var key strings.Builder
	for i, part := range strings.Split(path, "[") {
		if i > 0 {
			key.WriteByte('[')
		}
		if end := strings.IndexByte(part, ']'); i > 0 && end > 0 && end < 8 && strings.Trim(part[:end], "0123456789") == "" {
			key.WriteString(strings.Repeat("0", 8-end))
		}
		key.WriteString(part)
	}
	return key.String()
}

// jsonText is the JSON form of a string, without the escapes that are for HTML.
func jsonText(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// canonicalJSON is the JSON form of a known value without marks: members sorted,
// no spaces.
func canonicalJSON(v cty.Value) string {
	var b strings.Builder
	writeJSON(&b, v)
	return b.String()
}

func writeJSON(b *strings.Builder, v cty.Value) {
	if v.IsNull() || !v.IsKnown() {
		b.WriteString("null")
		return
	}
	switch t := v.Type(); {
	case t == cty.String:
		b.WriteString(jsonText(v.AsString()))
	case t == cty.Number:
		b.WriteString(v.AsBigFloat().Text('f', -1))
	case t == cty.Bool:
		b.WriteString(fmt.Sprint(v.True()))
	case t.IsObjectType() || t.IsMapType():
		b.WriteByte('{')
		for it, first := v.ElementIterator(), true; it.Next(); first = false {
			if !first {
				b.WriteByte(',')
			}
			k, element := it.Element()
			b.WriteString(jsonText(k.AsString()) + ":")
			writeJSON(b, element)
		}
		b.WriteByte('}')
	case t.IsTupleType() || t.IsListType() || t.IsSetType():
		b.WriteByte('[')
		for it, first := v.ElementIterator(), true; it.Next(); first = false {
			if !first {
				b.WriteByte(',')
			}
			_, element := it.Element()
			writeJSON(b, element)
		}
		b.WriteByte(']')
	}
}
