package spec

import (
	"fmt"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/schema"
)

// decoder turns the attributes of one object into Go values. It goes on after a
// mistake, so that all of them are reported.
type decoder struct {
	s            *session
	inst         *instance
	in           *env
	fields       []Field
	dependencies []dependency
	diags        hcl.Diagnostics
	// silent suppresses the recording of fields: in nested blocks.
	silent bool
	// inTree is set within the blocks that a layer's tar is made of.
	inTree bool
	// tagRange is the place of the tags; emptyImage that of a complaint about
	// missing layers, which is due if the config is that of an image.
	tagRange   hcl.Range
	emptyImage *hcl.Range
	// noPlatform is that of evaluated.
	noPlatform *hcl.Range
}

// dependency is one object that a value is made from.
type dependency struct {
	addr Address
	attr string // what of it: "" for the object itself
	rng  hcl.Range
}

// attrValue is an attribute's value. The zero value stands for one that is not set.
type attrValue struct {
	// schema describes the attribute; nil for one that is not set.
	schema *schema.Attribute
	name   string
	rng    hcl.Range
	value  cty.Value // converted and without marks
	// set is true if the attribute has a value that is not null; ok if this value is
	// known and right.
	set, ok   bool
	sensitive bool
	// reported is set when what keeps the value from being ok is a mistake that
	// was reported.
	reported bool
}

// err adds an error at a place.
func (d *decoder) err(rng hcl.Range, format string, args ...any) {
	d.diags = append(d.diags, eval.Errorf(&rng, "Invalid "+string(d.inst.addr.Kind), format, args...))
}

func (d *decoder) warn(rng hcl.Range, summary, format string, args ...any) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: summary, Subject: &rng, Detail: fmt.Sprintf(format, args...)})
}

// reportMissing adds an error about something that a block does not have, unless what it
// has could not be understood.
func (d *decoder) reportMissing(incomplete bool, rng hcl.Range, format string, args ...any) {
	if !incomplete {
		d.err(rng, format, args...)
	}
}

// quote writes a value into a message, unless it is sensitive.
func (g attrValue) quote(s string) string {
	if g.sensitive {
		return "(sensitive)"
	}
	return eval.Quote(s)
}

// raw evaluates an attribute without converting it.
func (d *decoder) raw(attrs attributes, name string) attrValue {
	a := attrs.named(name)
	if a == nil {
		return attrValue{name: name}
	}
	g := attrValue{schema: a.schema, name: name, rng: a.expr.Range(), set: true}
	if d.s.p.skips(a.expr) || d.inst.block.invalid {
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
		return attrValue{name: name}
	}
	cost, problem := eval.Size(v)
	if problem != "" {
		d.err(g.rng, "%s: %s", name, problem)
		g.reported = true
		return g
	}
	if limit := d.s.evaluation.Charge(cost, g.rng); limit != nil {
		d.diags = append(d.diags, limit)
		g.reported = true
		return g
	}
	g.value, g.sensitive = v, eval.IsSensitive(v)
	return g
}

// get evaluates an attribute and converts it to the type that the schema has.
func (d *decoder) get(attrs attributes, name string) attrValue {
	g := d.raw(attrs, name)
	if !g.set || g.reported {
		return g
	}
	d.depend(attrs.named(name).expr, true)
	return d.convert(g, g.schema.Converted())
}

// convert converts a value that was evaluated and records it as a field.
func (d *decoder) convert(g attrValue, t cty.Type) attrValue {
	g.sensitive = eval.IsSensitive(g.value)
	v, err := eval.Convert(dropNulls(g.value, t), t)
	if err != nil {
		d.err(g.rng, "%s is not right: %s. %s", g.name, problemText(err, g.sensitive), g.schema.Expected())
		g.reported = true
		return g
	}
	if t.IsListType() && eval.HasNull(v) {
		d.err(g.rng, "%s contains null.", g.name)
		g.reported = true
		return g
	}
	if from := eval.InexactText(g.value); from != "" {
		d.err(g.rng, "%s %s", g.name, inexactProblem(from))
		g.reported = true
		return g
	}
	g.value, _ = v.UnmarkDeep()
	if !d.silent && !isEmpty(g.value) {
		d.fields = appendFields(d.fields, g.name, v)
	}
	if d.inTree && g.sensitive && g.name != "content" {
		return d.refuseSensitive(g)
	}
	g.ok = g.value.IsWhollyKnown()
	return g
}

// inexactProblem says why text of a base is not taken over.
func inexactProblem(from string) string {
	return "has text of " + from + " with a letter and its accent as two characters. A string would make one of them, which are other bytes: " +
		"write the text itself. What a config inherits keeps its bytes."
}

// refuseSensitive reports a sensitive value where it would be shown: addresses, paths,
// media types and platforms are part of plans and descriptors.
func (d *decoder) refuseSensitive(g attrValue) attrValue {
	d.err(g.rng, "%s is sensitive, but plans and layouts show it to everybody.", g.name)
	g.ok, g.reported = false, true
	return g
}

// publicText is text that may not be sensitive.
func (d *decoder) publicText(attrs attributes, name string) (string, attrValue) {
	s, g := d.text(attrs, name)
	if g.ok && g.sensitive {
		return "", d.refuseSensitive(g)
	}
	return s, g
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
	if plain.Type().IsMapType() && len(members) > 0 {
		return cty.MapVal(members).WithMarks(marks)
	}
	return cty.ObjectVal(members).WithMarks(marks)
}

// mustKnow reports a value that depends on an object that is not built yet,
// where the plan cannot do without it.
func (d *decoder) mustKnow(g attrValue) bool {
	if g.set && !g.ok && !g.reported {
		d.err(g.rng, "%s must be known when the plan is made; it depends on something that is known after apply.", g.name)
	}
	return g.ok
}

// text is a string attribute, "" when it is not set or not known.
func (d *decoder) text(attrs attributes, name string) (string, attrValue) {
	g := d.get(attrs, name)
	if !g.ok {
		return "", g
	}
	return g.value.AsString(), g
}

// plannedText is text for an attribute that has to be known at plan time.
func (d *decoder) plannedText(attrs attributes, name string) (string, attrValue) {
	s, g := d.text(attrs, name)
	d.mustKnow(g)
	return s, g
}

// stringList is a list of strings.
func (d *decoder) stringList(attrs attributes, name string) ([]string, attrValue) {
	g := d.get(attrs, name)
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
func (d *decoder) textMap(attrs attributes, name string) (map[string]string, attrValue) {
	g := d.get(attrs, name)
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

// annotations is a map of annotations or labels, as layouts hold them: a date
// becomes an RFC 3339 time. Elements that are known are checked even where others
// are known after apply.
func (d *decoder) annotations(attrs attributes, name string) map[string]string {
	start := len(d.fields)
	g := d.get(attrs, name)
	if !g.set || g.reported || !g.value.IsKnown() || g.value.LengthInt() == 0 {
		return nil
	}
	m := map[string]string{}
	size := 0
	for it := g.value.ElementIterator(); it.Next(); {
		k, v := it.Element()
		if !v.IsKnown() {
			continue
		}
		key, text := k.AsString(), v.AsString()
		size += len(key) + len(text)
		if key == "" {
			d.err(g.rng, "%s has an empty key.", name)
			continue
		}
		written, err := imagespec.WriteAnnotation(key, text)
		if err != nil {
			d.err(g.rng, "%s[%q] is %s, which %s.", name, key, g.quote(text), err)
			continue
		}
		if m[key] = written; written != text {
			d.rewriteField(start, name+indexText(k), written)
		}
	}
	if size > imagespec.MaxAnnotations {
		d.err(g.rng, "%s holds %d bytes of keys and values, and the limit is %d.", name, size, imagespec.MaxAnnotations)
		return nil
	}
	if !g.ok {
		return nil
	}
	return m
}

// rewriteField records another value for a field that was recorded since start.
func (d *decoder) rewriteField(start int, path, value string) {
	for i := start; i < len(d.fields); i++ {
		if f := &d.fields[i]; f.Path == path && !f.Sensitive {
			f.Value = JSON(jsonText(value))
		}
	}
}

// flag is a bool attribute.
func (d *decoder) flag(attrs attributes, name string) bool {
	g := d.get(attrs, name)
	return g.ok && g.value.True()
}

// integer is a whole number within bounds, nil when it is not set or not right.
func (d *decoder) integer(attrs attributes, name string, least, most int64) *int {
	g := d.get(attrs, name)
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

// timestamp is a time: RFC 3339 text, a date or, when seconds is set, whole seconds since 1970.
// Fractions of seconds are dropped.
func (d *decoder) timestamp(attrs attributes, name string, seconds bool) (*time.Time, attrValue) {
	g := d.get(attrs, name)
	if !g.ok {
		return nil, g
	}
	return d.moment(g, seconds), g
}

// moment reads the text of a timestamp; nil where it is not right.
func (d *decoder) moment(g attrValue, seconds bool) *time.Time {
	s := g.value.AsString()
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && seconds {
		if n < 0 || n > imagespec.MaxSeconds {
			d.err(g.rng, "%s is out of range: seconds since 1970 up to the year 9999.", g.name)
			return nil
		}
		t := time.Unix(n, 0).UTC()
		return &t
	}
	t, err := imagespec.ParseMoment(s)
	if err != nil || seconds && t.Unix() < 0 {
		also := ""
		if seconds {
			also = ", or whole seconds since 1970"
		}
		d.err(g.rng, "%s is %s, but must be an RFC 3339 time such as \"2026-01-31T12:00:00Z\", or a date such as \"2026-01-31\", which is midnight UTC%s.", g.name, g.quote(s), also)
		return nil
	}
	t = t.UTC().Truncate(time.Second)
	return &t
}

// typeName is an attribute that holds a media type.
func (d *decoder) typeName(attrs attributes, name string) (string, attrValue) {
	s, g := d.publicText(attrs, name)
	if g.ok && !imagespec.IsMediaType(s) {
		d.err(g.rng, "%s is %s, which is not a media type: two names of letters, digits and !#$&^_.+- with a slash between (RFC 6838).", name, g.quote(s))
	}
	return s, g
}
