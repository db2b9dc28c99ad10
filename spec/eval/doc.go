// Package eval reads and evaluates the expressions of the spec language. It knows
// what an expression may name and call, and nothing of the blocks that it is in.
//
// The nouns. ParseFile and the other parsers measure a text before the parser of
// HCL, which recurses, sees it. An Expression is the syntax of either form of the
// language with its References and with meters put in. A Library holds the
// functions, and what those have read in the directory of a spec (Input). An
// Evaluation evaluates expressions under one budget; its Watch lets Guard wait
// for it.
//
// What holds:
//
//   - The same texts and inputs evaluate to the same values: no function reads a
//     clock, random numbers, the environment or the network, none leaves the
//     directory, and a file that was read once comes out the same afterwards.
//   - Work is counted and bounded, whatever the machine and its load. The wall
//     clock is a last resort for what counts nothing.
//   - Text is bytes: what HCL would change is refused.
//   - Hostile text ends in a diagnostic, never in a panic or an overflow.
package eval
