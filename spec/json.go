package spec

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/layform/layform/spec/eval"
)

// JSON is a value in canonical JSON: members sorted, no spaces, no escapes that
// JSON does not ask for but those of line separators. In a document it is the
// value itself, not a string that holds it. Empty JSON is no value, and is left
// out by omitempty.
type JSON string

// MaxDepth is the depth to which a value, and so its JSON, may be nested.
const MaxDepth = eval.MaxValueDepth

// MarshalJSON writes the value; empty JSON is null.
func (j JSON) MarshalJSON() ([]byte, error) {
	if j == "" {
		return []byte("null"), nil
	}
	return []byte(j), nil
}

// UnmarshalJSON reads a value and brings it into its canonical form. Numbers stay
// as they are written.
func (j *JSON) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return err
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	*j = JSON(strings.TrimSuffix(b.String(), "\n"))
	return nil
}
