package spec

import (
	"encoding/base64"
	"encoding/json"
	"path"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/schema"
)

// config decodes a config block.
func (d *decoder) config() *Config {
	attrs := d.inst.block.attrs
	c := &Config{MediaType: ocispec.MediaTypeImageConfig}
	text, g := d.typeName(attrs, "media_type")
	d.mustKnow(g)
	if g.ok {
		c.MediaType = text
	}
	c.Annotations = d.annotations(attrs, "annotations")
	content, given := d.configContent()
	var stored attrValue
	if c.Digest, stored = d.storedDigest(); stored.set {
		d.storedConfig(stored, given)
		return c
	}
	if c.MediaType != ocispec.MediaTypeImageConfig {
		d.foreignConfig(c, content, given)
		return c
	}
	if given.set {
		d.err(given.rng, "%s is for configs of another media type: an image config is made of attributes. Set media_type, or remove %s.", given.name, given.name)
	}
	c.Image = d.image()
	c.Extra = d.extra("extra", false)
	c.ConfigExtra = d.extra("config_extra", true)
	d.dockerMembers(c)
	c.History = d.history()
	c.Unset = d.unset()
	d.checkUnset(c)
	return c
}

// storedConfig checks that a config that is in the layout already says nothing else.
func (d *decoder) storedConfig(stored, content attrValue) {
	b := d.inst.block
	names := schema.Of(KindConfig).ImageAttributes()
	if content.set {
		names = append(names, content.name)
	}
	for _, name := range names {
		if a := b.attrs.named(name); a != nil {
			d.err(a.rng, "A config with digest is used as it is, so %s does not go with it.", name)
		}
	}
}

// configContent decodes the content of a config: text, or bytes in base64.
func (d *decoder) configContent() ([]byte, attrValue) {
	attrs := d.inst.block.attrs
	text, given := d.text(attrs, "content")
	encoded, g := d.text(attrs, "content_base64")
	switch {
	case given.set && g.set:
		d.err(g.rng, "content and content_base64 both give the content: leave one of them out.")
		return nil, given
	case !g.set:
		return []byte(text), given
	case !g.ok:
		return nil, g
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		d.err(g.rng, "content_base64 is no base64. %s", g.schema.Expected())
		g.ok, g.reported = false, true
	}
	return data, g
}

// foreignConfig decodes a config that is not an image config.
func (d *decoder) foreignConfig(c *Config, content []byte, given attrValue) {
	b := d.inst.block
	for _, name := range schema.Of(KindConfig).ImageAttributes() {
		if a := b.attrs.named(name); a != nil {
			d.err(a.rng, "%s belongs to image configs. A config of type %s has content alone.", name, c.MediaType)
		}
	}
	if !given.set {
		d.reportMissing(b.incomplete, b.missing, "A config of type %s needs content, the text of its blob, or content_base64.", c.MediaType)
	}
	if given.ok {
		c.Content = content
	}
}

// image decodes the attributes of an image config.
func (d *decoder) image() *Image {
	image := &Image{Platform: d.platform()}
	system := ""
	if image.Platform != nil {
		system = image.Platform.OS
	}
	image.Created = d.createdOrNone()
	image.Author, _ = d.textOrNone("author")
	var g attrValue
	if image.User, g = d.textOrNone("user"); image.User != nil && *image.User != "" && !userPattern().MatchString(*image.User) {
		d.err(g.rng, "user is %s, but must be user, uid, user:group or uid:gid.", g.quote(*image.User))
	}
	image.ExposedPorts = d.ports()
	image.Env = d.environment()
	image.Entrypoint = d.arguments("entrypoint")
	image.Cmd = d.arguments("cmd")
	image.Volumes = d.volumes(system)
	if image.WorkingDir, g = d.textOrNone("working_dir"); image.WorkingDir != nil && !absoluteOn(system, *image.WorkingDir) {
		d.err(g.rng, "working_dir is %s, but must be an absolute path.", g.quote(*image.WorkingDir))
	}
	image.Labels = d.annotations(d.inst.block.attrs, "labels")
	if image.StopSignal, g = d.textOrNone("stop_signal"); image.StopSignal != nil && !signalPattern().MatchString(*image.StopSignal) {
		d.err(g.rng, "stop_signal is %s, but must be a name such as \"SIGTERM\" or \"SIGRTMIN+3\", or a number.", g.quote(*image.StopSignal))
	}
	if g := d.get(d.inst.block.attrs, "args_escaped"); g.ok {
		escaped := g.value.True()
		image.ArgsEscaped = &escaped
	}
	return image
}

// textOrNone is a string attribute of the object, nil when it is not set or not known.
func (d *decoder) textOrNone(name string) (*string, attrValue) {
	s, g := d.text(d.inst.block.attrs, name)
	if !g.ok {
		return nil, g
	}
	return &s, g
}

// arguments is a list of arguments of a command, nil when it is not set or not known.
func (d *decoder) arguments(name string) []string {
	list, g := d.stringList(d.inst.block.attrs, name)
	if slices.ContainsFunc(list, func(s string) bool { return strings.ContainsRune(s, 0) }) {
		d.err(g.rng, "%s contains a NUL character, which no argument can.", g.name)
	}
	if g.ok && len(list) == 0 {
		d.fields = appendFields(d.fields, name, g.value) // over a base, no arguments are other ones
	}
	return list
}

var (
	userPattern   = imagespec.Pattern(`^[^:\s\x00]+(:[^:\s\x00]+)?$`)
	signalPattern = imagespec.Pattern(`^(SIG[A-Z0-9]+([+-][0-9]+)?|[0-9]{1,3})$`)
)

// absoluteOn reports whether a path is absolute on an operating system.
func absoluteOn(system, p string) bool {
	return path.IsAbs(p) || system == "windows" && len(p) > 2 && p[1] == ':' && (p[2] == '\\' || p[2] == '/') || system == ""
}

// platform decodes platform, or os and architecture; nil when they are not
// known or not right.
func (d *decoder) platform() *ocispec.Platform {
	attrs := d.inst.block.attrs
	text, whole := d.publicText(attrs, "platform")
	system, osGot := d.publicText(attrs, "os")
	architecture, archGot := d.publicText(attrs, "architecture")
	variant, variantGot := d.publicText(attrs, "variant")
	var p *ocispec.Platform
	problem, at := "", whole
	switch {
	case whole.set && (osGot.set || archGot.set || variantGot.set):
		problem = "platform says os, architecture and variant already. Set it, or those."
	case whole.ok:
		p, problem = parsePlatform(text)
	case whole.set:
	case !osGot.set || !archGot.set:
		d.platformLacks(osGot.set || archGot.set || variantGot.set)
	case osGot.ok && archGot.ok && (variantGot.ok || !variantGot.set):
		p = &ocispec.Platform{OS: system, Architecture: architecture, Variant: variant}
		problem, at = platformProblem(p), osGot
		if imagespec.KnownSystem(system) {
			at = archGot
		}
	}
	if problem != "" {
		d.err(at.rng, "%s", problem)
		p = nil
	}
	version, features, set := d.osDetails()
	if p != nil {
		p.OSVersion, p.OSFeatures = version, features
	}
	if d.noPlatform != nil && set {
		d.platformLacks(true)
	}
	return p
}

// osDetails decodes os_version and os_features, and reports whether one is set.
func (d *decoder) osDetails() (version string, features []string, set bool) {
	attrs := d.inst.block.attrs
	version, versionGot := d.publicText(attrs, "os_version")
	features, featuresGot := d.stringList(attrs, "os_features")
	if featuresGot.ok && featuresGot.sensitive {
		features, featuresGot = nil, d.refuseSensitive(featuresGot)
	}
	if versionGot.ok && version != "" && !imagespec.IsOSFeature(version) {
		d.err(versionGot.rng, "os_version is %s, but must be 1 to 128 printable characters of ASCII without spaces.", versionGot.quote(version))
	}
	for _, feature := range features {
		if !imagespec.IsOSFeature(feature) {
			d.err(featuresGot.rng, "os_features contains %s, but a feature is 1 to 128 printable characters of ASCII without spaces.", featuresGot.quote(feature))
		}
	}
	return version, features, versionGot.set || len(features) > 0
}

// platformLacks notes that the config says nothing of its platform, or reports that
// it says a part of it.
func (d *decoder) platformLacks(partly bool) {
	b := d.inst.block
	if !partly {
		if !b.incomplete {
			d.noPlatform = &b.missing
		}
		return
	}
	d.noPlatform = nil
	d.reportMissing(b.incomplete, b.missing, "An image config needs platform, such as \"linux/amd64\", or os and architecture.")
}

func (d *decoder) ports() map[string]struct{} {
	list, g := d.stringList(d.inst.block.attrs, "exposed_ports")
	if len(list) == 0 {
		return nil
	}
	ports := map[string]struct{}{}
	for _, text := range list {
		if err := imagespec.CheckPort(text); err != nil {
			d.err(g.rng, "exposed_ports contains %s, which %s.", g.quote(text), err)
			continue
		}
		ports[text] = struct{}{}
	}
	return ports
}

// environment decodes env: a map, which is written sorted by name, or a list of
// NAME=VALUE, which keeps its order.
func (d *decoder) environment() []string {
	attrs := d.inst.block.attrs
	raw := d.raw(attrs, "env")
	if !raw.set || raw.reported {
		return nil
	}
	d.depend(attrs.named("env").expr, true)
	plain, _ := raw.value.Unmark()
	if t := plain.Type(); t.IsTupleType() || t.IsListType() || t.IsSetType() {
		return d.environmentList(raw)
	}
	g := d.convert(raw, cty.Map(cty.String))
	if !g.ok {
		return nil
	}
	var env []string
	for it := g.value.ElementIterator(); it.Next(); {
		k, v := it.Element()
		name := k.AsString()
		d.checkVariable(g, name, v.AsString())
		env = append(env, name+"="+v.AsString())
	}
	return env
}

func (d *decoder) environmentList(raw attrValue) []string {
	silent := d.silent
	d.silent = true
	g := d.convert(raw, cty.List(cty.String))
	d.silent = silent
	if g.reported {
		return nil
	}
	if !g.ok {
		d.fields = append(d.fields, Field{Path: "env", Unknown: true, Sensitive: g.sensitive})
		return nil
	}
	var env []string
	seen := map[string]bool{}
	hidden := sensitiveElements(raw.value)
	for i, element := range g.value.AsValueSlice() {
		g.sensitive = hidden[i]
		name, value, ok := strings.Cut(element.AsString(), "=")
		if !ok {
			d.err(g.rng, "env contains %s, but an element of the list is NAME=VALUE.", g.quote(element.AsString()))
			continue
		}
		if seen[name] {
			d.err(g.rng, "env sets %s twice.", g.quote(name))
		}
		seen[name] = true
		d.checkVariable(g, name, value)
		env = append(env, element.AsString())
		d.envField(g, i, name, value)
	}
	return env
}

// sensitiveElements reports for each element of a list or set whether it is sensitive.
func sensitiveElements(v cty.Value) []bool {
	v, marks := v.Unmark()
	_, all := marks[eval.Sensitive{}]
	var hidden []bool
	for it := v.ElementIterator(); it.Next(); {
		_, element := it.Element()
		hidden = append(hidden, all || eval.IsSensitive(element))
	}
	return hidden
}

// envField records an element of env under its name; one that is sensitive under
// its place, for the name is a part of the sensitive text.
func (d *decoder) envField(g attrValue, i int, name, value string) {
	key, v := cty.StringVal(name), cty.StringVal(value)
	if g.sensitive {
		key, v = cty.NumberIntVal(int64(i)), cty.StringVal(name+"="+value).Mark(eval.Sensitive{})
	}
	d.fields = appendFields(d.fields, "env"+indexText(key), v)
}

func (d *decoder) checkVariable(g attrValue, name, value string) {
	if strings.Contains(name, "=") || imagespec.CheckVariable(name+"="+value) != nil {
		d.err(g.rng, "env sets %s, but the name of a variable is not empty and has no =, and neither it nor its value has a NUL character.", g.quote(name))
	}
}

func (d *decoder) volumes(system string) map[string]struct{} {
	list, g := d.stringList(d.inst.block.attrs, "volumes")
	if len(list) == 0 {
		return nil
	}
	volumes := map[string]struct{}{}
	for _, p := range list {
		if !absoluteOn(system, p) || p == "" {
			d.err(g.rng, "volumes contains %s, but a volume is an absolute path.", g.quote(p))
			continue
		}
		volumes[p] = struct{}{}
	}
	return volumes
}

// extra decodes further members of a JSON document, none of which may be one
// that has an attribute of its own.
func (d *decoder) extra(name string, inConfig bool) map[string]json.RawMessage {
	reserved := schema.Of(d.inst.addr.Kind).Reserved(inConfig)
	g := d.get(d.inst.block.attrs, name)
	if !g.ok {
		return nil
	}
	if t := g.value.Type(); !t.IsObjectType() && !t.IsMapType() {
		d.err(g.rng, "%s must be an object: { NAME = VALUE }.", name)
		return nil
	}
	members := map[string]json.RawMessage{}
	for it := g.value.ElementIterator(); it.Next(); {
		k, v := it.Element()
		key := k.AsString()
		i := slices.IndexFunc(reserved, func(s string) bool { return strings.EqualFold(s, key) })
		if key == "" || i >= 0 {
			d.err(g.rng, "%s contains %s. Members that the image spec defines have attributes of their own.", name, g.quote(key))
			continue
		}
		members[key] = json.RawMessage(canonicalJSON(v))
	}
	if len(members) == 0 {
		return nil
	}
	return members
}
