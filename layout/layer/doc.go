// Package layer is the format of layers: the entries of a layer's tar and their
// order, the headers that say them, the table of contents that lists the entries
// and chunks of a blob, the encoding version that names all that decides bytes, and
// how layers are read: decompressed, scanned, checked, listed, laid over each other.
//
// There is one reading and one set of rules. Decompress has one bound. Scan reads a
// tar once and calls a Visitor for its entries and for each Breach of a Rule; what
// follows from a breach stands in one table: whether the validator says MUST,
// whether an archive is refused as a layer, and whether a layer of somebody else is
// still read. Where readers of tars (package archive/tar, GNU tar, libarchive,
// Python's tarfile) would unpack different files, the rule is RuleHeader or
// RuleEntrySize.
//
// A header is one USTAR block where everything fits, and a PAX extended header
// with a USTAR block after it where it must be: long or non-ASCII names, ids
// and times beyond the octal fields, content beyond 8 GiB, and xattrs. GNU
// extensions, user and group names, access times and fractions of seconds are
// never written. The same entry gives the same bytes on every machine and with
// every release of Go, because nothing here depends on archive/tar. All that
// headers decide belongs to the encoding version.
package layer
