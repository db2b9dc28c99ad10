package jsondoc

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// tracker follows the target's type along the tokens of a document, to know
// which member names have a meaning in each object.
type tracker struct {
	objects []object
	// held is about the memory in bytes that the elements of arrays and maps
	// will take in the target, beside what they are written with.
	held int64
	// elements counts the elements of arrays that are kept.
	elements int
	// members are those of the struct types that were met so far.
	members map[reflect.Type]map[string]member
}

// maxMembers is the number of members that one object may have: to refuse
// duplicates, all their names are kept until it ends.
const maxMembers = 100_000

// memberCost is the memory of a map's member in bytes, without key and value.
const memberCost = 48

// hold adds the memory of a value that is read into the element of o.
func (t *tracker) hold(o *object, null bool) {
	if o.element == nil {
		return // it is not kept
	}
	if o.isArray {
		t.elements++
	}
	if o.isArray || o.isMap { // a member of a struct is a part of the struct
		t.held += int64(o.element.Size())
	}
	if o.element.Kind() == reflect.Pointer && !null {
		t.held += int64(o.element.Elem().Size())
	}
}

// object is an object or array that is open.
type object struct {
	// members maps the folded names of a struct's members to the members; nil
	// for maps, arrays and values that are not interpreted.
	members map[string]member
	// seen holds the folded names read so far, with their spelling.
	seen map[string]string
	// element is the type of the value that comes next, nil when unknown.
	element reflect.Type
	isArray bool
	isMap   bool
}

// member is one member of a struct.
type member struct {
	name string
	typ  reflect.Type
}

// token takes the next token; count is the number of tokens in the innermost
// open object or array, the new one included. It returns what is wrong, or "".
func (t *tracker) token(tok jsontext.Token, count int64) string {
	top := &t.objects[len(t.objects)-1]
	kind := tok.Kind()
	// In an object, odd tokens are names.
	named := kind == '"' && len(t.objects) > 1 && !top.isArray && count%2 == 1
	switch {
	case named && count/2 >= maxMembers:
		return fmt.Sprintf("the object has more than %d members", maxMembers)
	case kind == '}' || kind == ']':
	case named && top.isMap:
		t.held += memberCost
	case !named:
		t.hold(top, kind == 'n')
	}
	switch kind {
	case '{':
		t.objects = append(t.objects, t.open(top.element))
	case '[':
		o := object{isArray: true}
		if typ := deref(top.element); typ != nil && (typ.Kind() == reflect.Slice || typ.Kind() == reflect.Array) {
			o.element = typ.Elem()
		}
		t.objects = append(t.objects, o)
	case '}', ']':
		t.objects = t.objects[:len(t.objects)-1]
	case '"':
		if named {
			return top.name(tok.String())
		}
	}
	return ""
}

// name takes a member name. Only objects with members of fixed meaning are
// checked: in a map such as annotations, names are data.
func (o *object) name(name string) string {
	if o.members == nil {
		if !o.isMap {
			o.element = nil
		}
		return ""
	}
	folded := fold(name)
	if other, ok := o.seen[folded]; ok {
		return fmt.Sprintf("the names %q and %q differ in case alone", other, name)
	}
	o.seen[folded] = name
	m, ok := o.members[folded]
	if ok && m.name != name {
		return fmt.Sprintf("the name %q must be written %q", name, m.name)
	}
	o.element = m.typ
	return ""
}

// open describes an object that is read into typ, which may be nil.
func (t *tracker) open(typ reflect.Type) object {
	typ = deref(typ)
	if typ == nil {
		return object{}
	}
	switch typ.Kind() {
	case reflect.Map:
		return object{isMap: true, element: typ.Elem()}
	case reflect.Struct:
		if t.members == nil {
			t.members = map[reflect.Type]map[string]member{}
		}
		if t.members[typ] == nil {
			t.members[typ] = map[string]member{}
			collect(typ, t.members[typ])
		}
		return object{members: t.members[typ], seen: map[string]string{}}
	}
	return object{}
}

// deref follows pointers and gives nil for types that read themselves.
func deref(typ reflect.Type) reflect.Type {
	for typ != nil {
		if readsItself(typ) {
			return nil
		}
		if typ.Kind() != reflect.Pointer {
			return typ
		}
		typ = typ.Elem()
	}
	return nil
}

func readsItself(typ reflect.Type) bool {
	p := reflect.PointerTo(typ)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) ||
		p.Implements(reflect.TypeFor[json.UnmarshalerFrom]()) ||
		p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// collect adds the JSON members of the struct typ, embedded ones included.
func collect(typ reflect.Type, members map[string]member) {
	for f := range fields(typ) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Tag.Get("json") == "-" || !f.IsExported() && !f.Anonymous:
			continue
		case tag == "" && f.Anonymous:
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				collect(inner, members)
			}
			continue
		case tag == "":
			tag = f.Name
		}
		members[fold(tag)] = member{name: tag, typ: f.Type}
	}
}

// fields lists the fields of a struct.
func fields(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

// fold maps names that strings.EqualFold holds equal to one name.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}
