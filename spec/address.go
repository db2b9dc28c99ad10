package spec

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// Kind is the kind of OCI object that a block describes.
type Kind string

// The kinds of objects that a spec describes, in the order in which they are
// built: a manifest needs its config and layers, an index its manifests.
const (
	KindLayer    Kind = "layer"
	KindConfig   Kind = "config"
	KindManifest Kind = "manifest"
	KindIndex    Kind = "index"
)

// Address names one object of a spec: a block, or one instance of a block with
// for_each. Addresses are comparable and serve as map keys.
type Address struct {
	Kind Kind
	Name string
	// Key is the for_each key; it means something only when Keyed is set, for
	// the empty string is a key like any other.
	Key   string
	Keyed bool
}

// String writes the address as a spec refers to it: layer.app["arm64"].
func (a Address) String() string {
	s := string(a.Kind) + "." + a.Name
	if !a.Keyed {
		return s
	}
	key := hclwrite.TokensForValue(cty.StringVal(a.Key)).Bytes()
	return s + "[" + strings.TrimSpace(string(key)) + "]"
}

// Block is the address of the block that a stands in: a without its key.
func (a Address) Block() Address { return Address{Kind: a.Kind, Name: a.Name} }

// maxAddress is the length in bytes of an address that ParseAddress reads.
const maxAddress = 4096

// ParseAddress reads an address as Address.String writes it: layer.app or
// layer.app["arm64"]. It does not look whether any spec has such an object.
func ParseAddress(text string) (Address, error) {
	if len(text) > maxAddress {
		return Address{}, fmt.Errorf("the address is longer than %d bytes", maxAddress)
	}
	steps, diags := hclsyntax.ParseTraversalAbs([]byte(text), "", hcl.InitialPos)
	if diags.HasErrors() || len(steps) < 2 {
		if open := strings.IndexByte(text, '['); open > 0 && !strings.Contains(text, `"`) && strings.HasSuffix(text, "]") {
			return Address{}, fmt.Errorf("%q is no address: the key needs quotation marks, %s[%q]; in a shell, put all of it into single ones", text, text[:open], text[open+1:len(text)-1])
		}
		return Address{}, fmt.Errorf("%q is no address: write KIND.NAME or KIND.NAME[\"KEY\"], such as layer.app", text)
	}
	a := Address{Kind: Kind(steps.RootName())}
	if !a.Kind.known() {
		return Address{}, fmt.Errorf("%q is no address: there is no kind %q.%s", text, a.Kind, suggestOr(string(a.Kind), kindNames()))
	}
	name, ok := steps[1].(hcl.TraverseAttr)
	if !ok || len(steps) > 3 {
		return Address{}, fmt.Errorf("%q is no address: write KIND.NAME or KIND.NAME[\"KEY\"], such as layer.app", text)
	}
	a.Name = name.Name
	if len(steps) == 3 {
		index, ok := steps[2].(hcl.TraverseIndex)
		if !ok || index.Key.Type() != cty.String {
			return Address{}, errors.New("the key of an address stands in brackets and quotation marks: " + a.Block().String() + `["KEY"]`)
		}
		a.Key, a.Keyed = index.Key.AsString(), true
	}
	return a, nil
}
