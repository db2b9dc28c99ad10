package planner

import (
	"encoding/json"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
	"github.com/layform/layform/spec/schema"
)

// documentRule names the rule that turns values into the JSON of configs,
// manifests and indexes. Change it whenever planner/image changes bytes.
const documentRule = "documents/1"

// Dependency is an object that another one is built from.
type Dependency struct {
	Role Role
	Evaluated
}

// Role says what a dependency is for the object that has it.
type Role string

// The roles of dependencies.
const (
	RoleBase    Role = "base"
	RoleConfig  Role = "config"
	RoleLayer   Role = "layer"
	RoleSubject Role = "subject"
	RoleMember  Role = "member"
)

// Fingerprint covers everything that decides the bytes of a config, manifest or
// index: its values, its dependencies in order, and SOURCE_DATE_EPOCH. It
// answers false while some of that is known after apply.
func Fingerprint(o *spec.Object, dependencies []Dependency, epoch int64) (digest.Digest, bool) {
	type part struct {
		Role   Role          `json:"role"`
		Name   string        `json:"name,omitempty"`
		Media  string        `json:"media_type,omitempty"`
		Digest digest.Digest `json:"digest,omitempty"`
		Size   int64         `json:"size,omitempty"`
		DiffID digest.Digest `json:"diff_id,omitempty"`
		Fields []spec.Field  `json:"fields,omitempty"`
	}
	all := struct {
		Rule   string       `json:"rule"`
		Kind   spec.Kind    `json:"kind"`
		Fields []spec.Field `json:"fields"`
		Parts  []part       `json:"parts"`
		Epoch  *int64       `json:"epoch,omitempty"`
	}{Rule: documentRule, Kind: o.Address.Kind}
	for _, f := range o.Fields {
		if !decidesBlob(o.Address.Kind, f.Path) {
			continue
		}
		if f.Unknown {
			return "", false
		}
		if !refers(o.Address.Kind, f.Path) {
			all.Fields = append(all.Fields, f)
		}
	}
	for _, n := range dependencies {
		if !n.Known {
			return "", false
		}
		p := part{Role: n.Role}
		for _, f := range n.Object.Fields {
			if !passedOn(o.Address.Kind, n.Role, n.Object.Address.Kind, f.Path) {
				continue
			}
			if f.Unknown {
				return "", false
			}
			p.Fields = append(p.Fields, f)
		}
		if base, ok := n.Object.Body.(*spec.Base); ok && base.Image.Registry {
			p.Name = base.Image.Name
		}
		if o.Address.Kind == spec.KindConfig && n.Role != RoleBase {
			p.DiffID = n.Built.DiffID
		} else {
			p.Media, p.Digest, p.Size = n.Built.Descriptor.MediaType, n.Built.Descriptor.Digest, n.Built.Descriptor.Size
		}
		all.Parts = append(all.Parts, p)
	}
	if o.Address.Kind == spec.KindConfig {
		all.Epoch = &epoch
	}
	return hashJSON(all), true
}

// hashJSON is the digest of v in JSON. v holds nothing that cannot be encoded.
func hashJSON(v any) digest.Digest {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // not reachable: plain structs of strings and numbers
	}
	return digest.FromBytes(data)
}

// attributeName is the attribute of a path: labels of labels["version"].
func attributeName(path string) string {
	if i := strings.IndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return path
}

// decidesBlob reports whether a value of an object goes into its own blob. The
// others stand in descriptors that lead to it, or in the history of configs.
func decidesBlob(kind spec.Kind, path string) bool {
	return schema.Decides(kind, attributeName(path))&schema.Blob != 0
}

// refers reports whether a value of an object is the address of another one. What is
// built from that does not depend on how it is called: see Dependencies.
func refers(kind spec.Kind, path string) bool {
	a := schema.Of(kind).Attribute(attributeName(path))
	return a != nil && len(a.Refers) > 0
}

// passedOn reports whether a value of a needed object goes into the blob of the
// object, of the given kind, that needs it: into the history of a config, or a
// descriptor in a manifest or index.
func passedOn(kind spec.Kind, role Role, needed spec.Kind, path string) bool {
	decides := schema.Decides(needed, attributeName(path))
	switch {
	case kind == spec.KindConfig && role == RoleLayer:
		return decides&schema.History != 0
	case kind == spec.KindManifest && (role == RoleLayer || role == RoleConfig), kind == spec.KindIndex && role == RoleMember:
		return decides&schema.Descriptor != 0
	}
	return false
}

// Dependencies lists, in order and by role, what the object of a step is built
// from. find answers for the key of a step.
func Dependencies(s Step, o *spec.Object, find func(key string) Evaluated) []Dependency {
	var all []Dependency
	add := func(role Role, key string) { all = append(all, Dependency{role, find(key)}) }
	switch b := o.Body.(type) {
	case *spec.Config:
		if b.Image != nil {
			if !s.Base.IsZero() {
				add(RoleBase, s.Base.String())
			}
			for _, l := range s.Layers {
				add(RoleLayer, l.String())
			}
		}
	case *spec.Manifest:
		if !s.Base.IsZero() {
			add(RoleBase, s.Base.String())
		}
		if s.Config != "" {
			add(RoleConfig, s.Config)
		}
		for _, l := range b.Layers {
			add(RoleLayer, l.String())
		}
		if b.Subject != nil {
			add(RoleSubject, b.Subject.String())
		}
	case *spec.Index:
		for _, m := range b.Manifests {
			add(RoleMember, m.String())
		}
		if b.Subject != nil {
			add(RoleSubject, b.Subject.String())
		}
	}
	return all
}

// MediaType is the media type of a config, manifest or index; see LayerType.
func MediaType(o *spec.Object) string {
	switch b := o.Body.(type) {
	case *spec.Config:
		if b.MediaType != "" {
			return b.MediaType
		}
		return ocispec.MediaTypeImageConfig
	case *spec.Manifest:
		return b.MediaType()
	case *spec.Index:
		return b.MediaType()
	}
	return ""
}

// LayerType is the media type of a layer once it is known what stands behind it.
func LayerType(l *spec.Layer, seen *source.Observed) string {
	switch {
	case l.MediaType != "":
		return l.MediaType
	case seen.File != nil:
		c, _ := seen.File.Output(l)
		return c.Algorithm.MediaType()
	}
	return l.Compression.Algorithm.MediaType()
}
