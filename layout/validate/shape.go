package validate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// shape describes a JSON value of a document, as far as Go's types do not: they
// take a member that is missing or null for an empty one. The image spec's JSON
// schemas tell them apart.
type shape struct {
	// members are the known members of an object; nil for a map.
	members map[string]*shape
	// each is the shape of every element of an array or map.
	each *shape
	// required members are there and not null; nullable ones may be null, and
	// all others may be left out.
	required []string
	nullable bool
	// empty is the rule that an empty string breaks, "" for none.
	empty Rule
}

var (
	anyValue     = &shape{}
	textList     = &shape{each: anyValue}
	textMap      = &shape{each: anyValue}
	nullableList = &shape{each: anyValue, nullable: true}
	nullableMap  = &shape{each: anyValue, nullable: true}
	typeName     = &shape{empty: RuleArtifactType}

	platformShape = &shape{required: []string{"architecture", "os"}, members: map[string]*shape{
		"architecture": {empty: RulePlatformIncomplete}, "os": {empty: RulePlatformIncomplete},
		"os.version": anyValue, "os.features": textList, "variant": anyValue,
	}}
	// A descriptor without mediaType or digest breaks the rules of these.
	descriptorShape = &shape{required: []string{"size"}, members: map[string]*shape{
		"size": anyValue, "urls": textList, "data": anyValue, "artifactType": typeName, "annotations": textMap, "platform": platformShape,
	}}
	descriptorList = &shape{each: descriptorShape, nullable: true} // config, layers and manifests have rules of their own
	documentShape  = &shape{members: map[string]*shape{
		"mediaType": anyValue, "artifactType": typeName, "annotations": textMap, "subject": descriptorShape,
		"config": {members: descriptorShape.members, required: descriptorShape.required, nullable: true},
		"layers": descriptorList, "manifests": descriptorList, "blobs": descriptorList,
	}}
	configShape = &shape{required: []string{"architecture", "os", "rootfs"}, members: map[string]*shape{
		"architecture": {empty: RuleConfigPlatform}, "os": {empty: RuleConfigPlatform},
		"created": anyValue, "author": anyValue, "variant": anyValue, "os.version": anyValue, "os.features": textList,
		"rootfs": {required: []string{"diff_ids"}, members: map[string]*shape{"diff_ids": textList}},
		"config": {members: map[string]*shape{
			"User": anyValue, "ExposedPorts": textMap, "Env": textList, "Entrypoint": nullableList, "Cmd": nullableList, "Volumes": nullableMap,
			"WorkingDir": anyValue, "Labels": nullableMap, "StopSignal": anyValue, "ArgsEscaped": anyValue,
		}},
		"history": {each: &shape{members: map[string]*shape{
			"created": anyValue, "author": anyValue, "created_by": anyValue, "comment": anyValue, "empty_layer": anyValue,
		}}},
	}}
)

// shape compares a document, which was decoded before, with its shape.
func (a *validator) shape(object string, data []byte, s *shape) {
	w := &shapeWalk{dec: jsontext.NewDecoder(bytes.NewReader(data)), breach: func(rule Rule, place, problem string) { a.breach(rule, object, place, problem) }}
	if err := w.value(s); err != nil && !errors.Is(err, io.EOF) {
		a.breach(RuleDocumentUnreadable, object, "", err.Error())
	}
}

// shapeWalk reads a document once.
type shapeWalk struct {
	dec    *jsontext.Decoder
	breach func(rule Rule, place, problem string)
	// path is the way to the value, in pieces.
	path []string
}

func (w *shapeWalk) place() string { return strings.TrimPrefix(strings.Join(w.path, ""), ".") }

// value reads the next value.
func (w *shapeWalk) value(s *shape) error {
	if s == nil {
		return w.dec.SkipValue()
	}
	switch w.dec.PeekKind() {
	case '{':
		return w.object(s)
	case '[':
		return w.array(s)
	case '"':
		token, err := w.dec.ReadToken()
		if err == nil && s.empty != "" && token.String() == "" {
			w.breach(s.empty, w.place(), "it is empty")
		}
		return err
	}
	return w.dec.SkipValue()
}

func (w *shapeWalk) object(s *shape) error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	absent := map[string]bool{}
	for _, name := range s.required {
		absent[name] = true
	}
	for w.dec.PeekKind() == '"' {
		token, err := w.dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		member := s.each
		if s.members != nil {
			member = s.members[name]
		}
		w.path = append(w.path, "."+name)
		if member != nil && w.dec.PeekKind() == 'n' {
			w.null(s, name, absent[name], member.nullable)
		}
		delete(absent, name)
		if err := w.value(member); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	for _, name := range s.required {
		if absent[name] {
			w.breach(RuleMemberMissing, w.place(), fmt.Sprintf("it has no member %q", name))
		}
	}
	_, err := w.dec.ReadToken()
	return err
}

func (w *shapeWalk) array(s *shape) error {
	if _, err := w.dec.ReadToken(); err != nil {
		return err
	}
	for i := 0; w.dec.PeekKind() != ']'; i++ {
		w.path = append(w.path, fmt.Sprintf("[%d]", i))
		if s.each != nil && w.dec.PeekKind() == 'n' {
			w.breach(RuleElementNull, w.place(), "it is null")
		}
		if err := w.value(s.each); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	_, err := w.dec.ReadToken()
	return err
}

// null reports a null in an object or map of shape s.
func (w *shapeWalk) null(s *shape, name string, required, nullable bool) {
	switch {
	case required:
		w.breach(RuleMemberMissing, w.place(), fmt.Sprintf("its member %q is null", name))
	case s.members == nil:
		w.breach(RuleElementNull, w.place(), "it is null")
	case !nullable:
		w.breach(RuleOptionalNull, w.place(), "it is null")
	}
}
