package spec

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
)

// evaluated is an object with what the checks across objects need.
type evaluated struct {
	object       *Object
	dependencies []dependency
	tagRange     hcl.Range
	emptyImage   *hcl.Range
	// noPlatform is the place of a complaint about a config without a platform, which
	// is due unless a base has one.
	noPlatform *hcl.Range
}

// evaluate decodes one object.
func (s *session) evaluate(inst *instance) (*evaluated, hcl.Diagnostics) {
	if s.p.evaluated != nil {
		s.p.evaluated(inst.addr)
	}
	d := &decoder{s: s, inst: inst, in: &env{inst: inst}}
	o := &Object{Address: inst.addr, Range: inst.block.rng}
	switch inst.addr.Kind {
	case KindBase:
		o.Body = d.base()
	case KindLayer:
		o.Body = d.layer()
	case KindConfig:
		o.Body = d.config()
	case KindManifest:
		o.Body = d.manifest()
	case KindIndex:
		o.Body = d.index()
	}
	sortFields(d.fields)
	o.Fields = d.fields
	o.Refs = d.refs()
	return &evaluated{object: o, dependencies: d.dependencies, tagRange: d.tagRange, emptyImage: d.emptyImage, noPlatform: d.noPlatform}, d.diags
}

// expand evaluates for_each of a block and makes its instances.
func (p *module) expand(b *block) hcl.Diagnostics {
	if b.forEach == nil {
		p.instances[b.addr] = &instance{addr: b.addr, block: b}
		return nil
	}
	if p.skips(b.forEach) {
		b.invalid = true
		return nil
	}
	v, diags := newSession(p, nil).expression(b.forEach, nil)
	if !diags.HasErrors() {
		if problem := forEachProblem(v); problem != "" {
			diags = append(diags, eval.Errorf(b.forEach.Range().Ptr(), "Invalid for_each", "%s", problem))
		}
	}
	if diags.HasErrors() {
		b.invalid = true
		return diags
	}
	fixed := len(p.objectReferences(b.forEach, nil)) == 0
	for _, item := range loopItems(v) {
		addr := b.instance(item.key)
		inst := &instance{addr: addr, block: b}
		if fixed {
			inst.each = eachValue(item)
		}
		p.instances[addr] = inst
		b.keys = append(b.keys, item.key)
	}
	slices.Sort(b.keys)
	return diags
}

// maxInstances is the number of objects or blocks that one for_each may make.
const maxInstances = 100_000

// forEachProblem says why for_each cannot go through a value, "" if it can.
func forEachProblem(v cty.Value) string {
	const want = "for_each goes through a map, an object or a set of strings"
	t := v.Type()
	if v.HasMark(eval.Sensitive{}) { // the keys of a map, or a member of a set
		return "for_each is sensitive, but its keys are part of addresses, which are shown. Sensitive values of a map with plain keys are allowed."
	}
	switch {
	case v.IsNull():
		return want + ", and this is null."
	case !v.IsKnown() || t == cty.DynamicPseudoType:
		return want + " that is known when the plan is made. This depends on something that is known after apply."
	case t.IsTupleType() || t.IsListType():
		return want + ". Make a set of this list with toset(...)."
	case t.IsSetType() && t.ElementType() != cty.String && v.LengthInt() > 0:
		return fmt.Sprintf("%s, and this is a %s.", want, t.FriendlyName())
	case t.IsSetType() && !v.IsWhollyKnown():
		return want + " that is known when the plan is made. This depends on something that is known after apply."
	case !t.IsSetType() && !t.IsMapType() && !t.IsObjectType():
		return fmt.Sprintf("%s, and this is a %s.", want, t.FriendlyName())
	case v.LengthInt() > maxInstances:
		return fmt.Sprintf("%s of at most %d elements.", want, maxInstances)
	}
	if t.IsSetType() && eval.HasNull(v) {
		return want + ", and this set contains null."
	}
	return ""
}

// schedule is the nodes of the reference graph in the order in which they are
// evaluated.
type schedule struct {
	order []vertex
	// wrong are the nodes of cycles, and late those that are made from bases.
	invalid, late map[vertex]bool
	// s is the session of all locals, which share one bound on what they produce.
	s *session
}

// schedule orders the nodes of the reference graph.
func (p *module) schedule() (*schedule, hcl.Diagnostics) {
	g := p.graph()
	order, invalid, diags := g.sort()
	late := map[vertex]bool{}
	for _, n := range order {
		if n.block.Kind != KindBase && slices.ContainsFunc(g.edges[n], func(e edge) bool { return e.to.block.Kind == KindBase || late[e.to] }) {
			late[n] = true
		}
	}
	return &schedule{order: order, invalid: invalid, late: late, s: newSession(p, nil)}, diags
}

// evaluateGraph evaluates variables, locals and for_each expressions in the order of
// the graph: those that bases are found with or, with late set, those that are made
// from bases. What cannot be evaluated is marked as wrong.
func (p *module) evaluateGraph(c *schedule, late bool) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if late { // what the locals of bases made of other bases was not known yet
		clear(c.s.objects)
		clear(c.s.blocks)
		clear(c.s.locals)
	}
	for _, n := range c.order {
		if c.late[n] != late {
			continue
		}
		switch {
		case n.variable != "":
			v := p.variables[n.variable]
			v.invalid = v.invalid || c.invalid[n]
			diags = append(diags, p.evaluateVariable(c.s, v)...)
		case n.local != "":
			l := p.locals[n.local]
			if c.invalid[n] || p.skips(l.expr) {
				l.expr.Invalid = true
				continue
			}
			diags = append(diags, p.evaluateLocal(c.s, l)...)
		case c.invalid[n]:
			p.blocks[n.block].invalid = true
		default:
			diags = append(diags, p.expand(p.blocks[n.block])...)
		}
	}
	return diags
}

func (p *module) evaluateLocal(s *session, l *local) hcl.Diagnostics {
	v, diags := s.local(l.name)
	if diags.HasErrors() {
		l.expr.Invalid = true
		return diags
	}
	l.refs = p.objectReferences(l.expr, nil)
	if len(l.refs) == 0 {
		l.fixed = v
	}
	return diags
}

// outputs evaluates the outputs.
func (s *session) outputs() ([]Output, []dependency, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	var list []Output
	var dependencies []dependency
	for _, name := range keysOf(s.p.outputs) {
		o := s.p.outputs[name]
		a := o.attrs.named("value")
		if a == nil || s.p.skips(a.expr) {
			continue
		}
		d := &decoder{s: s, inst: &instance{block: &block{syntax: &syntax{}}}, in: &env{}}
		d.depend(a.expr, true)
		dependencies = append(dependencies, d.dependencies...)
		v, more := s.expression(a.expr, nil)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		if _, problem := eval.Size(v); problem != "" {
			diags = append(diags, wrongType(a.expr.Range(), "The value of an output", fmt.Errorf("%s", problem)))
			continue
		}
		if eval.IsSensitive(v) && !o.sensitive {
			diags = append(diags, eval.Errorf(a.expr.Range().Ptr(), "Sensitive output", "The value comes from something sensitive. Add sensitive = true to the output, which keeps it from being shown."))
			continue
		}
		if from := eval.InexactText(v); from != "" {
			diags = append(diags, eval.Errorf(a.expr.Range().Ptr(), "Text with combining characters", "The value of the output %s", inexactProblem(from)))
			continue
		}
		list = append(list, o.value(v))
	}
	return list, dependencies, diags
}

func (o *output) value(v cty.Value) Output {
	v, _ = v.UnmarkDeep()
	out := Output{Name: o.name, Description: o.description, Sensitive: o.sensitive, Unknown: !v.IsWhollyKnown()}
	switch {
	case out.Unknown:
	case o.sensitive:
		out.Value = sensitiveJSON(v)
	default:
		out.Value = canonicalJSON(v)
	}
	return out
}
