package image

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// SameMeaning compares two documents of one media type by what they say. Not counted
// are the order of members, white space, members that are null, optional members that
// are empty, the time zone and the fractions of seconds of times, a mediaType that is
// left out, content that descriptors repeat in data, and what descriptors repeat
// of the document that they lead to: the artifactType, and all that an entry says of a subject. difference is the first place,
// in the order of names, at which they differ: empty where they mean the same.
func SameMeaning(mediaType string, a, b []byte) (difference string, err error) {
	x, err := meaningOf(mediaType, a)
	if err != nil {
		return "", err
	}
	y, err := meaningOf(mediaType, b)
	if err != nil {
		return "", err
	}
	return firstDifference("", x, y), nil
}

// meaningOf reads a document and takes away what is not counted.
func meaningOf(mediaType string, data []byte) (any, error) {
	if !imagespec.IsManifest(mediaType) && mediaType != ocispec.MediaTypeImageConfig {
		return string(data), nil
	}
	var strict map[string]any
	if err := jsondoc.Decode(data, jsondoc.Limits{Bytes: imagespec.MaxDocument}, &strict); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var doc map[string]any
	if err := dec.Decode(&doc); err != nil {
		return nil, err
	}
	if doc == nil {
		return nil, errors.New("it is null, and not a document")
	}
	dropNulls(doc)
	if mediaType == ocispec.MediaTypeImageConfig {
		plainConfig(doc)
		return doc, nil
	}
	if doc["mediaType"] == nil {
		doc["mediaType"] = mediaType
	}
	dropEmpty(doc, "annotations", "artifactType")
	for _, name := range []string{"config", "subject"} {
		plainDescriptor(doc[name])
	}
	if subject, ok := doc["subject"].(map[string]any); ok {
		for _, name := range []string{"annotations", "artifactType", "platform"} {
			delete(subject, name)
		}
	}
	for _, name := range []string{"layers", "manifests"} {
		list, _ := doc[name].([]any)
		for _, v := range list {
			plainDescriptor(v)
			if d, ok := v.(map[string]any); ok && name == "manifests" {
				delete(d, "artifactType")
			}
		}
	}
	return doc, nil
}

// dropNulls takes away the members of objects that are null, at any depth.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, member any) bool { return member == nil })
		for _, member := range v {
			dropNulls(member)
		}
	case []any:
		for _, element := range v {
			dropNulls(element)
		}
	}
}

// dropEmpty takes away members of an object that say nothing.
func dropEmpty(object map[string]any, names ...string) {
	for _, name := range names {
		switch v := object[name].(type) {
		case string:
			if v != "" {
				continue
			}
		case bool:
			if v {
				continue
			}
		case []any:
			if len(v) > 0 {
				continue
			}
		case map[string]any:
			if len(v) > 0 {
				continue
			}
		default:
			continue
		}
		delete(object, name)
	}
}

// plainDescriptor takes away what a descriptor need not say.
func plainDescriptor(v any) {
	d, ok := v.(map[string]any)
	if !ok {
		return
	}
	dropEmpty(d, "annotations", "urls", "artifactType")
	if platform, ok := d["platform"].(map[string]any); ok {
		dropEmpty(platform, "variant", "os.version", "os.features")
	}
	text, _ := d["data"].(string)
	if text == "" {
		return
	}
	var data []byte
	if err := json.Unmarshal([]byte(strconv.Quote(text)), &data); err != nil {
		return
	}
	named, _ := d["digest"].(string)
	if dgst, err := digest.Parse(named); err == nil && dgst.Algorithm().FromBytes(data) == dgst {
		delete(d, "data")
	}
}

// plainConfig takes away what an image config need not say.
func plainConfig(doc map[string]any) {
	dropEmpty(doc, "author", "variant", "os.version", "os.features")
	plainTime(doc)
	if inner, ok := doc["config"].(map[string]any); ok {
		dropEmpty(inner, "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "ArgsEscaped")
	}
	list, _ := doc["history"].([]any)
	for _, v := range list {
		if entry, ok := v.(map[string]any); ok {
			dropEmpty(entry, "created_by", "author", "comment", "empty_layer")
			plainTime(entry)
		}
	}
	dropEmpty(doc, "config", "history")
}

// plainTime brings the member created of an object to the form in which the spec has
// it. The zero time of Go stands for none.
func plainTime(object map[string]any) {
	text, _ := object["created"].(string)
	t, err := imagespec.ParseTime(text)
	switch {
	case err != nil:
		return
	case t.IsZero():
		delete(object, "created")
	default:
		object["created"] = t.UTC().Truncate(time.Second).Format(time.RFC3339)
	}
}

// firstDifference is the first place at which two values differ.
func firstDifference(at string, a, b any) string {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok {
			return place(at)
		}
		names := slices.AppendSeq(slices.Collect(maps.Keys(x)), maps.Keys(y))
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			in, inX := x[name]
			other, inY := y[name]
			inner := at + "." + name
			if inX != inY {
				return place(inner)
			}
			if found := firstDifference(inner, in, other); found != "" {
				return found
			}
		}
		return ""
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return place(at)
		}
		for i := range x {
			if found := firstDifference(fmt.Sprintf("%s[%d]", at, i), x[i], y[i]); found != "" {
				return found
			}
		}
		return ""
	}
	if a != b && !sameNumber(a, b) {
		return place(at)
	}
	return ""
}

// exactDigits is the length of numbers whose decimal digits a float64 tells apart.
const exactDigits = 15

// sameNumber reports whether two values are one number in two forms, such as 1.50 and 1.5.
func sameNumber(a, b any) bool {
	x, isX := a.(json.Number)
	y, isY := b.(json.Number)
	if !isX || !isY || len(x) > exactDigits || len(y) > exactDigits {
		return false
	}
	one, err := x.Float64()
	two, otherErr := y.Float64()
	return err == nil && otherErr == nil && one == two
}

// place is a path without its first dot; the document itself has a name, too.
func place(at string) string {
	if at == "" {
		return "its content"
	}
	return at[1:]
}
