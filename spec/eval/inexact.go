package eval

import (
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"
)

// Inexact is the mark of values with text that strings of the language cannot hold as it
// is: they are in normal form C (a letter and its accent are one character), and the text
// is not. Whoever writes such a value would write other bytes.
type Inexact struct {
	// From is the place of the text in words.
	From string
}

// ExactText is the string of a text; where it is another text, it is marked as Inexact.
func ExactText(text, from string) cty.Value {
	v := cty.StringVal(text)
	if !norm.NFC.IsNormalString(text) {
		return v.Mark(Inexact{from})
	}
	return v
}

// ExactMap is the map of texts; where a key is another text, it is marked as Inexact.
func ExactMap(texts map[string]string, from string) cty.Value {
	if len(texts) == 0 {
		return cty.MapValEmpty(cty.String)
	}
	values := map[string]cty.Value{}
	exact := true
	for key, text := range texts {
		values[key] = ExactText(text, from)
		exact = exact && norm.NFC.IsNormalString(key)
	}
	v := cty.MapVal(values)
	if !exact {
		v = v.Mark(Inexact{from})
	}
	return v
}

// ExactList is the list of texts.
func ExactList(texts []string, from string) cty.Value {
	if len(texts) == 0 {
		return cty.ListValEmpty(cty.String)
	}
	values := make([]cty.Value, len(texts))
	for i, text := range texts {
		values[i] = ExactText(text, from)
	}
	return cty.ListVal(values)
}

// InexactText is the place of a text that any part of a value is Inexact for; empty for
// none.
func InexactText(v cty.Value) string {
	_, marks := v.UnmarkDeep()
	first := ""
	for mark := range marks {
		if m, ok := mark.(Inexact); ok && (first == "" || m.From < first) {
			first = m.From
		}
	}
	return first
}
