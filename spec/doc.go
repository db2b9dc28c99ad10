// Package spec reads the spec language: HCL files that describe an OCI image
// layout.
//
// The nouns. A spec is the set of files of one directory (Source), together with
// the values of its variables (Variable) and what its functions read on disk
// (Input). It describes objects: layers, configs, manifests and indexes. An
// object is one block or, where the block has for_each, one instance of it, and
// has an Address such as layer.app["arm64"]. An Object is what an address
// evaluates to: plain data, with the addresses that it needs and all its values
// as flat Fields.
//
// Load parses, checks and evaluates a spec once. Digests and sizes are unknown
// until an object is built, and what is made from them is unknown with them;
// Evaluate evaluates an object again with what has become Known. References make
// a graph without cycles, and Addresses lists the objects in an order in which
// they can be built.
//
// The identities of objects are values of package addr. What may be written in a
// block is data of package schema, and expressions are evaluated by package eval;
// this package has what is between them: declarations, variables, the reference
// graph, and the decoding and checking of objects.
//
// Dynamic blocks are expanded here and not by hcl/ext/dynblock, which evaluates for_each
// and labels while a body is taken apart: by the evaluator of HCL itself, without the
// budgets and the sensitive values of package eval, and once more for each state of
// what is known. A body is taken apart once here, and a block of an unknown type or a
// label that is missing is a diagnostic with the names that there are.
//
// What holds:
//
//   - The same sources, variables and inputs evaluate to the same objects, on any
//     machine and at any time: no function reads a clock, random numbers, the
//     environment or the network.
//   - No function reads outside of the spec's directory, not through symlinks
//     either, and nothing but regular files. A file that was read once comes out
//     the same for the life of the Spec, or is reported as changed.
//   - Whatever a user can mend is an hcl.Diagnostic with its place, and Load
//     reports all that it finds.
//   - Hostile text ends in a diagnostic: size, encoding and nesting are checked
//     before the parser runs, and evaluation is bounded in time and in what it
//     may produce.
//   - A sensitive value appears in Fields, Outputs and Variables as a digest
//     alone. It is in the objects themselves, which are built from it.
package spec
