package spec

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
	"github.com/layform/layform/spec/schema"
)

func literalSyntax(v cty.Value, rng hcl.Range) hclsyntax.Expression {
	return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: rng}
}

// tree decodes the blocks that a layer's tar is made of.
func (d *decoder) tree() []FileOp {
	silent := d.silent
	d.silent, d.inTree = true, true
	defer func() { d.silent, d.inTree = silent, false }()
	var ops []FileOp
	for _, n := range d.inst.block.nested {
		if n.kind == "compression" {
			continue
		}
		if n.dynamic == nil {
			ops = append(ops, d.fileOp(n, n.labels))
			continue
		}
		ops = append(ops, d.dynamicOps(n)...)
	}
	d.checkWhiteouts(ops)
	return ops
}

// checkWhiteouts reports whiteouts of paths at or below which another block has
// an entry. What copies find is known to the plan alone, which checks it as well.
func (d *decoder) checkWhiteouts(ops []FileOp) {
	hidden := map[string]*FileOp{}
	for i, n := range ops {
		if n.Kind == OpWhiteout && !n.Opaque && n.To != "" {
			hidden[n.To] = &ops[i]
		}
	}
	if len(hidden) == 0 {
		return
	}
	for _, n := range ops {
		for p := n.To; p != "" && p != "."; p = path.Dir(p) {
			w := hidden[p]
			if w == nil || n.Kind == OpCopy || n.Kind == OpWhiteout && !n.Opaque && n.To == p {
				continue
			}
			d.err(w.Range, "The path %s is whited out here, and at %s there is a %s block for %s. "+
				"A whiteout hides lower layers alone, and what a layer has at a path replaces what they have: remove the whiteout. "+
				"To hide what lower layers have in a directory, set opaque = true.",
				eval.Quote("/"+p), eval.Place(n.Range), n.Kind, eval.Quote("/"+n.To))
		}
	}
}

// dynamicOps decodes a dynamic block, once for each element.
func (d *decoder) dynamicOps(n *nestedBlock) []FileOp {
	g := d.raw(attributes{{name: "for_each", expr: n.dynamic.forEach}}, "for_each")
	if g.reported {
		return nil
	}
	d.depend(n.dynamic.forEach, true)
	v := g.value
	if !g.set || !v.IsKnown() || v.HasMark(eval.Sensitive{}) || !v.CanIterateElements() {
		d.err(n.dynamic.forEach.Range(), "for_each of a dynamic block must be a list, set, map or object that is known when the plan is made and not sensitive.")
		return nil
	}
	if v.LengthInt() > maxInstances {
		d.err(n.dynamic.forEach.Range(), "for_each of a dynamic block may have at most %d elements.", maxInstances)
		return nil
	}
	outer := d.in
	defer func() { d.in = outer }()
	var ops []FileOp
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if v.Type().IsSetType() {
			key = value
		}
		inner := *outer
		inner.iterator = n.dynamic.iterator
		inner.item = cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})
		d.in = &inner
		labels, ok := d.dynamicLabels(n)
		if ok {
			ops = append(ops, d.fileOp(n, labels))
		}
	}
	return ops
}

// dynamicLabels evaluates the labels of a dynamic block for one element.
func (d *decoder) dynamicLabels(n *nestedBlock) ([]string, bool) {
	wanted := 1
	if n.kind == string(OpCopy) {
		wanted = 0
	}
	var labels []string
	var g attrValue
	if n.dynamic.labels != nil {
		labels, g = d.stringList(attributes{{schema: schema.Of(KindLayer).Block("dynamic").Attribute("labels"), name: "labels", expr: n.dynamic.labels}}, "labels")
		if g.reported {
			return nil, false
		}
		d.mustKnow(g)
		if g.set && !g.ok {
			return nil, false
		}
	}
	if len(labels) != wanted {
		d.err(n.labelRng, "A %s block has %d labels, so labels must be a list of %d strings.", n.kind, wanted, wanted)
		return nil, false
	}
	return labels, true
}

// fileOp decodes one block.
func (d *decoder) fileOp(b *nestedBlock, labels []string) FileOp {
	n := FileOp{Kind: OpKind(b.kind), Range: b.rng}
	if len(labels) > 0 {
		rootAllowed := n.Kind == OpDirectory || n.Kind == OpWhiteout
		n.To, _ = d.imagePath(labels[0], b.labelRng, rootAllowed)
	}
	d.owner(b, &n)
	n.Mode = d.mode(b.attrs, "mode")
	switch n.Kind {
	case OpCopy:
		d.copyOp(b, &n)
	case OpFile:
		d.contentOp(b, &n)
	case OpSymlink:
		d.symlinkOp(b, &n)
	case OpHardlink:
		target, g := d.plannedText(b.attrs, "target")
		if !g.set {
			d.reportMissing(b.incomplete, b.rng, "A hardlink needs a target: the path of a file in this layer.")
		} else if g.ok {
			n.Target, _ = d.imagePath(target, g.rng, false)
		}
	case OpWhiteout:
		n.Opaque, n.Expand = d.flag(b.attrs, "opaque"), d.flag(b.attrs, "expand")
		if n.Expand && !n.Opaque {
			d.err(b.attrs.named("expand").expr.Range(), "expand is for opaque whiteouts: set opaque = true, or remove expand.")
		}
		if n.To == "" && !n.Opaque {
			d.err(b.labelRng, "The root cannot be whited out. opaque = true hides all that is in it.")
		}
	}
	return n
}

// owner decodes what most blocks have: owner, time, xattrs and capabilities.
func (d *decoder) owner(b *nestedBlock, n *FileOp) {
	const most = 1<<32 - 2
	n.UID = d.integer(b.attrs, "uid", 0, most)
	n.GID = d.integer(b.attrs, "gid", 0, most)
	var g attrValue
	n.Mtime, g = d.timestamp(b.attrs, "mtime", true)
	d.mustKnow(g)
	n.Xattrs, g = d.textMap(b.attrs, "xattrs")
	d.mustKnow(g)
	for name := range n.Xattrs {
		if space, rest, _ := strings.Cut(name, "."); space == "" || rest == "" || strings.ContainsAny(name, "=\x00") {
			d.err(g.rng, "%s is not the name of an extended attribute: it has a prefix such as user. or security.", g.quote(name))
		}
	}
	n.Capabilities, g = d.plannedText(b.attrs, "capabilities")
	if g.ok && !capabilityPattern().MatchString(n.Capabilities) {
		d.err(g.rng, "capabilities is %s, but must be in the form of cap_from_text: \"net_bind_service=+ep\".", g.quote(n.Capabilities))
	}
}

var capabilityPattern = imagespec.Pattern(`^(?i:[a-z_][a-z0-9_]*(?:,[a-z_][a-z0-9_]*)*)?(?:[=+-][eip]*)+(?:\s+(?i:[a-z_][a-z0-9_]*(?:,[a-z_][a-z0-9_]*)*)?(?:[=+-][eip]*)+)*$`)

func (d *decoder) copyOp(b *nestedBlock, n *FileOp) {
	var g attrValue
	n.From, g = d.sourcePath(b.attrs, "from")
	if !g.set {
		d.reportMissing(b.incomplete, b.rng, "A copy needs from: what it copies.")
	}
	for _, file := range []string{d.s.p.layoutPath, d.s.p.archivePath} {
		if file, ok := d.s.p.inside(file); ok && g.ok && n.relative(file) != "" {
			n.Written = append(n.Written, n.relative(file))
		}
	}
	n.Into = true
	if to, g := d.plannedText(b.attrs, "to"); g.ok {
		n.To, _ = d.imagePath(to, g.rng, true)
		n.Into = strings.HasSuffix(to, "/")
	}
	d.ignoreFile(b, n)
	n.Include = d.globs(b.attrs, "include", false)
	n.Exclude = d.globs(b.attrs, "exclude", b.attrs.named("ignore_file") != nil)
	n.DirMode = d.mode(b.attrs, "dir_mode")
	n.Metadata = Normalize
	if text, g := d.plannedText(b.attrs, "metadata"); g.ok {
		known := g.schema.Values
		if n.Metadata = Metadata(text); !slices.Contains(known, text) {
			d.err(g.rng, "metadata is %s.%s", g.quote(text), suggest.ClosestOrAll(text, known))
		}
	}
}

// globs decodes a list of patterns; follows is set where other patterns come before
// it, from which the first one may be an exception.
func (d *decoder) globs(attrs attributes, name string, follows bool) []string {
	list, g := d.stringList(attrs, name)
	d.mustKnow(g)
	for i, pattern := range list {
		pattern, negated := strings.CutPrefix(pattern, "!")
		switch {
		case pattern == "" || !doublestar.ValidatePattern(pattern):
			d.err(g.rng, "%s contains %s, which is no pattern: * ? [a-z] {a,b} and ** match parts of paths.", name, g.quote(list[i]))
		case negated && i == 0 && !follows:
			d.err(g.rng, "%s begins with %s, but there is no pattern before it that it could be an exception from.", name, g.quote(list[i]))
		case path.IsAbs(pattern) || slices.Contains(strings.Split(pattern, "/"), ".."):
			d.err(g.rng, "%s contains %s. Patterns are relative to from and stay in it.", name, g.quote(pattern))
		case negated:
			list[i] = "!" + path.Clean(pattern)
		default:
			list[i] = path.Clean(pattern)
		}
	}
	return list
}

func (d *decoder) contentOp(b *nestedBlock, n *FileOp) {
	content, g := d.text(b.attrs, "content")
	source, src := d.sourcePath(b.attrs, "source")
	switch {
	case g.set && src.set:
		d.err(src.rng, "A file has content or source, not both.")
	case !g.set && !src.set:
		d.reportMissing(b.incomplete, b.rng, "A file needs content, or source: a file to copy. For an empty file, write content = \"\".")
	}
	n.Source = source
	n.HasContent = g.set
	n.ContentUnknown = g.set && !g.ok
	n.ContentSensitive = g.sensitive
	n.Content = content
}

func (d *decoder) symlinkOp(b *nestedBlock, n *FileOp) {
	target, g := d.plannedText(b.attrs, "target")
	switch {
	case !g.set:
		d.reportMissing(b.incomplete, b.rng, "A symlink needs a target: the text that it holds.")
	case g.ok && (target == "" || strings.ContainsRune(target, 0) || len(target) > imagespec.MaxPath):
		d.err(g.rng, "The target of a symlink has 1 to %d bytes, none of them NUL.", imagespec.MaxPath)
	default:
		n.Target = target
	}
}

// imagePath cleans a path in the image: absolute, without "..". The result has
// no leading slash; the root is "".
func (d *decoder) imagePath(text string, rng hcl.Range, rootAllowed bool) (string, bool) {
	parts := strings.Split(text, "/")
	problem := ""
	switch {
	case strings.ContainsRune(text, 0):
		problem = "contains a NUL character"
	case !path.IsAbs(text):
		problem = "must be absolute: start it with a slash"
	case slices.Contains(parts, ".."):
		problem = "must not contain \"..\""
	case slices.ContainsFunc(parts, imagespec.IsWhiteout):
		problem = fmt.Sprintf("has a part that starts with %q, which marks deletions in layers; use a whiteout block", imagespec.WhiteoutPrefix)
	case imagespec.TooLong(text):
		problem = fmt.Sprintf("is too long: at most %d bytes, and %d for each part", imagespec.MaxPath, imagespec.MaxName)
	case path.Clean(text) == "/" && !rootAllowed:
		problem = "must not be the root"
	}
	if problem != "" {
		d.err(rng, "The path %s %s.", eval.Quote(text), problem)
		return "", false
	}
	return strings.TrimPrefix(path.Clean(text), "/"), true
}

var modePattern = imagespec.Pattern(`^[0-7]{3,5}$`)

// mode is a mode written as an octal string, nil when it is not set or not right.
func (d *decoder) mode(attrs attributes, name string) *uint32 {
	g := d.raw(attrs, name)
	if !g.set || g.reported {
		return nil
	}
	if v, _ := g.value.Unmark(); v.IsKnown() && v.Type() == cty.Number {
		d.err(g.rng, "%s must be a string of octal digits, such as \"0755\": without quotation marks it is a decimal number.", name)
		return nil
	}
	text, g := d.plannedText(attrs, name)
	if !g.ok {
		return nil
	}
	n, err := strconv.ParseUint(text, 8, 32)
	if err != nil || !modePattern().MatchString(text) || n > 0o7777 {
		d.err(g.rng, "%s is %s, but must be octal digits from \"0000\" to \"07777\", such as \"0755\".", name, g.quote(text))
		return nil
	}
	mode := uint32(n)
	return &mode
}
