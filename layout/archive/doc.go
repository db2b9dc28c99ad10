// Package archive reads a layout in a tar, plain or compressed with gzip or zstd, and
// writes one.
//
// An Archive is a layout.Tree, so that a layout.Reader over it reads the layout as it
// reads one in a directory. Nothing is unpacked by name: a compressed tar is
// decompressed once, into a file without a name, and read at any place there. Layout makes
// a tree of a tar of docker save, too, which is no layout: of its manifest.json.
//
// Export writes a whole layout, Select chooses one image of it, and a File takes blobs in
// any order. What is written is a pure function of the layout:
//
//   - It holds index.json, byte for byte, and what its entries lead to, and nothing else.
//   - Names are sorted; owners and times are 0; headers are those of package layer.
//   - With Docker there is manifest.json as well, for docker load.
//
// A tar is written beside the file that it replaces, synced, and renamed: at any instant
// the name leads to all of the old tar or to all of the new one.
package archive
