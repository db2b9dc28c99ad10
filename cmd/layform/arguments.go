package main

import (
	"cmp"
	"errors"
	"reflect"
	"slices"

	"github.com/alecthomas/kong"
)

// valueArg is one --var or --var-file of the command line.
type valueArg struct {
	text string
	// left is the number of arguments behind it, which orders those of both flags.
	left int
}

// valueArgs are all occurrences of --var, or of --var-file.
type valueArgs []valueArg

// Decode takes the next occurrence, as it is: without a separator and in any
// encoding.
func (v *valueArgs) Decode(ctx *kong.DecodeContext) error {
	t := ctx.Scan.Pop()
	if t.IsEOL() {
		return errors.New("missing value")
	}
	*v = append(*v, valueArg{text: t.String(), left: ctx.Scan.Len()})
	return nil
}

// valueSource is a --var, or a --var-file where file is set.
type valueSource struct {
	valueArg
	file bool
}

// inOrder lists the sources of values as the command line has them.
func (f valueFlags) inOrder() []valueSource {
	var all []valueSource
	for _, v := range f.Var {
		all = append(all, valueSource{valueArg: v})
	}
	for _, v := range f.VarFile {
		all = append(all, valueSource{valueArg: v, file: true})
	}
	slices.SortStableFunc(all, func(a, b valueSource) int { return cmp.Compare(b.left, a.left) })
	return all
}

// verbatim decodes a string of the command line. The parser's own decoder takes
// the way through JSON, which replaces what is not UTF-8.
func verbatim(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("string")
	if err != nil {
		return err
	}
	target.SetString(t.String())
	return nil
}
