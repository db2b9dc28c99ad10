package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
)

// session is one evaluation of one or more expressions, with one answer to what
// is known. It is used by one goroutine.
type session struct {
	p          *module
	known      Known
	evaluation *eval.Evaluation
	locals     map[string]cty.Value
	// objects are the values of objects, blocks those of whole blocks with for_each.
	objects map[Address]cty.Value
	blocks  map[Address]cty.Value
	// loops are the values of for_each expressions that refer to objects.
	loops map[Address]cty.Value
}

// env is the local scope of an expression: each, and the iterator of a dynamic block.
type env struct {
	inst *instance // for each; nil outside of objects
	// iterator and item are the name and the value of a dynamic block's iterator.
	iterator string
	item     cty.Value
}

func newSession(p *module, known Known) *session {
	if known == nil {
		known = func(Address) (Built, bool) { return Built{}, false }
	}
	return &session{
		p: p, known: known,
		evaluation: p.library.NewEvaluation(p.watch),
		locals:     map[string]cty.Value{},
		objects:    map[Address]cty.Value{},
		blocks:     map[Address]cty.Value{},
		loops:      map[Address]cty.Value{},
	}
}

// skips reports whether an expression cannot be evaluated because something in
// it, or in what it refers to, is wrong. That has been reported already.
func (p *module) skips(e *eval.Expression) bool {
	return e.Invalid || slices.ContainsFunc(e.References, func(r eval.Reference) bool {
		name, _, _ := r.Name()
		switch r.Root() {
		case rootVar:
			return p.variables[name] == nil || p.variables[name].invalid
		case rootLocal:
			return p.locals[name] == nil || p.locals[name].expr.Invalid
		}
		if addr, ok := r.Block(); ok {
			b := p.blocks[addr]
			return b == nil || b.invalid || p.readsBase(r, b)
		}
		return false
	})
}

// expression evaluates an expression. What cannot be evaluated for a reason
// that was reported before is unknown, without further diagnostics.
func (s *session) expression(e *eval.Expression, in *env) (cty.Value, hcl.Diagnostics) {
	if s.p.skips(e) {
		return cty.DynamicVal, nil
	}
	names, diags := s.names(e, in)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, more := s.evaluation.Value(e, names)
	return v, append(diags, s.nameMissing(e, in, more)...)
}

// nameMissing says of keys that blocks with for_each do not have which block and key
// these are, where diags say that the value of an index has no such element.
func (s *session) nameMissing(e *eval.Expression, in *env, diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		for _, r := range e.References {
			addr, ok := r.Block()
			if !ok || d.Subject == nil || !r.Range().Overlaps(*d.Subject) || s.hidesKey(r, in) {
				continue
			}
			b := s.p.blocks[addr]
			if key, ok := s.key(r, in); ok && b.forEach != nil && !b.invalid && !slices.Contains(b.keys, key) {
				d.Summary, d.Detail = "Invalid reference", missingKey(addr, key, b.keys)
				d.Expression, d.EvalContext = nil, nil
			}
		}
	}
	return diags
}

// hidesKey reports whether the key in a reference is sensitive.
func (s *session) hidesKey(r eval.Reference, in *env) bool {
	if r.Index == nil {
		return false
	}
	v, _ := s.expression(r.Index, in) // unknown with an error, which was reported
	return eval.IsSensitive(v)
}

// maxKeysNamed is the number of keys that a message lists.
const maxKeysNamed = 10

// missingKey says that for_each of a block has no such key.
func missingKey(addr Address, key string, keys []string) string {
	text := fmt.Sprintf("There is no %s[%s]: for_each of %s has ", addr, eval.Quote(key), addr)
	hint := suggest.Closest(key, keys)
	switch {
	case len(keys) == 0:
		return text + "no keys."
	case hint != "":
		return text + "no such key." + hint
	case len(keys) > maxKeysNamed:
		return text + fmt.Sprintf("%d others: %s, ….", len(keys), strings.Join(keys[:maxKeysNamed], ", "))
	}
	return text + strings.Join(keys, ", ") + "."
}

// names are the values of the names that an expression refers to.
func (s *session) names(e *eval.Expression, in *env) (map[string]cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	names := map[string]cty.Value{}
	variables := map[string]cty.Value{}
	locals := map[string]cty.Value{}
	objects := map[Kind]map[string]cty.Value{}
	wanted := map[Address]map[string]bool{} // block → keys; nil for all
	for _, r := range e.References {
		name, _, _ := r.Name()
		switch {
		case in != nil && in.iterator != "" && r.Root() == in.iterator:
			names[in.iterator] = in.item
		case r.Root() == rootVar:
			variables[name] = s.p.variables[name].value
		case r.Root() == rootLocal:
			v, more := s.local(name)
			diags = append(diags, more...)
			locals[name] = v
		case r.Root() == rootEach && in != nil && in.inst != nil:
			v, more := s.each(in.inst)
			diags = append(diags, more...)
			names[rootEach] = v
		default:
			if addr, ok := r.Block(); ok {
				diags = append(diags, s.want(wanted, r, addr, in)...)
			}
		}
	}
	for addr, keys := range wanted {
		if objects[addr.Kind] == nil {
			objects[addr.Kind] = map[string]cty.Value{}
		}
		objects[addr.Kind][addr.Name] = s.block(s.p.blocks[addr], keys)
	}
	for kind, values := range objects {
		names[string(kind)] = cty.ObjectVal(values)
	}
	if len(variables) > 0 {
		names[rootVar] = cty.ObjectVal(variables)
	}
	if len(locals) > 0 {
		names[rootLocal] = cty.ObjectVal(locals)
	}
	return names, diags
}

// want notes which instances of a block a reference needs the values of.
func (s *session) want(wanted map[Address]map[string]bool, r eval.Reference, addr Address, in *env) hcl.Diagnostics {
	b := s.p.blocks[addr]
	keys, isSet := wanted[addr]
	if isSet && keys == nil {
		return nil
	}
	key, ok := s.key(r, in)
	if b.forEach == nil || !ok {
		wanted[addr] = nil
		return nil
	}
	if step, isAttr := stepAt(r.Traversal, 2).(hcl.TraverseAttr); isAttr && slices.Contains(objectAttributes(addr.Kind), step.Name) && !slices.Contains(b.keys, step.Name) {
		return hcl.Diagnostics{eval.Errorf(r.Range().Ptr(), "Invalid reference", "%s has for_each, so there is one object for each key. Name one of them: %s[KEY].%s.", addr, addr, step.Name)}
	}
	if keys == nil {
		keys = map[string]bool{}
	}
	keys[key] = true
	wanted[addr] = keys
	return nil
}

func stepAt(t hcl.Traversal, i int) hcl.Traverser {
	if i < len(t) {
		return t[i]
	}
	return nil
}

// key is the for_each key in a reference, if it is known.
func (s *session) key(r eval.Reference, in *env) (string, bool) {
	if r.Index != nil {
		v, diags := s.expression(r.Index, in)
		if diags.HasErrors() {
			return "", false
		}
		return eval.KeyOf(v)
	}
	if step := stepAt(r.Traversal, 2); step != nil {
		return eval.StepName(step)
	}
	return "", false
}

// local is the value of a local.
func (s *session) local(name string) (cty.Value, hcl.Diagnostics) {
	l := s.p.locals[name]
	if l.fixed != cty.NilVal {
		return l.fixed, nil
	}
	if v, ok := s.locals[name]; ok {
		return v, nil
	}
	v, diags := s.expression(l.expr, nil)
	if _, problem := eval.Size(v); problem != "" {
		v, diags = cty.DynamicVal, hcl.Diagnostics{s.evaluation.Refuse(problem, l.expr.Range())}
	}
	s.locals[name] = v
	return v, diags
}

// each is the value of each for an instance.
func (s *session) each(inst *instance) (cty.Value, hcl.Diagnostics) {
	b := inst.block
	if inst.each != cty.NilVal || b.forEach == nil {
		return inst.each, nil
	}
	loop, ok := s.loops[b.addr]
	if !ok {
		var diags hcl.Diagnostics
		if loop, diags = s.expression(b.forEach, nil); diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		s.loops[b.addr] = loop
	}
	for _, item := range loopItems(loop) {
		if item.key == inst.addr.Key {
			return eachValue(item), nil
		}
	}
	return cty.DynamicVal, nil
}

// loopItem is one element that for_each goes through.
type loopItem struct {
	key   string
	value cty.Value
}

// loopItems lists the elements of a map, an object or a set of strings, sorted
// by key.
func loopItems(v cty.Value) []loopItem {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || !v.CanIterateElements() {
		return nil
	}
	var items []loopItem
	for it := v.ElementIterator(); it.Next(); {
		k, element := it.Element()
		if v.Type().IsSetType() {
			k = element
		}
		if key, ok := eval.KeyOf(k); ok {
			items = append(items, loopItem{key, element})
		}
	}
	return items
}

func eachValue(item loopItem) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(item.key), "value": item.value})
}

// block is the value of a block: of its only object, or an object of objects by
// key. With keys that are not nil, only those are in it.
func (s *session) block(b *block, keys map[string]bool) cty.Value {
	if b.forEach == nil {
		return s.object(b.addr)
	}
	values := map[string]cty.Value{}
	if keys != nil {
		for key := range keys {
			if addr := b.instance(key); s.p.instances[addr] != nil {
				values[key] = s.object(addr)
			}
		}
		return cty.ObjectVal(values)
	}
	if v, ok := s.blocks[b.addr]; ok {
		return v
	}
	for _, key := range b.keys {
		values[key] = s.object(b.instance(key))
	}
	v := cty.ObjectVal(values)
	s.blocks[b.addr] = v
	return v
}

// instance is the address of the instance with a key.
func (b *block) instance(key string) Address {
	return Address{Kind: b.addr.Kind, Name: b.addr.Name, Key: key, Keyed: true}
}

// object is the value of a reference to an object.
func (s *session) object(addr Address) cty.Value {
	if v, ok := s.objects[addr]; ok {
		return v
	}
	if addr.Kind == KindBase {
		v := baseValue(addr, s.p.images[addr])
		s.objects[addr] = v
		return v
	}
	built, _ := s.known(addr)
	values := map[string]cty.Value{
		attrAddress:   cty.StringVal(addr.String()),
		attrMediaType: s.mediaType(addr, built),
		attrDigest:    stringOrUnknown(built.Descriptor.Digest.String()),
		attrSize:      cty.UnknownVal(cty.Number).RefineNotNull(),
	}
	if built.Descriptor.Digest != "" {
		values[attrSize] = cty.NumberIntVal(built.Descriptor.Size)
	}
	if addr.Kind == KindLayer {
		values[attrDiffID] = stringOrUnknown(built.DiffID.String())
	}
	v := cty.ObjectVal(values)
	s.objects[addr] = v
	return v
}

// stringOrUnknown is a string that is unknown as long as it is empty.
func stringOrUnknown(s string) cty.Value {
	if s == "" {
		return cty.UnknownVal(cty.String).RefineNotNull()
	}
	return cty.StringVal(s)
}

// mediaType is the media type of an object: the one it was built with, or the
// one that follows from its block.
func (s *session) mediaType(addr Address, built Built) cty.Value {
	if built.Descriptor.MediaType != "" {
		return cty.StringVal(built.Descriptor.MediaType)
	}
	inst := s.p.instances[addr]
	if inst == nil {
		return stringOrUnknown("")
	}
	if inst.block.syntax == nil {
		return stringOrUnknown(inst.block.mediaType)
	}
	return stringOrUnknown(s.mediaTypeOf(inst))
}

// mediaTypeOf is the media type that follows from a block that has its syntax.
func (s *session) mediaTypeOf(inst *instance) string {
	d := &decoder{s: s, inst: inst, in: &env{inst: inst}}
	return d.mediaType()
}
