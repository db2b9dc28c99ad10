// Package layer is the format of layers: the entries of a layer's tar and their
// order, the headers that say them, the table of contents that lists the entries
// and chunks of a blob, and its stored form.
//
// A header is one USTAR block where everything fits, and a PAX extended header
// with a USTAR block after it where it must be: long or non-ASCII names, ids
// and times beyond the octal fields, content beyond 8 GiB, and xattrs. GNU
// extensions, user and group names, access times and fractions of seconds are
// never written. The same entry gives the same bytes on every machine and with
// every release of Go, because nothing here depends on archive/tar. All that
// headers decide belongs to the encoding version.
package layer
