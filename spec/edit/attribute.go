package edit

import (
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
)

// Pair is an element of a map of strings.
type Pair struct{ Key, Value string }

// SetMap sets elements of a map of strings: it merges them into those that the
// attribute has, whose order stays, or with replace puts them in their place. Where the
// attribute is an expression, merge() puts them over its value. Without pairs, replace
// takes the attribute away.
func (e *Editor) SetMap(a addr.Address, name string, pairs []Pair, replace bool) error {
	d, b, err := e.attribute(a, name)
	if err != nil {
		return err
	}
	items, err := itemsOf(pairs)
	if err != nil {
		return err
	}
	at := b.Body.Attributes[name]
	switch {
	case replace && len(items) == 0:
		return e.Unset(a, name)
	case len(items) == 0:
		return nil
	case at == nil:
		return d.addAttribute(b, name, objectText(items))
	case replace:
		return d.edit(replaced(at.Expr.Range(), indented(objectText(items), d.indent(at.SrcRange.Start.Byte))))
	}
	if object, ok := lastArgument[*hclsyntax.ObjectConsExpr](at.Expr, "merge"); ok {
		return d.mergeItems(object, items)
	}
	r := at.Expr.Range()
	return d.edit(inserted(r.Start.Byte, "merge("), inserted(r.End.Byte, ", "+indented(objectText(items), d.indent(at.SrcRange.Start.Byte))+")"))
}

// lastArgument is an expression that is a literal of type T, or the last argument of a
// call of a function when it is one.
func lastArgument[T hclsyntax.Expression](e hclsyntax.Expression, function string) (T, bool) {
	if call, ok := e.(*hclsyntax.FunctionCallExpr); ok && call.Name == function && len(call.Args) > 1 && !call.ExpandFinal {
		e = call.Args[len(call.Args)-1]
	}
	literal, ok := e.(T)
	return literal, ok
}

// mergeItems puts items into an object that is written out.
func (d *sourceFile) mergeItems(object *hclsyntax.ObjectConsExpr, items []item) error {
	var splices []splice
	var added []string
	for _, it := range items {
		old := -1
		for i, present := range object.Items {
			if v, diags := present.KeyExpr.Value(nil); !diags.HasErrors() {
				if key, ok := eval.KeyOf(v); ok && key == it.name {
					old = i
				}
			}
		}
		if old >= 0 {
			splices = append(splices, replaced(object.Items[old].ValueExpr.Range(), it.value))
			continue
		}
		added = append(added, it.key+" = "+it.value)
	}
	if len(added) == 0 {
		return d.edit(splices...)
	}
	if len(object.Items) == 0 {
		return d.edit(replaced(object.SrcRange, indented(objectText(items), d.indent(object.SrcRange.Start.Byte))))
	}
	last := object.Items[len(object.Items)-1]
	end, closing := last.ValueExpr.Range().End, object.SrcRange.End
	comma := d.next(end.Byte)
	behind := end.Byte
	if comma.Type == hclsyntax.TokenComma {
		behind = comma.Range.End.Byte
	}
	if end.Line == closing.Line {
		text := " " + strings.Join(added, ", ")
		if comma.Type != hclsyntax.TokenComma {
			text = "," + text
		}
		return d.edit(append(splices, inserted(behind, text))...)
	}
	lines, ending := "", "\n"
	if comma.Type == hclsyntax.TokenComma {
		ending = ",\n"
	}
	for _, line := range added {
		lines += d.indent(last.KeyExpr.Range().Start.Byte) + line + ending
	}
	return d.edit(append(splices, inserted(d.lineEnd(behind), lines))...)
}

// AppendText adds strings to a list of strings, without those that it has. Where the
// attribute is an expression, concat() puts them behind its value.
func (e *Editor) AppendText(a addr.Address, name string, texts []string) error {
	_, b, err := e.attribute(a, name)
	if err != nil {
		return err
	}
	var elements []string
	for _, text := range texts {
		quoted, err := quote(text)
		if err != nil {
			return err
		}
		if _, present := elementOf(b.Body.Attributes[name], "concat", text); !present {
			elements = append(elements, quoted)
		}
	}
	return e.appendElements(a, name, elements)
}

// AppendReference adds a reference to an object to a list of objects.
func (e *Editor) AppendReference(a addr.Address, name string, to addr.Address) error {
	return e.appendElements(a, name, []string{to.String()})
}

func (e *Editor) appendElements(a addr.Address, name string, elements []string) error {
	d, b, err := e.attribute(a, name)
	if err != nil || len(elements) == 0 {
		return err
	}
	list := "[" + strings.Join(elements, ", ") + "]"
	at := b.Body.Attributes[name]
	if at == nil {
		return d.addAttribute(b, name, list)
	}
	tuple, ok := lastArgument[*hclsyntax.TupleConsExpr](at.Expr, "concat")
	if !ok {
		r := at.Expr.Range()
		return d.edit(inserted(r.Start.Byte, "concat("), inserted(r.End.Byte, ", "+list+")"))
	}
	if len(tuple.Exprs) == 0 {
		return d.edit(replaced(tuple.SrcRange, list))
	}
	last := tuple.Exprs[len(tuple.Exprs)-1].Range()
	comma := d.next(last.End.Byte)
	separated := comma.Type == hclsyntax.TokenComma
	if last.End.Line == tuple.SrcRange.End.Line {
		if separated {
			return d.edit(inserted(comma.Range.End.Byte, " "+strings.Join(elements, ", ")))
		}
		return d.edit(inserted(last.End.Byte, ", "+strings.Join(elements, ", ")))
	}
	indent := d.indent(last.Start.Byte)
	lines := indent + strings.Join(elements, ",\n"+indent)
	if separated {
		return d.edit(inserted(d.lineEnd(comma.Range.End.Byte), lines+",\n"))
	}
	return d.edit(inserted(last.End.Byte, ","), inserted(d.lineEnd(last.End.Byte), lines+"\n"))
}

// elementOf is the index of a string in a list that is written out.
func elementOf(at *hclsyntax.Attribute, function, text string) (int, bool) {
	if at == nil {
		return 0, false
	}
	tuple, ok := lastArgument[*hclsyntax.TupleConsExpr](at.Expr, function)
	if !ok {
		return 0, false
	}
	for i, element := range tuple.Exprs {
		if v, diags := element.Value(nil); !diags.HasErrors() {
			if s, ok := eval.StringOf(v); ok && s == text {
				return i, true
			}
		}
	}
	return 0, false
}

// RemoveText takes a string out of a list of strings. One that does not stand in the
// text of the list is refused.
func (e *Editor) RemoveText(a addr.Address, name, text string) error {
	d, b, err := e.attribute(a, name)
	if err != nil {
		return err
	}
	at := b.Body.Attributes[name]
	i, ok := elementOf(at, "concat", text)
	switch {
	case at == nil:
		return refuse("layform status shows what is registered", "%s has no %s", a, name)
	case !ok:
		return refuse("it may come from a variable or a function: change "+eval.Place(at.SrcRange)+" by hand", "%s of %s does not spell out %q", name, a, text)
	}
	tuple, _ := lastArgument[*hclsyntax.TupleConsExpr](at.Expr, "concat")
	if len(tuple.Exprs) == 1 && tuple == at.Expr {
		return e.Unset(a, name)
	}
	return d.removeElement(tuple, i)
}

// removeElement takes an element out of a list, with its line where it has one.
func (d *sourceFile) removeElement(tuple *hclsyntax.TupleConsExpr, i int) error {
	element := tuple.Exprs[i].Range()
	before, after := tuple.OpenRange.End, tuple.SrcRange.End
	if i > 0 {
		before = tuple.Exprs[i-1].Range().End
	}
	if i+1 < len(tuple.Exprs) {
		after = tuple.Exprs[i+1].Range().Start
	}
	switch {
	case before.Line < element.Start.Line && element.End.Line < after.Line:
		return d.edit(splice{d.lineStart(element.Start.Byte), d.lineEnd(element.End.Byte), ""})
	case i > 0:
		return d.edit(splice{before.Byte, element.End.Byte, ""})
	case len(tuple.Exprs) > 1:
		return d.edit(splice{element.Start.Byte, after.Byte, ""})
	}
	return d.edit(replaced(tuple.SrcRange, "[]"))
}

// Set sets an attribute to an expression, whatever it was.
func (e *Editor) Set(a addr.Address, name, expression string) error {
	d, b, err := e.attribute(a, name)
	if err != nil {
		return err
	}
	if at := b.Body.Attributes[name]; at != nil {
		return d.edit(replaced(at.Expr.Range(), expression))
	}
	return d.addAttribute(b, name, expression)
}

// Unset takes an attribute away, where it is set.
func (e *Editor) Unset(a addr.Address, name string) error {
	d, b, err := e.attribute(a, name)
	if err != nil {
		return err
	}
	at := b.Body.Attributes[name]
	switch {
	case at == nil:
		return nil
	case b.OpenBraceRange.End.Line == b.CloseBraceRange.Start.Line:
		return d.edit(replaced(at.SrcRange, ""))
	}
	return d.edit(splice{d.lineStart(at.SrcRange.Start.Byte), d.lineEnd(at.SrcRange.End.Byte), ""})
}

// Literal is the string that an attribute spells out; not ok where it is not set, or is
// an expression.
func (e *Editor) Literal(a addr.Address, name string) (text string, set, ok bool) {
	_, b, err := e.find(a)
	if err != nil || b.Body.Attributes[name] == nil {
		return "", false, false
	}
	v, diags := b.Body.Attributes[name].Expr.Value(nil)
	if diags.HasErrors() {
		return "", true, false
	}
	text, ok = eval.StringOf(v)
	return text, true, ok
}

// addAttribute adds an attribute behind those that a block has.
func (d *sourceFile) addAttribute(b *hclsyntax.Block, name, value string) error {
	outer := d.indent(b.TypeRange.Start.Byte)
	indent := outer + "  "
	line := indent + name + " = " + indented(value, indent) + "\n"
	from, to := b.OpenBraceRange.End, b.CloseBraceRange.Start
	if from.Line == to.Line {
		inner := strings.TrimSpace(d.text[from.Byte:to.Byte])
		if inner != "" {
			inner = indent + inner + "\n"
		}
		return d.edit(splice{from.Byte, to.Byte, "\n" + inner + line + outer})
	}
	at := from.Byte
	for _, other := range b.Body.Attributes {
		at = max(at, other.SrcRange.End.Byte)
	}
	if at == from.Byte && len(b.Body.Blocks) > 0 {
		line += "\n"
	}
	return d.edit(inserted(d.lineEnd(at), line))
}

// Element is the object at a place, counted from 0, of a list of references that is
// written out.
func (e *Editor) Element(a addr.Address, name string, i int) (addr.Address, error) {
	_, b, err := e.find(a)
	if err != nil {
		return addr.Address{}, err
	}
	at := b.Body.Attributes[name]
	if at == nil {
		return addr.Address{}, refuse("name the object by its address", "%s has no %s", a, name)
	}
	tuple, ok := at.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		return addr.Address{}, refuse("name the object by its address", "%s of %s is an expression, and its elements cannot be counted", name, a)
	}
	if i < 0 || i >= len(tuple.Exprs) {
		return addr.Address{}, refuse("they are counted from 0", "%s of %s has %d elements, and none at %d", name, a, len(tuple.Exprs), i)
	}
	refs := eval.FindReferences(tuple.Exprs[i])
	if len(refs) > 0 {
		if to, ok := refs[0].Block(); ok {
			return to, nil
		}
	}
	return addr.Address{}, refuse("name the object by its address", "%s[%d] of %s does not name an object", name, i, a)
}
