package edit

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/layform/layform/layout/imagespec"
)

// writer writes the blocks of a description.
type writer struct {
	file    *hclwrite.File
	written map[string]bool
	objects []Named
	// digests are the addresses of the manifests and indexes that were written.
	digests map[string]string
}

// write writes the whole file.
func (w *writer) write(d *describer) error {
	body := w.file.Body()
	if d.Spec != "" {
		setText(w.block("layform"), "name", d.Spec)
	}
	setText(w.block("layout"), "path", d.Path)
	for _, m := range d.roots {
		if err := w.object(m); err != nil {
			return err
		}
	}
	first := true
	for _, o := range w.objects {
		for _, offer := range o.Offers {
			body.AppendNewline()
			if first {
				body.AppendUnstructuredTokens(comment("# The documents that the objects were when they were imported. Their bytes stay as they\n# are while they mean what the spec describes."))
			}
			first = false
			b := body.AppendNewBlock("import", nil).Body()
			b.SetAttributeRaw("to", reference(o.Address))
			setText(b, "digest", string(offer))
		}
	}
	return nil
}

// At is the address of the object whose block, or whose import block, has a line of the
// text, counted from 1; empty for none.
func (d *Description) At(line int) string {
	f, diags := hclsyntax.ParseConfig(d.Text, "", hcl.InitialPos)
	if diags.HasErrors() {
		return ""
	}
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		if r := b.Range(); line < r.Start.Line || line > b.CloseBraceRange.End.Line {
			continue
		}
		if len(b.Labels) == 1 {
			return b.Type + "." + b.Labels[0]
		}
		if to := b.Body.Attributes["to"]; to != nil {
			r := to.Expr.Range()
			return string(r.SliceBytes(d.Text))
		}
	}
	return ""
}

// block begins a block of the file.
func (w *writer) block(kind string, labels ...string) *hclwrite.Body {
	body := w.file.Body()
	if len(body.Blocks()) > 0 {
		body.AppendNewline()
	}
	return body.AppendNewBlock(kind, labels).Body()
}

// note remembers an object that is written, and reports whether it was before.
func (w *writer) note(address, origin string, desc ocispec.Descriptor) (again bool) {
	if w.written[address] {
		return true
	}
	w.written[address] = true
	w.objects = append(w.objects, Named{Address: address, Origin: origin, Descriptor: desc})
	return false
}

// object writes a manifest or index after all that it needs.
func (w *writer) object(m *described) error {
	if w.written[m.address()] {
		return nil
	}
	needs := m.members
	if m.subject != nil {
		needs = append(slices.Clone(needs), m.subject)
	}
	for _, o := range needs {
		if err := w.object(o); err != nil {
			return err
		}
	}
	for _, l := range m.layers {
		w.layer(l)
	}
	if m.config != nil {
		if err := w.config(m.config); err != nil {
			return err
		}
	}
	w.note(m.address(), m.origin, m.desc)
	offers := m.offers
	if len(offers) == 0 && m.desc.Digest != "" {
		offers = []digest.Digest{m.desc.Digest}
	}
	w.objects[len(w.objects)-1].Offers = offers
	b := w.block(m.kind, m.name)
	if m.config != nil {
		b.SetAttributeRaw("config", reference(m.config.address()))
	}
	if len(m.layers) > 0 {
		b.SetAttributeRaw("layers", references(m.layers))
	}
	if m.kind == "index" {
		b.SetAttributeRaw("manifests", references(m.members))
	}
	setText(b, "artifact_type", m.doc.ArtifactType)
	if m.docker {
		setText(b, "media_types", "docker")
	}
	if m.subject != nil {
		b.SetAttributeRaw("subject", reference(m.subject.address()))
	}
	setMap(b, "annotations", m.doc.Annotations)
	w.descriptorAnnotations(b, entryAnnotations(m.entry))
	w.digests[string(m.desc.Digest)] = m.address()
	if m.kind == "manifest" {
		setPlatform(b, m.ownPlatform())
	}
	setTexts(b, "tags", m.tags)
	return setExtra(b, "extra", m.doc.extra)
}

// descriptorAnnotations writes the annotations of a descriptor. A value that is the digest of
// an object written before, as that by which an attestation tells its image, goes on to be it
// when the object changes.
func (w *writer) descriptorAnnotations(b *hclwrite.Body, values map[string]string) {
	known := func(v string) bool { return w.digests[v] != "" }
	if !slices.ContainsFunc(slices.Collect(maps.Values(values)), known) {
		setMap(b, "descriptor_annotations", values)
		return
	}
	var members []hclwrite.ObjectAttrTokens
	for _, k := range slices.Sorted(maps.Keys(values)) {
		value := hclwrite.TokensForValue(cty.StringVal(values[k]))
		if known(values[k]) {
			value = digestOf(w.digests[values[k]])
		}
		members = append(members, hclwrite.ObjectAttrTokens{Name: hclwrite.TokensForValue(cty.StringVal(k)), Value: value})
	}
	b.SetAttributeRaw("descriptor_annotations", hclwrite.TokensForObject(members))
}

// layer writes a layer: a blob of the layout.
func (w *writer) layer(l *blobBlock) {
	if w.note(l.address(), l.origin, l.desc) {
		return
	}
	b := w.block("layer", l.name)
	setText(b, "digest", string(l.desc.Digest))
	setText(b, "media_type", l.desc.MediaType)
	setMap(b, "annotations", l.desc.Annotations)
	setTexts(b, "urls", l.desc.URLs)
}

// config writes a config: by its values, as text, or as a blob of the layout.
func (w *writer) config(c *blobBlock) error {
	if w.note(c.address(), c.origin, c.desc) {
		return nil
	}
	switch o := &w.objects[len(w.objects)-1]; {
	case c.data == nil:
		o.Stored = c.stored
	case !c.unmade:
		o.Offers = []digest.Digest{c.desc.Digest}
	}
	b := w.block("config", c.name)
	image := c.desc.MediaType == ocispec.MediaTypeImageConfig
	if !image {
		setText(b, "media_type", c.desc.MediaType)
	}
	switch {
	case c.data == nil:
		setText(b, "digest", string(c.desc.Digest))
	case c.unmade:
		setPlatform(b, platformOf(c))
	case image:
		if err := imageConfig(b, c.data); err != nil {
			return err
		}
	default:
		setText(b, "content", string(c.data))
	}
	setMap(b, "annotations", c.desc.Annotations)
	return nil
}

// setPlatform writes a platform, with the version and the features of its operating
// system as attributes of their own; nil is none.
func setPlatform(b *hclwrite.Body, p *ocispec.Platform) {
	if p == nil {
		return
	}
	setText(b, "platform", imagespec.PlatformText(ocispec.Platform{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant}))
	setText(b, "os_version", p.OSVersion)
	setTexts(b, "os_features", p.OSFeatures)
}

// imageConfig writes the values of an image config.
func imageConfig(b *hclwrite.Body, data []byte) error {
	var doc struct {
		ocispec.Image
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	setPlatform(b, &doc.Platform)
	setText(b, "created", createdText(doc.Created))
	setText(b, "author", doc.Author)
	if err := runConfig(b, doc.Config); err != nil {
		return err
	}
	extra, err := membersBeside(data, "created", "author", "architecture", "os", "os.version", "os.features", "variant", "config", "rootfs", "history")
	if err != nil {
		return err
	}
	if err := setExtra(b, "extra", extra); err != nil {
		return err
	}
	b.SetAttributeRaw("history", historyTokens(doc.History))
	return nil
}

// runConfig writes the values of the member config of an image config.
func runConfig(b *hclwrite.Body, data json.RawMessage) error {
	if len(data) == 0 || bytes.Equal(data, []byte("null")) {
		return nil
	}
	var c ocispec.ImageConfig
	if err := json.Unmarshal(data, &c); err != nil {
		return err
	}
	setText(b, "user", c.User)
	setTexts(b, "entrypoint", c.Entrypoint)
	setTexts(b, "cmd", c.Cmd)
	setTexts(b, "env", c.Env)
	setText(b, "working_dir", c.WorkingDir)
	setTexts(b, "exposed_ports", slices.Sorted(maps.Keys(c.ExposedPorts)))
	setTexts(b, "volumes", slices.Sorted(maps.Keys(c.Volumes)))
	setMap(b, "labels", c.Labels)
	setText(b, "stop_signal", c.StopSignal)
	//lint:ignore SA1019 deprecated, but part of the image spec
	if c.ArgsEscaped {
		b.SetAttributeValue("args_escaped", cty.True)
	}
	extra, err := membersBeside(data, "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal", "ArgsEscaped")
	if err != nil {
		return err
	}
	return setExtra(b, "config_extra", extra)
}

// historyTokens are the entries of a history, one in a line.
func historyTokens(history []ocispec.History) hclwrite.Tokens {
	tokens := hclwrite.Tokens{{Type: hclsyntax.TokenOBrack, Bytes: []byte("[")}}
	newline := &hclwrite.Token{Type: hclsyntax.TokenNewline, Bytes: []byte("\n")}
	for _, h := range history {
		var members []hclwrite.ObjectAttrTokens
		add := func(name string, value cty.Value) {
			members = append(members, hclwrite.ObjectAttrTokens{Name: hclwrite.TokensForIdentifier(name), Value: hclwrite.TokensForValue(value)})
		}
		add("created", cty.StringVal(createdText(h.Created)))
		for _, text := range []struct{ name, value string }{{"created_by", h.CreatedBy}, {"author", h.Author}, {"comment", h.Comment}} {
			if text.value != "" {
				add(text.name, cty.StringVal(text.value))
			}
		}
		if h.EmptyLayer {
			add("empty_layer", cty.True)
		}
		tokens = append(append(append(tokens, newline), hclwrite.TokensForObject(members)...), &hclwrite.Token{Type: hclsyntax.TokenComma, Bytes: []byte(",")})
	}
	if len(history) > 0 {
		tokens = append(tokens, newline)
	}
	return append(tokens, &hclwrite.Token{Type: hclsyntax.TokenCBrack, Bytes: []byte("]")})
}

// createdText is a creation time as a spec has it.
func createdText(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "none"
	}
	return t.UTC().Truncate(time.Second).Format(time.RFC3339)
}

// isText reports whether a spec can hold the content as a string.
func isText(data []byte) bool {
	return utf8.Valid(data) && !bytes.ContainsRune(data, 0) && cty.StringVal(string(data)).AsString() == string(data)
}

func setText(b *hclwrite.Body, name, value string) {
	if value != "" {
		b.SetAttributeValue(name, cty.StringVal(value))
	}
}

func setTexts(b *hclwrite.Body, name string, values []string) {
	if len(values) == 0 {
		return
	}
	list := make([]cty.Value, len(values))
	for i, v := range values {
		list[i] = cty.StringVal(v)
	}
	b.SetAttributeValue(name, cty.ListVal(list))
}

func setMap(b *hclwrite.Body, name string, values map[string]string) {
	if len(values) == 0 {
		return
	}
	members := map[string]cty.Value{}
	for k, v := range values {
		members[k] = cty.StringVal(v)
	}
	b.SetAttributeValue(name, cty.MapVal(members))
}

// setExtra writes members of a document as they are.
func setExtra(b *hclwrite.Body, name string, members map[string]json.RawMessage) error {
	if len(members) == 0 {
		return nil
	}
	values := map[string]cty.Value{}
	for key, data := range members {
		t, err := ctyjson.ImpliedType(data)
		if err != nil {
			return err
		}
		if values[key], err = ctyjson.Unmarshal(data, t); err != nil {
			return err
		}
	}
	b.SetAttributeValue(name, cty.ObjectVal(values))
	return nil
}

// reference is the address of an object as an expression.
func reference(address string) hclwrite.Tokens {
	kind, name, _ := strings.Cut(address, ".")
	return hclwrite.TokensForTraversal(hcl.Traversal{hcl.TraverseRoot{Name: kind}, hcl.TraverseAttr{Name: name}})
}

// digestOf is the digest of the object with an address, as an expression.
func digestOf(address string) hclwrite.Tokens {
	kind, name, _ := strings.Cut(address, ".")
	return hclwrite.TokensForTraversal(hcl.Traversal{hcl.TraverseRoot{Name: kind}, hcl.TraverseAttr{Name: name}, hcl.TraverseAttr{Name: "digest"}})
}

// references are the addresses of objects as a list.
func references[T interface{ address() string }](objects []T) hclwrite.Tokens {
	var list []hclwrite.Tokens
	for _, o := range objects {
		list = append(list, reference(o.address()))
	}
	return hclwrite.TokensForTuple(list)
}

// comment is a comment in a line of its own.
func comment(text string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte(text + "\n")}}
}
