package spec

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/imagespec"
)

// Unset is a value of a base's config that a config over it does not take over.
type Unset struct {
	// Name is the attribute, and Key the one element of it that goes; empty for all.
	Name, Key string
}

// String is the form in a spec: cmd, env.DEBUG.
func (u Unset) String() string {
	if u.Key == "" {
		return u.Name
	}
	return u.Name + "." + u.Key
}

// keyed are the attributes of a config whose elements have names, and single those
// that are inherited as a whole.
var (
	keyed  = []string{"env", "exposed_ports", "extra", "config_extra", "labels", "volumes"}
	single = []string{"args_escaped", "author", "cmd", "cpu_shares", "entrypoint", "healthcheck", "memory", "memory_swap", "stop_signal", "user", "working_dir"}
)

// unset decodes the attribute of that name.
func (d *decoder) unset() []Unset {
	attrs := d.inst.block.attrs
	list, g := d.stringList(attrs, "unset")
	d.mustKnow(g)
	if g.ok && g.sensitive {
		d.refuseSensitive(g)
		return nil
	}
	var all []Unset
	for _, text := range list {
		name, key, isKeyed := strings.Cut(text, ".")
		u := Unset{name, key}
		switch {
		case isKeyed && (key == "" || !slices.Contains(keyed, name)), !isKeyed && !slices.Contains(keyed, name) && !slices.Contains(single, name):
			d.err(g.rng, "unset contains %q, but an element is one of %s, or of %s with a dot and the name of an element: \"env.DEBUG\".",
				text, strings.Join(single, ", "), strings.Join(keyed, ", "))
			continue
		case !isKeyed && attrs.named(name) != nil:
			d.err(g.rng, "unset contains %q, which is set at %s as well.", text, attrs.named(name).rng)
			continue
		case dockerMember(name) != "":
			u = Unset{"config_extra", dockerMember(name)}
		}
		if slices.Contains(all, u) {
			d.err(g.rng, "unset contains %q twice.", text)
			continue
		}
		all = append(all, u)
	}
	return all
}

// checkUnset reports elements that are set and unset at once.
func (d *decoder) checkUnset(c *Config) {
	for _, u := range c.Unset {
		if u.Key != "" && c.has(u) {
			d.err(d.inst.block.attrs.named("unset").expr.Range(), "unset contains %q, which is set as well.", u.String())
		}
	}
}

// has reports whether the config sets what u names.
func (c *Config) has(u Unset) bool {
	i := c.Image
	single := map[string]bool{
		"args_escaped": i.ArgsEscaped != nil, "author": i.Author != nil, "cmd": i.Cmd != nil, "entrypoint": i.Entrypoint != nil,
		"stop_signal": i.StopSignal != nil, "user": i.User != nil, "working_dir": i.WorkingDir != nil,
	}
	if u.Key == "" && single[u.Name] {
		return true
	}
	var names []string
	switch u.Name {
	case "env":
		for _, variable := range i.Env {
			names = append(names, variableName(variable))
		}
	case "exposed_ports":
		names = keysOf(i.ExposedPorts)
	case "volumes":
		names = keysOf(i.Volumes)
	case "labels":
		names = keysOf(i.Labels)
	case "extra":
		names = keysOf(c.Extra)
	case "config_extra":
		names = keysOf(c.ConfigExtra)
	}
	same := func(name string) bool { return sameElement(u.Name, name, u.Key) }
	return u.Key == "" && len(names) > 0 || slices.ContainsFunc(names, same)
}

// sameElement reports whether two names mean one element of an attribute: 80 is 80/tcp,
// and readers may ignore the case of members of a document, as extra and config_extra are.
func sameElement(attribute, a, b string) bool {
	switch attribute {
	case "exposed_ports":
		return imagespec.NormalPort(a) == imagespec.NormalPort(b)
	case "extra", "config_extra":
		return strings.EqualFold(a, b)
	}
	return a == b
}

// variableName is the name of an environment variable, NAME=VALUE.
func variableName(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}

// Over is the image config c over that of a base, and what it inherits, as fields.
// Variables, ports, volumes, labels and members beyond the image spec are merged by
// name, in the base's order; every other value replaces the base's. An entrypoint
// that is set drops the base's cmd, which are the arguments of another one. The time
// of creation is not inherited. Neither c nor base changes.
func (c *Config) Over(base *Config) (*Config, []Field) {
	m := &merger{config: c}
	own, under := c.Image, base.Image
	image := &Image{
		Created:      own.Created,
		Platform:     own.Platform,
		Author:       inherit(m, "author", own.Author, under.Author),
		User:         inherit(m, "user", own.User, under.User),
		WorkingDir:   inherit(m, "working_dir", own.WorkingDir, under.WorkingDir),
		StopSignal:   inherit(m, "stop_signal", own.StopSignal, under.StopSignal),
		ArgsEscaped:  own.ArgsEscaped,
		Entrypoint:   m.list("entrypoint", own.Entrypoint, under.Entrypoint),
		Cmd:          own.Cmd,
		Env:          m.env(own.Env, under.Env),
		ExposedPorts: mergeByName(m, "exposed_ports", own.ExposedPorts, under.ExposedPorts),
		Volumes:      mergeByName(m, "volumes", own.Volumes, under.Volumes),
		Labels:       mergeByName(m, "labels", own.Labels, under.Labels),
	}
	if image.Platform == nil && under.Platform != nil {
		image.Platform = under.Platform
		m.field("platform", imagespec.PlatformText(*under.Platform))
	}
	if own.Entrypoint == nil {
		image.Cmd = m.list("cmd", own.Cmd, under.Cmd)
	}
	if own.Entrypoint == nil && own.Cmd == nil {
		image.ArgsEscaped = inherit(m, "args_escaped", own.ArgsEscaped, under.ArgsEscaped)
	}
	merged := *c
	merged.Image = image
	merged.Extra = mergeByName(m, "extra", c.Extra, base.Extra)
	merged.ConfigExtra = mergeByName(m, "config_extra", c.ConfigExtra, base.ConfigExtra)
	sortFields(m.fields)
	return &merged, m.fields
}

// merger records the values that a config inherits.
type merger struct {
	config *Config
	fields []Field
}

// unset reports whether the base's value is not to be taken over.
func (m *merger) unset(name, key string) bool {
	return slices.ContainsFunc(m.config.Unset, func(u Unset) bool {
		return u.Name == name && (u.Key == "" || key != "" && sameElement(name, u.Key, key))
	})
}

// field notes an inherited value. One that has no JSON form is shown as text.
func (m *merger) field(path string, value any) {
	var text JSON
	data, err := json.Marshal(value)
	if err == nil {
		err = text.UnmarshalJSON(data)
	}
	if err != nil {
		text = JSON(jsonText(fmt.Sprint(value)))
	}
	m.fields = append(m.fields, Field{Path: path, Value: text})
}

// inherit is a single value.
func inherit[T any](m *merger, name string, own, under *T) *T {
	if own != nil || under == nil || m.unset(name, "") {
		return own
	}
	m.field(name, *under)
	return under
}

// list is a list that is inherited as a whole.
func (m *merger) list(name string, own, under []string) []string {
	if own != nil || under == nil || m.unset(name, "") {
		return own
	}
	for i, text := range under {
		m.field(fmt.Sprintf("%s[%d]", name, i), text)
	}
	return under
}

// env merges variables by name: those of the base keep their place.
func (m *merger) env(own, under []string) []string {
	values := map[string]string{}
	for _, variable := range own {
		values[variableName(variable)] = variable
	}
	var merged []string
	placed := map[string]bool{}
	for _, variable := range under {
		name := variableName(variable)
		set, mine := values[name]
		switch {
		case mine && !placed[name]:
			merged = append(merged, set)
		case !mine && !m.unset("env", name):
			_, value, _ := strings.Cut(variable, "=")
			m.field("env"+keyText(name), value)
			merged = append(merged, variable)
		}
		placed[name] = true
	}
	for _, variable := range own {
		if !placed[variableName(variable)] {
			merged = append(merged, variable)
		}
	}
	return merged
}

// mergeByName merges elements by name.
func mergeByName[V any](m *merger, name string, own, under map[string]V) map[string]V {
	merged := maps.Clone(own)
	for _, key := range keysOf(under) {
		taken := func(k string) bool { return sameElement(name, k, key) }
		if m.unset(name, key) || slices.ContainsFunc(keysOf(own), taken) {
			continue
		}
		if merged == nil {
			merged = map[string]V{}
		}
		merged[key] = under[key]
		m.field(name+keyText(key), under[key])
	}
	return merged
}

// keyText writes the name of an element as an index: ["name"].
func keyText(key string) string { return indexText(cty.StringVal(key)) }
