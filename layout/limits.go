package layout

import (
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// Limits bound what a Store reads. A zero field stands for its default.
type Limits struct {
	// Index is the longest index.json in bytes; 10 MiB.
	Index int64
	// Manifest is the longest manifest, index or config in bytes; 4 MiB.
	Manifest int64
	// JSONDepth is the deepest nesting of a document; 32.
	JSONDepth int
	// GraphDepth is the longest way from an entry of index.json to a blob; 8.
	GraphDepth int
	// Descriptors is the number of descriptors that a walk visits; 100,000.
	Descriptors int
	// Layer is the number of bytes that Validate reads of a decompressed layer;
	// 256 GiB. Well before that, it gives up a layer that decompresses to more
	// than 256 MiB and more than 1000 times its size.
	Layer int64
}

// Limits are the bounds that the Store keeps, with no field left at zero.
func (r *Reader) Limits() Limits { return r.limits }

func (l Limits) withDefaults() Limits {
	if l.Index == 0 {
		l.Index = imagespec.MaxIndexJSON
	}
	if l.Manifest == 0 {
		l.Manifest = imagespec.MaxDocument
	}
	if l.JSONDepth == 0 {
		l.JSONDepth = imagespec.MaxJSONDepth
	}
	if l.GraphDepth == 0 {
		l.GraphDepth = imagespec.MaxGraphDepth
	}
	if l.Descriptors == 0 {
		l.Descriptors = imagespec.MaxDescriptors
	}
	if l.Layer == 0 {
		l.Layer = imagespec.MaxLayer
	}
	return l
}

// Document bounds a manifest, index or config.
func (l Limits) Document() jsondoc.Limits {
	return jsondoc.Limits{Bytes: l.Manifest, Depth: l.JSONDepth, Elements: l.elements()}
}

// IndexJSON bounds index.json.
func (l Limits) IndexJSON() jsondoc.Limits {
	return jsondoc.Limits{Bytes: l.Index, Depth: l.JSONDepth, Elements: l.elements()}
}

// elements bounds the memory that one document takes. A smaller limit for walks
// is for them to tell.
func (l Limits) elements() int { return max(l.Descriptors, imagespec.MaxDescriptors) }
