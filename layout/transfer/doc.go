// Package transfer copies graphs of content between layouts and registries.
//
// A root is an image, an index or an artifact; its graph is all that it leads to.
// Referrers are the manifests whose subject is in the graph: signatures, SBOMs,
// attestations; they come along with graphs of their own.
//
// Diff compares and writes nothing: its Plan says for each blob and manifest
// whether the destination has it, can mount it from a repository beside, or needs
// its bytes. Execute carries the Plan out. Directory and Repository make a layout
// and a repository of a registry sources and destinations.
//
// # Guarantees
//
//   - Bytes are never changed. A choice of platforms makes a new index, whose
//     digest the Plan gives; the manifests in it stay what they are.
//   - Content comes before what names it: blobs, manifests from the leaves up,
//     referrers, roots, and the tags of all roots last. Interrupted anywhere, no tag
//     names what is not there whole, and the same transfer goes on from there.
//   - A tag is changed only if it still is what Diff saw. One that is right already
//     is not written again, which registries with immutable tags refuse.
//   - A destination that holds a root but lacks what is below it gets what it
//     lacks: Diff looks at each manifest, and content that a registry misses when
//     it is given a manifest is sent then.
//   - Memory does not grow with the size of blobs.
package transfer
