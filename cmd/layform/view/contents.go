package view

import (
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
