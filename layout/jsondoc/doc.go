// Package jsondoc reads and writes the JSON documents that layform shares with
// others: indexes, manifests, configs, staging states and plans.
//
// Reading is strict, for a document that two readers understand differently is
// an attack waiting to happen: Decode refuses duplicate names, names that
// differ from a member of the target in case alone, invalid UTF-8, trailing
// data, deep nesting, documents over a size limit, and documents that would take
// many times their size in memory. Members that the target does not know are
// allowed, as the image spec demands.
//
// Writing is canonical: Encode gives the same bytes for the same value on any
// machine, at any time.
package jsondoc
