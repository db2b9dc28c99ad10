package spec

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
)

// dockerMember is the member of the "config" object that an attribute sets and that the
// image spec reserves for Docker; empty for any other attribute. It is carried as further
// members are.
func dockerMember(attribute string) string {
	switch attribute {
	case "healthcheck":
		return "Healthcheck"
	case "memory":
		return "Memory"
	case "memory_swap":
		return "MemorySwap"
	case "cpu_shares":
		return "CpuShares"
	}
	return ""
}

// healthcheck is the member Healthcheck as Docker writes it.
type healthcheck struct {
	Test          []string      `json:",omitempty"`
	Interval      time.Duration `json:",omitempty"`
	Timeout       time.Duration `json:",omitempty"`
	StartPeriod   time.Duration `json:",omitempty"`
	StartInterval time.Duration `json:",omitempty"`
	Retries       int           `json:",omitempty"`
}

// dockerMembers decodes the members that the image spec reserves for Docker into the
// further members of a config.
func (d *decoder) dockerMembers(c *Config) {
	set := func(attribute string, value any) {
		data, err := json.Marshal(value)
		if err != nil {
			d.err(d.inst.block.attrs.named(attribute).rng, "%s has no JSON form: %s.", attribute, err)
			return
		}
		member := dockerMember(attribute)
		for _, name := range keysOf(c.ConfigExtra) {
			if sameElement("config_extra", name, member) {
				d.err(d.inst.block.attrs.named(attribute).rng, "%s and config_extra both set %s: leave one of them out.", attribute, member)
				return
			}
		}
		if c.ConfigExtra == nil {
			c.ConfigExtra = map[string]json.RawMessage{}
		}
		c.ConfigExtra[member] = data
	}
	if h := d.healthcheck(); h != nil {
		set("healthcheck", h)
	}
	const most = 1<<53 - 1 // which every reader of JSON keeps
	for _, name := range []string{"memory", "memory_swap", "cpu_shares"} {
		least := int64(0)
		if name == "memory_swap" {
			least = -1
		}
		if n := d.integer(d.inst.block.attrs, name, least, most); n != nil {
			set(name, *n)
		}
	}
}

// healthcheck decodes the attribute of that name; nil where it is not set or not right.
func (d *decoder) healthcheck() *healthcheck {
	g := d.get(d.inst.block.attrs, "healthcheck")
	if !g.ok {
		return nil
	}
	values, ok := d.members(g, "healthcheck", []string{"test", "interval", "timeout", "start_period", "start_interval", "retries"})
	if !ok {
		return nil
	}
	h := &healthcheck{}
	durations := map[string]*time.Duration{
		"interval": &h.Interval, "timeout": &h.Timeout, "start_period": &h.StartPeriod, "start_interval": &h.StartInterval,
	}
	right := true
	for _, name := range keysOf(values) {
		v := values[name]
		switch name {
		case "test":
			h.Test, ok = healthTest(v)
		case "retries":
			text, known := eval.KeyOf(v)
			n, err := strconv.Atoi(text)
			h.Retries, ok = n, known && err == nil && n >= 0
		default:
			text, known := eval.KeyOf(v)
			length, err := time.ParseDuration(text)
			*durations[name] = length
			ok = known && err == nil && (length == 0 || length >= time.Millisecond)
		}
		if !ok {
			d.err(g.rng, "healthcheck.%s is not right. %s", name, g.schema.Expected())
			right = false
		}
	}
	if right && len(values) == 0 {
		d.err(g.rng, "healthcheck sets nothing. %s", g.schema.Expected())
	}
	if !right || len(values) == 0 {
		return nil
	}
	return h
}

// healthTest is the command of a health check: a list as Docker has it, or a line for the
// shell.
func healthTest(v cty.Value) ([]string, bool) {
	if v.Type() == cty.String {
		return []string{"CMD-SHELL", v.AsString()}, v.AsString() != ""
	}
	list, err := eval.Convert(v, cty.List(cty.String))
	if err != nil || !list.IsWhollyKnown() || eval.HasNull(list) || list.LengthInt() == 0 {
		return nil, false
	}
	var test []string
	for _, element := range list.AsValueSlice() {
		test = append(test, element.AsString())
	}
	switch test[0] {
	case "NONE":
		return test, len(test) == 1
	case "CMD-SHELL":
		return test, len(test) == 2
	}
	return test, test[0] == "CMD" && len(test) > 1
}

// members are the members of an object that are not null, whose names are among known.
func (d *decoder) members(g attrValue, name string, known []string) (map[string]cty.Value, bool) {
	t := g.value.Type()
	if !t.IsObjectType() && !t.IsMapType() {
		d.err(g.rng, "%s must be an object: { NAME = VALUE }. %s", name, g.schema.Expected())
		return nil, false
	}
	return d.membersOf(g, name, g.value, known)
}

// membersOf is members for a value within that of the attribute.
func (d *decoder) membersOf(g attrValue, name string, v cty.Value, known []string) (map[string]cty.Value, bool) {
	values := map[string]cty.Value{}
	ok := true
	for it := v.ElementIterator(); it.Next(); {
		k, member := it.Element()
		switch {
		case !slices.Contains(known, k.AsString()):
			d.err(g.rng, "%s contains %s.%s", name, g.quote(k.AsString()), suggest.ClosestOrAll(k.AsString(), known))
			ok = false
		case !member.IsNull():
			values[k.AsString()] = member
		}
	}
	return values, ok
}
