// Package imagespec holds the rules of the OCI image specification that more
// than one part of layform needs: media types and the compression that they
// name, platforms, exposed ports, ref names, times, annotations, whiteouts,
// digests, and the limits within which documents and layers are written and read.
//
// Each rule is written once. Whoever makes a layout and whoever validates one
// call the same function, so what a spec may say is what a layout may hold.
// The package does no I/O, knows no other package of layform, and panics on no
// input. A Check function returns nil or an error that completes the sentence
// "the value …", without naming the place of the value: callers know it.
//
// Where the specification says SHOULD, the rule is an answer (KnownSystem,
// IsRefName) and the caller decides whether it is an error or a remark.
package imagespec
