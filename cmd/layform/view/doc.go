// Package view renders what layform has to say: plans, the end of an apply,
// the state of a layout, findings and diagnostics.
//
// Everything is rendered from a Document, the value that --json prints, so that
// what a person reads can also be read by a program. Every string that comes
// from a spec, a file name or a layout passes Escape before it reaches a
// terminal: no control character and no invisible one is ever written as it is.
// A view writes to the writer it is given and returns that writer's error.
package view
