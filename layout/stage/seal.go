package stage

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
)

// sealedAnnotations is the annotation that replaces, in a staging state alone, the
// annotations of an entry of which some are sensitive.
const sealedAnnotations = "sealed"

// sealPrefix begins every sealed value: an annotation of the user's may have the
// name of ours.
const sealPrefix = `"hmac-sha256:`

// Seal is the stored form of a sensitive value: a JSON string with a digest under the
// state's salt, enough to detect a change. A state without a salt, of an earlier
// version, keeps the value as it is given, which is a plain digest.
func (s *Stage) Seal(value string) string {
	if s.Salt == "" {
		return value
	}
	mac := hmac.New(sha256.New, []byte(s.Salt))
	mac.Write([]byte(value))
	return sealPrefix + hex.EncodeToString(mac.Sum(nil)) + `"`
}

// SealEntry is an entry of index.json in the form in which the state keeps it when
// some of its annotations are sensitive.
func (s *Stage) SealEntry(d ocispec.Descriptor) ocispec.Descriptor {
	open := map[string]string{}
	hidden := maps.Clone(d.Annotations)
	if ref, ok := hidden[ocispec.AnnotationRefName]; ok {
		open[ocispec.AnnotationRefName] = ref
		delete(hidden, ocispec.AnnotationRefName)
	}
	text, err := json.Marshal(hidden) // a map of strings can be encoded
	if err == nil {
		open[sealedAnnotations] = s.Seal(string(text))
	}
	d.Annotations = open
	return d
}

// SameEntry compares was, an entry as the state keeps it, with is, an entry of
// index.json.
func (s *Stage) SameEntry(was, is ocispec.Descriptor) bool {
	if strings.HasPrefix(was.Annotations[sealedAnnotations], sealPrefix) && s.Salt != "" {
		is = s.SealEntry(is)
	}
	return layout.SameEntry(was, is)
}

// Salted is the state with a salt: its own, or a new one under which what it
// keeps of sensitive values is sealed. The state itself stays as it is.
func (s *Stage) Salted() *Stage {
	if s.Salt != "" {
		return s
	}
	next := *s
	next.Salt = rand.Text()
	next.Objects = map[string]Object{}
	for key, o := range s.Objects {
		sealed := map[string]string{}
		for path, value := range o.Sensitive {
			sealed[path] = next.Seal(value)
		}
		o.Sensitive = sealed
		next.Objects[key] = o
	}
	next.Outputs = maps.Clone(s.Outputs)
	for name, o := range next.Outputs {
		if o.Sensitive {
			o.Value = next.Seal(o.Value)
			next.Outputs[name] = o
		}
	}
	return &next
}

// Sensitive reports whether the state keeps anything of a sensitive value.
func (s *Stage) Sensitive() bool {
	for _, o := range s.Objects {
		if len(o.Sensitive) > 0 {
			return true
		}
	}
	for _, o := range s.Outputs {
		if o.Sensitive {
			return true
		}
	}
	return false
}
