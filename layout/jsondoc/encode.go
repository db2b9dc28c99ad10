package jsondoc

import (
	"io"
	"iter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// options decide the form of documents. They decide bytes: changing them
// changes the digest of everything that layform writes.
func options() json.Options {
	return json.JoinOptions(
		json.Deterministic(true),
		jsontext.EscapeForHTML(false),
		// The image-spec types are written for encoding/json.
		jsonv1.OmitEmptyWithLegacySemantics(true),
	)
}

// Encode writes v as canonical JSON: struct members in the order of their
// declaration, maps sorted by key, no white space, no HTML escapes, nil slices
// as [], and one line feed at the end. It fails when v holds what JSON cannot
// say: a string that is not UTF-8, a NaN, or a type without a JSON form.
func Encode(v any) ([]byte, error) {
	data, err := json.Marshal(v, options())
	if err != nil {
		return nil, &Error{Problem: "not to be written as JSON: " + err.Error(), Err: err}
	}
	return append(data, '\n'), nil
}

// EncodeTo is Encode to a writer, as it is encoded, so that an error may come after a part.
func EncodeTo(w io.Writer, v any) error {
	if err := json.MarshalEncode(jsontext.NewEncoder(w, options()), v, options()); err != nil {
		return &Error{Problem: "not to be written as JSON: " + err.Error(), Err: err}
	}
	return nil
}

// printOptions decide the form of what is printed.
func printOptions() json.Options {
	return json.JoinOptions(options(), jsontext.AllowInvalidUTF8(true), jsontext.WithIndent("  "))
}

// Print writes v as JSON for readers of any kind: like Encode but indented, with U+FFFD
// for bytes in strings that are not UTF-8, and as it is encoded, so that an error may
// come after a part. Each write holds whole characters.
func Print(w io.Writer, v any) error {
	out := jsontext.NewEncoder(w, printOptions())
	if err := json.MarshalEncode(out, v, printOptions()); err != nil {
		return &Error{Problem: "not to be written as JSON: " + err.Error(), Err: err}
	}
	return nil
}

// List is a JSON array of which the elements are made as they are written.
type List[T any] struct{ Elements iter.Seq[T] }

// MarshalJSONTo writes the array.
func (l List[T]) MarshalJSONTo(out *jsontext.Encoder) error {
	if err := out.WriteToken(jsontext.BeginArray); err != nil {
		return err
	}
	for element := range l.Elements {
		if err := json.MarshalEncode(out, element); err != nil {
			return err
		}
	}
	return out.WriteToken(jsontext.EndArray)
}
