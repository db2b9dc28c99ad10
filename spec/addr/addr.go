// Package addr holds the identities of what a spec describes, as comparable
// values.
//
// The nouns. A Kind is the kind of an OCI object. An Address names one object: the
// module that it is declared in, its kind and name and, for an instance of a block
// with for_each, the key. An ID names one thing to build: an object or, where
// manifests with different layers share a config, one use of that config.
//
// What holds for each of them: the text of String is read by the parser of the
// same type and gives an equal value again; Compare is a total order in which equal
// values, and they alone, compare as 0; and the text is what MarshalText gives, so
// that the values serve as strings and as keys of objects in JSON. The zero value
// names nothing and has no text form.
package addr

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/internal/suggest"
)

// Kind is the kind of OCI object that a block describes.
type Kind string

// The kinds of objects that a spec describes, in the order in which they are
// built: a manifest needs its config and layers, an index its manifests. A base is
// an image of somebody else, which is not built.
const (
	Base     Kind = "base"
	Layer    Kind = "layer"
	Config   Kind = "config"
	Manifest Kind = "manifest"
	Index    Kind = "index"
)

var kinds = [...]Kind{Base, Layer, Config, Manifest, Index}

// KindNames lists the kinds, as strings, in the order in which their objects are built.
func KindNames() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return names
}

// Valid reports whether k is one of Kinds.
func (k Kind) Valid() bool { return slices.Contains(kinds[:], k) }

// Compare orders kinds as KindNames does. Those that are not valid come first, by name.
func (k Kind) Compare(other Kind) int {
	return cmp.Or(
		cmp.Compare(slices.Index(kinds[:], k), slices.Index(kinds[:], other)),
		strings.Compare(string(k), string(other)),
	)
}

// Module is the path of an instance of a module, such as module.web["a"].module.db;
// empty for the root module. Child makes paths of modules below another one.
type Module string

// rootModule is the word that each step of a module path begins with.
const rootModule = "module"

// Child is the path of the module of that name that m calls, with the key of its
// instance where keyed is set.
func (m Module) Child(name, key string, keyed bool) Module {
	step := rootModule + "." + name + keyText(key, keyed)
	if m == "" {
		return Module(step)
	}
	return m + "." + Module(step)
}

// Address names one object of a spec: a block, or one instance of a block with
// for_each.
type Address struct {
	// Module is the path of the module that declares the block.
	Module Module
	Kind   Kind
	Name   string
	// Key is the for_each key; it means something only when Keyed is set, for
	// the empty string is a key like any other.
	Key   string
	Keyed bool
}

// String writes the address as a spec refers to it: layer.app["arm64"], behind the
// path of its module if that is not the root.
func (a Address) String() string {
	s := string(a.Kind) + "." + a.Name + keyText(a.Key, a.Keyed)
	if a.Module != "" {
		return string(a.Module) + "." + s
	}
	return s
}

// keyText writes a for_each key as an index in HCL; empty where there is none.
func keyText(key string, keyed bool) string {
	if !keyed {
		return ""
	}
	plain := true
	for i := 0; i < len(key) && plain; i++ {
		c := key[i]
		plain = c >= ' ' && c < 0x7f && c != '"' && c != '\\' && c != '$' && c != '%'
	}
	if plain {
		return `["` + key + `"]`
	}
	return "[" + strings.TrimSpace(string(hclwrite.TokensForValue(cty.StringVal(key)).Bytes())) + "]"
}

// Block is the address of the block that a is an instance of: a without its key.
func (a Address) Block() Address { return Address{Module: a.Module, Kind: a.Kind, Name: a.Name} }

// IsZero reports whether a names nothing.
func (a Address) IsZero() bool { return a == Address{} }

// Compare orders addresses by module, a module before those that it calls, then by
// kind in build order, name and key. A block comes before its instances.
func (a Address) Compare(b Address) int {
	return cmp.Or(
		strings.Compare(string(a.Module), string(b.Module)),
		a.Kind.Compare(b.Kind),
		strings.Compare(a.Name, b.Name),
		compareBool(a.Keyed, b.Keyed),
		strings.Compare(a.Key, b.Key),
	)
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Selects reports whether the pattern a, such as a target, matches the object at b: by
// its own address, or by that of its block.
func (a Address) Selects(b Address) bool { return a == b || a == b.Block() }

// MarshalText is String for an address that names something.
func (a Address) MarshalText() ([]byte, error) {
	if a.IsZero() {
		return nil, errEmpty
	}
	return []byte(a.String()), nil
}

// UnmarshalText is Parse.
func (a *Address) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err == nil {
		*a = parsed
	}
	return err
}

// errEmpty is the error of zero values that should be written.
var errEmpty = errors.New("an empty address names nothing")

// maxLength is the length in bytes of a text that the parsers read.
const maxLength = 4096

// Parse reads an address as Address.String writes it: layer.app or
// layer.app["arm64"], behind the path of a module or not. It does not look whether
// any spec has such an object.
func Parse(text string) (Address, error) {
	if len(text) > maxLength {
		return Address{}, fmt.Errorf("the address is longer than %d bytes", maxLength)
	}
	steps, diags := hclsyntax.ParseTraversalAbs([]byte(text), "", hcl.InitialPos)
	if diags.HasErrors() || len(steps) < 2 {
		if open := strings.IndexByte(text, '['); open > 0 && !strings.Contains(text, `"`) && strings.HasSuffix(text, "]") {
			return Address{}, fmt.Errorf("%q is no address: the key needs quotation marks, %s[%q]; in a shell, put all of it into single ones", text, text[:open], text[open+1:len(text)-1])
		}
		return Address{}, malformed(text)
	}
	return fromTraversal(text, steps)
}

// FromTraversal is Parse of an expression that is an address already.
func FromTraversal(steps hcl.Traversal) (Address, error) {
	if len(steps) < 2 || steps.IsRelative() {
		return Address{}, errors.New("an address is KIND.NAME or KIND.NAME[\"KEY\"], such as layer.app")
	}
	return fromTraversal(steps.RootName(), steps)
}

// fromTraversal reads an address; text is how messages name it.
func fromTraversal(text string, steps hcl.Traversal) (Address, error) {
	var a Address
	word := steps.RootName()
	for rest := steps[1:]; ; {
		name, key, keyed, left, err := readName(text, rest)
		if err != nil {
			return Address{}, err
		}
		if word != rootModule {
			a.Kind, a.Name, a.Key, a.Keyed = Kind(word), name, key, keyed
			return a, checkParsed(text, a, left)
		}
		a.Module = a.Module.Child(name, key, keyed)
		next, ok := first[hcl.TraverseAttr](left)
		if !ok || len(left) < 2 {
			return Address{}, fmt.Errorf("%q is no address: it names a module, and no object in it", text)
		}
		word, rest = next.Name, left[1:]
	}
}

// readName reads the name behind a kind or the word module, and its key if any.
func readName(text string, steps hcl.Traversal) (name, key string, keyed bool, left hcl.Traversal, err error) {
	attr, ok := first[hcl.TraverseAttr](steps)
	if !ok {
		return "", "", false, nil, malformed(text)
	}
	index, ok := first[hcl.TraverseIndex](steps[1:])
	if !ok {
		return attr.Name, "", false, steps[1:], nil
	}
	if index.Key.Type() != cty.String {
		return "", "", false, nil, fmt.Errorf("%q is no address: the key of %s stands in brackets and quotation marks, [\"KEY\"]", text, attr.Name)
	}
	return attr.Name, index.Key.AsString(), true, steps[2:], nil
}

// checkParsed checks the kind of a parsed address, and that nothing is left of it.
func checkParsed(text string, a Address, left hcl.Traversal) error {
	switch {
	case !a.Kind.Valid():
		return fmt.Errorf("%q is no address: there is no kind %q.%s", text, a.Kind, suggest.ClosestOrAll(string(a.Kind), KindNames()))
	case len(left) == 1 && !a.Keyed:
		return errors.New("the key of an address stands in brackets and quotation marks: " + a.Block().String() + `["KEY"]`)
	case len(left) > 0:
		return malformed(text)
	}
	return nil
}

// first is the first step of a traversal, if it is a T.
func first[T hcl.Traverser](steps hcl.Traversal) (T, bool) {
	var none T
	if len(steps) == 0 {
		return none, false
	}
	step, ok := steps[0].(T)
	return step, ok
}

func malformed(text string) error {
	return fmt.Errorf("%q is no address: write KIND.NAME or KIND.NAME[\"KEY\"], such as layer.app", text)
}
