package spec

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// decoder turns the attributes of one object into Go values. It goes on after a
// mistake, so that all of them are reported.
type decoder struct {
	s      *session
	inst   *instance
	in     *env
	fields []Field
	needs  []need
	diags  hcl.Diagnostics
	// silent suppresses the recording of fields: in nested blocks.
	silent bool
	// tagRange is the place of the tags; emptyImage that of a complaint about
	// missing layers, which is due if the config is that of an image.
	tagRange   hcl.Range
	emptyImage *hcl.Range
}

// need is one object that a value is made from.
type need struct {
	addr Address
	attr string // what of it: "" for the object itself
	rng  hcl.Range
}

// got is an attribute's value. The zero value stands for one that is not set.
type got struct {
	name  string
	rng   hcl.Range
	value cty.Value // converted and without marks
	// set tells that the attribute has a value that is not null; ok that this
	// value is known and right.
	set, ok   bool
	sensitive bool
	// reported is set when what keeps the value from being ok is a mistake that
	// was reported.
	reported bool
}

// err adds an error at a place.
func (d *decoder) err(rng hcl.Range, format string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: "Invalid " + string(d.inst.addr.Kind), Subject: &rng, Detail: fmt.Sprintf(format, args...),
	})
}

// lacks adds an error about something that a block does not have, unless what it
// has could not be understood.
func (d *decoder) lacks(incomplete bool, rng hcl.Range, format string, args ...any) {
	if !incomplete {
		d.err(rng, format, args...)
	}
}

// quote writes a value into a message, unless it is sensitive.
func (g got) quote(s string) string {
	if g.sensitive {
		return "(sensitive)"
	}
	return strconv.Quote(s)
}

// raw evaluates an attribute without converting it.
func (d *decoder) raw(attrs map[string]*attribute, name string) got {
	a, ok := attrs[name]
	if !ok {
		return got{name: name}
	}
	g := got{name: name, rng: a.expr.rng(), set: true}
	if d.s.p.skips(a.expr) || d.inst.block.wrong {
		g.reported = true
		return g
	}
	v, diags := d.s.expression(a.expr, d.in)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() {
		g.reported = true
		return g
	}
	if v.IsNull() {
		return got{name: name}
	}
	if cost, problem := valueSize(v); problem != "" {
		d.err(g.rng, "%s: %s", name, problem)
		g.reported = true
		return g
	} else if !d.s.meter.charge(cost, g.rng) {
		d.diags = append(d.diags, d.s.meter.problem())
		g.reported = true
		return g
	}
	g.value = v
	return g
}

// get evaluates an attribute and converts it.
func (d *decoder) get(attrs map[string]*attribute, name string, t cty.Type) got {
	g := d.raw(attrs, name)
	if !g.set || g.reported {
		return g
	}
	d.need(attrs[name].expr, true)
	return d.settle(g, t)
}

// settle converts a value that was evaluated and records it as a field.
func (d *decoder) settle(g got, t cty.Type) got {
	g.sensitive = isSensitive(g.value)
	v, err := convert.Convert(dropNulls(g.value, t), t)
	if err != nil {
		d.err(g.rng, "%s is not right: %s.", g.name, problemText(err, g.sensitive))
		g.reported = true
		return g
	}
	if t.IsListType() && hasNull(v) {
		d.err(g.rng, "%s contains null.", g.name)
		g.reported = true
		return g
	}
	g.value, _ = v.UnmarkDeep()
	if !d.silent && !isEmpty(g.value) {
		d.fields = appendFields(d.fields, g.name, v)
	}
	g.ok = g.value.IsWhollyKnown()
	return g
}

// isEmpty reports whether a value is a list or map without elements, which comes
// to the same as no value.
func isEmpty(v cty.Value) bool {
	t := v.Type()
	return v.IsKnown() && (t.IsCollectionType() || t.IsTupleType() || t.IsObjectType()) && v.LengthInt() == 0
}

// dropNulls leaves out the null members of what becomes a map: null is not set.
func dropNulls(v cty.Value, t cty.Type) cty.Value {
	plain, marks := v.Unmark()
	if !t.IsMapType() || plain.IsNull() || !plain.IsKnown() || !plain.Type().IsObjectType() && !plain.Type().IsMapType() {
		return v
	}
	members := map[string]cty.Value{}
	for it := plain.ElementIterator(); it.Next(); {
		if k, element := it.Element(); !element.IsNull() {
			members[k.AsString()] = element
		}
	}
	return cty.ObjectVal(members).WithMarks(marks)
}

func hasNull(v cty.Value) bool {
	v, _ = v.Unmark()
	if !v.IsKnown() {
		return false
	}
	for it := v.ElementIterator(); it.Next(); {
		if _, element := it.Element(); element.IsNull() {
			return true
		}
	}
	return false
}

// mustKnow reports a value that depends on an object that is not built yet,
// where the plan cannot do without it.
func (d *decoder) mustKnow(g got) bool {
	if g.set && !g.ok && !g.reported {
		d.err(g.rng, "%s must be known when the plan is made; it depends on something that is known after apply.", g.name)
	}
	return g.ok
}

// text is a string attribute, "" when it is not set or not known.
func (d *decoder) text(attrs map[string]*attribute, name string) (string, got) {
	g := d.get(attrs, name, cty.String)
	if !g.ok {
		return "", g
	}
	return g.value.AsString(), g
}

// knownText is text for an attribute that has to be known at plan time.
func (d *decoder) knownText(attrs map[string]*attribute, name string) (string, got) {
	s, g := d.text(attrs, name)
	d.mustKnow(g)
	return s, g
}

// texts is a list of strings.
func (d *decoder) texts(attrs map[string]*attribute, name string) ([]string, got) {
	g := d.get(attrs, name, cty.List(cty.String))
	if !g.ok {
		return nil, g
	}
	list := make([]string, 0, g.value.LengthInt())
	for it := g.value.ElementIterator(); it.Next(); {
		_, v := it.Element()
		list = append(list, v.AsString())
	}
	return list, g
}

// textMap is a map of strings.
func (d *decoder) textMap(attrs map[string]*attribute, name string) (map[string]string, got) {
	g := d.get(attrs, name, cty.Map(cty.String))
	if !g.ok || g.value.LengthInt() == 0 {
		return nil, g
	}
	m := map[string]string{}
	for it := g.value.ElementIterator(); it.Next(); {
		k, v := it.Element()
		m[k.AsString()] = v.AsString()
	}
	return m, g
}

// annotations is a map of strings whose keys are not empty.
func (d *decoder) annotations(attrs map[string]*attribute, name string) map[string]string {
	m, g := d.textMap(attrs, name)
	if _, ok := m[""]; ok {
		d.err(g.rng, "%s has an empty key.", name)
	}
	return m
}

// flag is a bool attribute.
func (d *decoder) flag(attrs map[string]*attribute, name string) bool {
	g := d.get(attrs, name, cty.Bool)
	return g.ok && g.value.True()
}

// whole is a whole number within bounds, nil when it is not set or not right.
func (d *decoder) whole(attrs map[string]*attribute, name string, least, most int64) *int {
	g := d.get(attrs, name, cty.Number)
	if !d.mustKnow(g) {
		return nil
	}
	f := g.value.AsBigFloat()
	n, accuracy := f.Int64()
	if !f.IsInt() || accuracy != 0 || n < least || n > most {
		d.err(g.rng, "%s must be a whole number from %d to %d.", name, least, most)
		return nil
	}
	small := int(n)
	return &small
}

// moment is a time: RFC 3339 text or, when seconds is set, whole seconds since 1970.
// Fractions of seconds are dropped.
func (d *decoder) moment(attrs map[string]*attribute, name string, seconds bool) (*time.Time, got) {
	g := d.get(attrs, name, cty.String)
	if !g.ok {
		return nil, g
	}
	s := g.value.AsString()
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && seconds {
		if n < 0 || n > maxSeconds {
			d.err(g.rng, "%s is out of range: seconds since 1970 up to the year 9999.", name)
			return nil, g
		}
		t := time.Unix(n, 0).UTC()
		return &t, g
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || seconds && t.Unix() < 0 {
		also := ""
		if seconds {
			also = " or whole seconds since 1970"
		}
		d.err(g.rng, "%s is %s, but must be an RFC 3339 time such as \"2026-01-31T12:00:00Z\"%s.", name, g.quote(s), also)
		return nil, g
	}
	t = t.UTC().Truncate(time.Second)
	return &t, g
}

// maxSeconds is the last second of the year 9999.
const maxSeconds = 253402300799

var mediaTypePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$`)

// typeName is an attribute that holds a media type.
func (d *decoder) typeName(attrs map[string]*attribute, name string) (string, got) {
	s, g := d.text(attrs, name)
	if g.ok && !mediaTypePattern.MatchString(s) {
		d.err(g.rng, "%s is %s, which is not a media type: two names of letters, digits and !#$&^_.+- with a slash between (RFC 6838).", name, g.quote(s))
	}
	return s, g
}

// need notes what an expression is made from. Whole objects count only when
// whole is set: where the value tells which objects are meant, it is asked.
func (d *decoder) need(e *expression, whole bool) {
	for _, r := range d.s.p.objectReferences(e, d.inst.block) {
		addr, ok := r.block()
		if !ok {
			continue
		}
		b := d.s.p.blocks[addr]
		attr, _ := r.attribute(b.forEach != nil)
		if attr == attrAddress || attr == "" && !whole {
			continue
		}
		key, isKey := d.s.key(r, d.in)
		for _, k := range b.keys {
			if !isKey || k == key {
				d.needs = append(d.needs, need{Address{Kind: addr.Kind, Name: addr.Name, Key: k, Keyed: true}, attr, r.rng()})
			}
		}
		if b.forEach == nil {
			d.needs = append(d.needs, need{addr, attr, r.rng()})
		}
	}
}

// objectReferences lists the references to objects that an expression makes,
// itself, through locals, or through for_each of the block that it stands in.
func (p *program) objectReferences(e *expression, b *block) []reference {
	var refs []reference
	for _, r := range e.refs {
		name, _, _ := r.name()
		switch {
		case r.root() == rootLocal && p.locals[name] != nil:
			refs = append(refs, p.locals[name].refs...)
		case r.root() == rootEach && name == "value" && b != nil && b.forEach != nil:
			refs = append(refs, p.objectReferences(b.forEach, nil)...)
		default:
			if addr, ok := r.block(); ok && p.blocks[addr] != nil {
				refs = append(refs, r)
			}
		}
	}
	return refs
}

// refs sorts the needs into a set of addresses.
func (d *decoder) refs() []Address {
	var refs []Address
	for _, n := range d.needs {
		refs = append(refs, n.addr)
	}
	slices.SortFunc(refs, compareAddresses)
	return slices.Compact(refs)
}

// compareAddresses orders addresses by kind, name and key.
func compareAddresses(a, b Address) int {
	return cmp.Or(
		cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
		strings.Compare(a.Name, b.Name),
		cmp.Compare(boolInt(a.Keyed), boolInt(b.Keyed)),
		strings.Compare(a.Key, b.Key),
	)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// objectRef is the address that a reference evaluates to.
func objectRef(v cty.Value) (Address, bool) {
	v, _ = v.Unmark()
	if v.IsNull() || !v.IsKnown() || !v.Type().IsObjectType() || !v.Type().HasAttribute(attrAddress) {
		return Address{}, false
	}
	text, ok := textOf(v.GetAttr(attrAddress))
	if !ok {
		return Address{}, false
	}
	addr, err := ParseAddress(text)
	return addr, err == nil
}

// object decodes an attribute that names one object of certain kinds.
func (d *decoder) object(attrs map[string]*attribute, name string, allowed ...Kind) (*Address, got) {
	g := d.raw(attrs, name)
	if !g.set || g.reported {
		return nil, g
	}
	e := attrs[name].expr
	if !g.value.IsKnown() || g.value.Type() == cty.DynamicPseudoType {
		d.need(e, true)
		d.fields = append(d.fields, Field{Path: name, Unknown: true})
		return nil, g
	}
	d.need(e, false)
	addr, ok := d.member(g, g.value, name, e, allowed)
	if !ok {
		return nil, g
	}
	return &addr, g
}

// objects decodes an attribute that lists objects of certain kinds.
func (d *decoder) objects(attrs map[string]*attribute, name string, allowed ...Kind) ([]Address, got) {
	g := d.raw(attrs, name)
	if !g.set || g.reported {
		return nil, g
	}
	e := attrs[name].expr
	list, _ := g.value.Unmark()
	if t := list.Type(); !list.IsKnown() || t == cty.DynamicPseudoType {
		d.need(e, true)
		d.fields = append(d.fields, Field{Path: name, Unknown: true})
		return nil, g
	} else if !t.IsTupleType() && !t.IsListType() {
		d.err(g.rng, "%s must be a list in square brackets, of references to a %s each.%s", name, kindList(allowed), listHint(list, name))
		g.reported = true
		return nil, g
	}
	d.need(e, false)
	g.ok = true
	var addrs []Address
	i := 0
	for it := list.ElementIterator(); it.Next(); i++ {
		_, element := it.Element()
		path := fmt.Sprintf("%s[%d]", name, i)
		if !element.IsKnown() {
			d.need(e, true)
			d.fields = append(d.fields, Field{Path: path, Unknown: true})
			g.ok = false
			continue
		}
		addr, ok := d.member(g, element, path, e, allowed)
		if !ok {
			g.reported = true
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

// member decodes one reference.
func (d *decoder) member(g got, v cty.Value, path string, e *expression, allowed []Kind) (Address, bool) {
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
	named := slices.ContainsFunc(d.s.p.objectReferences(e, d.inst.block), func(r reference) bool {
		a, _ := r.block()
		return a == addr.Block()
	})
	if !named || d.s.p.instances[addr] == nil {
		d.err(g.rng, "%s must refer to an object by its name, such as %s.NAME.", path, allowed[0])
		return addr, false
	}
	if !slices.Contains(allowed, addr.Kind) {
		d.err(g.rng, "%s is %s, but must be a %s.", path, addr, kindList(allowed))
		return addr, false
	}
	d.needs = append(d.needs, need{addr: addr, rng: g.rng})
	d.fields = append(d.fields, Field{Path: path, Value: jsonText(addr.String())})
	return addr, true
}

// kindList writes kinds as "manifest or index".
func kindList(allowed []Kind) string {
	names := make([]string, len(allowed))
	for i, k := range allowed {
		names[i] = string(k)
	}
	return strings.Join(names, " or ")
}
