package eval

import "github.com/zclconf/go-cty/cty"

// HasNull reports whether a collection has null elements.
func HasNull(v cty.Value) bool {
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return false
	}
	for it := v.ElementIterator(); it.Next(); {
		if _, element := it.Element(); element.IsNull() {
			return true
		}
	}
	return false
}

// IsASCII reports whether a text has no characters beyond ASCII.
func IsASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
