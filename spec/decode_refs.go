package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
)

// depend records the objects that an expression depends on. Whole objects count only when
// whole is set: where the value tells which objects are meant, it is asked.
func (d *decoder) depend(e *eval.Expression, whole bool) {
	for _, r := range d.s.p.objectReferences(e, d.inst.block) {
		addr, ok := r.Block()
		if !ok {
			continue
		}
		b := d.s.p.blocks[addr]
		attr, _ := r.Attribute(b.forEach != nil)
		if attr == attrAddress || attr == "" && !whole {
			continue
		}
		if b.forEach == nil {
			d.dependencies = append(d.dependencies, dependency{addr, attr, r.Range()})
			continue
		}
		keys := b.keys
		if key, ok := d.s.key(r, d.in); ok {
			at, found := slices.BinarySearch(keys, key)
			if !found {
				continue
			}
			keys = keys[at : at+1]
		}
		for _, key := range keys {
			d.dependencies = append(d.dependencies, dependency{b.instance(key), attr, r.Range()})
		}
	}
}

// objectReferences lists the references to objects that an expression makes: itself,
// through locals, or through for_each of its block.
func (p *module) objectReferences(e *eval.Expression, b *block) []eval.Reference {
	var refs []eval.Reference
	for _, r := range e.References {
		name, _, _ := r.Name()
		switch {
		case r.Root() == rootLocal && p.locals[name] != nil:
			refs = append(refs, p.locals[name].refs...)
		case r.Root() == rootEach && name == "value" && b != nil && b.forEach != nil:
			refs = append(refs, p.objectReferences(b.forEach, nil)...)
		default:
			if addr, ok := r.Block(); ok && p.blocks[addr] != nil {
				refs = append(refs, r)
			}
		}
	}
	return refs
}

// namedBlocks are the blocks of the references that objectReferences lists.
func (p *module) namedBlocks(e *eval.Expression, b *block) map[Address]bool {
	named := map[Address]bool{}
	for _, r := range p.objectReferences(e, b) {
		if a, ok := r.Block(); ok {
			named[a] = true
		}
	}
	return named
}

// refs sorts the needs into a set of addresses.
func (d *decoder) refs() []Address {
	var refs []Address
	for _, n := range d.dependencies {
		refs = append(refs, n.addr)
	}
	slices.SortFunc(refs, Address.Compare)
	return slices.Compact(refs)
}

// objectRef is the address that a reference evaluates to.
func objectRef(v cty.Value) (Address, bool) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(attrAddress) {
		return Address{}, false
	}
	text, ok := eval.StringOf(v.GetAttr(attrAddress))
	if !ok {
		return Address{}, false
	}
	addr, err := addr.Parse(text)
	return addr, err == nil
}

// object decodes an attribute that names one object of certain kinds.
func (d *decoder) object(attrs attributes, name string, allowed ...Kind) (*Address, attrValue) {
	g := d.raw(attrs, name)
	if !g.set || g.reported {
		return nil, g
	}
	e := attrs.named(name).expr
	if !g.value.IsKnown() || g.value.Type() == cty.DynamicPseudoType {
		d.depend(e, true)
		d.fields = append(d.fields, Field{Path: name, Unknown: true})
		return nil, g
	}
	d.depend(e, false)
	addr, ok := d.member(g, g.value, name, d.s.p.namedBlocks(e, d.inst.block), allowed)
	if !ok {
		return nil, g
	}
	return &addr, g
}

// objects decodes an attribute that lists objects of certain kinds.
func (d *decoder) objects(attrs attributes, name string, allowed ...Kind) ([]Address, attrValue) {
	g := d.raw(attrs, name)
	if !g.set || g.reported {
		return nil, g
	}
	e := attrs.named(name).expr
	list, _ := g.value.Unmark()
	if t := list.Type(); !list.IsKnown() || t == cty.DynamicPseudoType {
		d.depend(e, true)
		d.fields = append(d.fields, Field{Path: name, Unknown: true})
		return nil, g
	} else if !t.IsTupleType() && !t.IsListType() {
		d.err(g.rng, "%s must be a list in square brackets, of references to a %s each.%s", name, kindList(allowed), listHint(list, name))
		g.reported = true
		return nil, g
	}
	d.depend(e, false)
	g.ok = true
	named := d.s.p.namedBlocks(e, d.inst.block)
	var addrs []Address
	i := 0
	for it := list.ElementIterator(); it.Next(); i++ {
		_, element := it.Element()
		path := fmt.Sprintf("%s[%d]", name, i)
		if !element.IsKnown() {
			d.depend(e, true)
			d.fields = append(d.fields, Field{Path: path, Unknown: true})
			g.ok = false
			continue
		}
		addr, ok := d.member(g, element, path, named, allowed)
		if !ok {
			g.reported, g.ok = true, false
			continue
		}
		addrs = append(addrs, addr)
	}
	if !g.ok || g.reported {
		return nil, g
	}
	return addrs, g
}

func listHint(v cty.Value, name string) string {
	if _, ok := objectRef(v); ok {
		return fmt.Sprintf(" Write %s = [...] around the one object.", name)
	}
	if v.Type().IsObjectType() {
		return " Use values(...) for all objects of a block with for_each."
	}
	return ""
}

// member decodes one reference, to an object of one of the blocks that the expression names.
func (d *decoder) member(g attrValue, v cty.Value, path string, named map[Address]bool, allowed []Kind) (Address, bool) {
	addr, ok := objectRef(v)
	if !ok {
		hint := ""
		if v.Type() == cty.String {
			hint = " Leave out the quotation marks."
		} else if v.Type().IsObjectType() {
			hint = " A block with for_each needs a key."
		}
		d.err(g.rng, "%s must be a reference to a %s, such as %s.NAME.%s", path, kindList(allowed), allowed[0], hint)
		return addr, false
	}
	if !named[addr.Block()] || d.s.p.instances[addr] == nil {
		d.err(g.rng, "%s must refer to an object by its name, such as %s.NAME.", path, allowed[0])
		return addr, false
	}
	if !slices.Contains(allowed, addr.Kind) {
		d.err(g.rng, "%s is %s, but must be a %s.", path, addr, kindList(allowed))
		return addr, false
	}
	d.dependencies = append(d.dependencies, dependency{addr: addr, rng: g.rng})
	d.fields = append(d.fields, Field{Path: path, Value: JSON(jsonText(addr.String()))})
	d.baseField(path, addr)
	return addr, true
}

// kindList writes kinds as "manifest, index or base".
func kindList(allowed []Kind) string {
	names := make([]string, len(allowed))
	for i, k := range allowed {
		names[i] = string(k)
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
