package view

import (
	"io"
	"iter"

	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/layer"
)

// File is one file of an image.
type File struct {
	// Path is relative, clean and slash-separated; "." is the root.
	Path layer.Bytes `json:"path"`
	layer.Properties
	// Layer is the index of the layer that it comes from, bottom first.
	Layer int `json:"layer"`
}

// NewFile describes an entry of a layer, given the layer's index.
func NewFile(e layer.Entry, index int) File {
	return File{Path: layer.Bytes(e.Path), Properties: e.Properties(), Layer: index}
}

// JSONContents is JSON for a document whose Contents are written as they are listed:
// an image may have millions of files.
func JSONContents(w io.Writer, d Document, files iter.Seq[File]) error {
	d.FormatVersion = FormatVersion
	return printTo(w, struct {
		Document
		Contents jsondoc.List[File] `json:"contents"`
	}{d, jsondoc.List[File]{Elements: files}})
}
