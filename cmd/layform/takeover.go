package main

import "github.com/alecthomas/kong"

// takeOver is the flag --take-over, which may name a spec: --take-over=NAME.
type takeOver struct {
	// Moved is set when the flag is given alone.
	Moved bool
	// Spec is the name.
	Spec string
}

// Decode reads the name where there is one.
func (t *takeOver) Decode(ctx *kong.DecodeContext) error {
	*t = takeOver{Moved: true}
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	t.Moved = false
	return ctx.Scan.PopValueInto("name", &t.Spec)
}

// IsBool says that the flag needs no value.
func (t *takeOver) IsBool() bool { return true }
