// Package text draws reports, diagnostics and progress for a terminal, or as
// plain text. It decides on widths, colours, units and escapes: every string
// that comes from a spec, a file name or a layout passes package printable, so
// that no control character and no invisible one is ever written as it is. A
// function writes to the writer it is given and returns that writer's error.
package text
