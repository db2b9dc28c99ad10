// Package layout keeps OCI Image Layouts: directories of content-addressed
// blobs with an index.json that names what can be found in them.
//
// # Nouns
//
// A Reader reads a layout, over a Tree: a directory, or an archive as package archive
// opens it. A Store is a layout in a directory, a Reader that writes as well. A blob is
// a file under blobs/ whose name is the digest of its content. Content enters a Store
// through an Ingest: a temporary file that becomes a blob when it is committed. The
// Index is index.json, as it was read and edited; its entries are descriptors, most with
// a ref name, its tags. A Swap replaces index.json in one atomic step and is the only
// commit point: blobs that no entry reaches do not count. PrepareSwap and Commit are its
// two halves, for a caller that records between them what is coming. An Upload is content
// that comes in several parts and outlives its process. A Hold keeps what a process
// reads from being deleted, and a Lease a blob that was pushed and that nothing refers to
// yet. What an entry reaches is found by Reachable;
// blobs that nothing reaches can be deleted: by Sweep those that the caller
// names, by GC all that have stood there for a while. Package validate says what is
// wrong with a layout by the rules of the image spec, and package repair mends what a
// crash or a careless tool left. Everything of ours that the image spec does not know
// lies in the folder .layform: the lock, temporary files, what repair moved aside, and
// the state files of other packages.
//
// # Guarantees
//
//   - Whoever kills a writer, cuts the power or fills the disk finds a layout
//     that is valid and holds the index from before or after a Swap. A directory
//     becomes a layout with its file oci-layout, which is written last.
//   - A blob's name never shows before its content is complete and durable, and
//     a blob is reused only after its content was hashed.
//   - Writers exclude each other by a lock that dies with its holder; readers
//     never wait. A Swap works on the index as it is under the lock, so no
//     writer loses the entries of another. Foreign entries, unknown members and
//     white space of index.json survive as the bytes they were.
//   - Nothing that index.json reaches is ever deleted: not while others write
//     under the lock, and not when what is in use cannot be told for certain.
//   - What cannot be read is an error, never the same as empty.
//   - Nothing outside the layout is opened: files are reached through os.Root,
//     symbolic links are not followed, and what is not a regular file is refused
//     before it could block. Documents are read by the strict rules of package
//     jsondoc, and sizes are checked before memory is allocated.
package layout
