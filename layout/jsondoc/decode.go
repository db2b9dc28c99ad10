package jsondoc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/layform/layform/layout/imagespec"
)

// A document may take heldFree bytes of memory, and heldRatio bytes more for
// each byte that it has: one that takes more, by elements that say next to
// nothing, is made to fill the memory.
const (
	heldFree  = 1 << 20
	heldRatio = 4
)

// Limits bound what Decode accepts.
type Limits struct {
	// Bytes is the longest document in bytes; 0 means imagespec.MaxDocument.
	Bytes int64
	// Depth is the deepest nesting of objects and arrays; 0 means
	// imagespec.MaxJSONDepth.
	Depth int
	// Elements is the number of elements that all arrays together may have, but for
	// those that the target does not know; 0 means any number.
	Elements int
	// RefuseUnknown refuses members that the target does not know; without it they are
	// passed over.
	RefuseUnknown bool
}

// Error is a problem of a document, with its place.
type Error struct {
	// Line and Column count from 1; the column is in bytes. Both are 0 when the
	// mistake has no place, as when the document is too long.
	Line, Column int
	// Pointer is the JSON pointer (RFC 6901) of the value, empty for the document.
	Pointer string
	// Problem is the message, without the place.
	Problem string
	// Err is the cause, if there is one.
	Err error
}

// Error gives place, pointer and problem in one line.
func (e *Error) Error() string {
	switch {
	case e.Line == 0:
		return e.Problem
	case e.Pointer == "":
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
	}
	return fmt.Sprintf("line %d, column %d, at %q: %s", e.Line, e.Column, e.Pointer, e.Problem)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Decode reads the one JSON value that data holds into v, a pointer. It returns
// an *Error when data breaks the rules of the package or does not fit v; v may
// then be filled in part and must not be used.
func Decode(data []byte, limits Limits, v any) error {
	if limits.Bytes == 0 {
		limits.Bytes = imagespec.MaxDocument
	}
	if limits.Depth == 0 {
		limits.Depth = imagespec.MaxJSONDepth
	}
	if int64(len(data)) > limits.Bytes {
		return &Error{Problem: fmt.Sprintf("the document has %d bytes; the limit is %d", len(data), limits.Bytes)}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return &Error{Problem: "the document is empty"}
	}
	if err := inspect(data, limits, reflect.TypeOf(v)); err != nil {
		return err
	}
	if err := json.Unmarshal(data, v, options(), json.RejectUnknownMembers(limits.RefuseUnknown)); err != nil {
		return semantic(data, err)
	}
	return nil
}

// inspect reads all tokens of data and checks what Unmarshal does not: depth,
// names that differ in case alone, and the memory that the target will take.
func inspect(data []byte, limits Limits, target reflect.Type) error {
	dec := jsontext.NewDecoder(bytes.NewReader(data))
	names := tracker{objects: []object{{element: target}}}
	for {
		before := dec.InputOffset()
		tok, err := dec.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return syntactic(data, err)
		}
		if dec.StackDepth() > limits.Depth {
			return at(data, before, dec.StackPointer(), fmt.Sprintf("nested more than %d deep", limits.Depth))
		}
		if dec.StackDepth() == 0 && len(bytes.TrimSpace(data[dec.InputOffset():])) > 0 {
			return at(data, dec.InputOffset(), "", "data after the end of the document")
		}
		_, count := dec.StackIndex(dec.StackDepth())
		if problem := names.token(tok, count); problem != "" {
			return at(data, before, dec.StackPointer(), problem)
		}
		if limits.Elements > 0 && names.elements > limits.Elements {
			return at(data, before, dec.StackPointer(), fmt.Sprintf("the document has more than %d elements", limits.Elements))
		}
		if limit := heldFree + heldRatio*int64(len(data)); names.held > limit {
			return at(data, before, dec.StackPointer(), fmt.Sprintf("up to here the document takes more than %d bytes of memory; it looks made to fill it", limit))
		}
	}
}

// at makes an Error for the place at offset.
func at(data []byte, offset int64, pointer jsontext.Pointer, problem string) *Error {
	offset = min(max(offset, 0), int64(len(data)))
	// The offset may point before separators and white space that precede the token.
	for offset < int64(len(data)) && bytes.IndexByte([]byte(" \t\r\n,:"), data[offset]) >= 0 {
		offset++
	}
	line := bytes.Count(data[:offset], []byte("\n")) + 1
	column := int(offset) - bytes.LastIndexByte(data[:offset], '\n')
	return &Error{Line: line, Column: column, Pointer: string(pointer), Problem: problem}
}

// syntactic turns an error of the tokenizer into an *Error.
func syntactic(data []byte, err error) error {
	var se *jsontext.SyntacticError
	if !errors.As(err, &se) {
		return &Error{Problem: err.Error(), Err: err}
	}
	problem := "not JSON"
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		problem = "the name stands twice in one object"
	case errors.Is(err, io.ErrUnexpectedEOF):
		problem = "the document ends too early"
	case se.Err != nil:
		problem = "not JSON: " + se.Err.Error()
	}
	e := at(data, se.ByteOffset, se.JSONPointer, problem)
	e.Err = err
	return e
}

// semantic turns an error of Unmarshal into an *Error.
func semantic(data []byte, err error) error {
	var se *json.SemanticError
	if !errors.As(err, &se) {
		return syntactic(data, err)
	}
	problem := fmt.Sprintf("a JSON %s does not fit here", kindName(se.JSONKind))
	if errors.Is(err, json.ErrUnknownName) {
		problem = "a member that is not known"
	} else if se.Err != nil {
		problem += ": " + se.Err.Error()
	}
	e := at(data, se.ByteOffset, se.JSONPointer, problem)
	e.Err = err
	return e
}

// kindName names a kind of JSON value for a message.
func kindName(k jsontext.Kind) string {
	switch k {
	case '0':
		return "number"
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "value"
}
