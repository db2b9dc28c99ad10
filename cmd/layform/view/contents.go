package view

import (
	"fmt"
	"io"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/layout/printable"
)

// File is one file of an image.
type File struct {
	// Path is relative, clean and slash-separated; "." is the root.
	Path string `json:"path"`
	layer.Properties
	// Layer is the index of the layer that it comes from, bottom first.
	Layer int `json:"layer"`
}

// NewFile describes an entry of a layer, given the layer's index.
func NewFile(e layer.Entry, layer int) File {
	return File{Path: e.Path, Properties: e.Properties(), Layer: layer}
}

// Contents lists the files of an image, one a line: type and mode, owner, size,
// time, path.
func Contents(w io.Writer, files []File, style Style) error {
	pg := newPage(w, style)
	owner, size := 0, 0
	for _, f := range files {
		owner = max(owner, len(fmt.Sprintf("%d:%d", f.UID, f.GID)))
		size = max(size, len(fmt.Sprint(f.Size)))
	}
	for _, f := range files {
		name := "/" + f.Path
		if f.Path == "." {
			name = "/"
		}
		text := printable.Line(name)
		switch f.Type {
		case layer.Symlink:
			text += " -> " + printable.Line(f.Target)
		case layer.Hardlink:
			text += " = " + printable.Line("/"+f.Target)
		}
		pg.line("%s%s  %-*s  %*d  %s  %s", typeMark(f.Type), f.Mode, owner, fmt.Sprintf("%d:%d", f.UID, f.GID), size, f.Size, f.Mtime, text)
	}
	return pg.close()
}

// typeMark is the mark of a type, as ls has it.
func typeMark(t layer.Type) string {
	switch t {
	case layer.Directory:
		return "d"
	case layer.Symlink:
		return "l"
	case layer.Hardlink:
		return "h"
	case layer.Char:
		return "c"
	case layer.Block:
		return "b"
	case layer.Fifo:
		return "p"
	}
	return "-"
}
