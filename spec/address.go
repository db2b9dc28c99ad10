package spec

import (
	"maps"
	"slices"

	"github.com/layform/layform/spec/addr"
)

// Kind is the kind of OCI object that a block describes.
type Kind = addr.Kind

// The kinds of objects that a spec describes, in the order in which they are built.
const (
	KindBase     = addr.Base
	KindLayer    = addr.Layer
	KindConfig   = addr.Config
	KindManifest = addr.Manifest
	KindIndex    = addr.Index
)

// Address names one object of a spec: a block, or one instance of a block with
// for_each. Addresses are comparable and serve as map keys.
type Address = addr.Address

// keysOf lists the keys of a map, sorted.
func keysOf[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
