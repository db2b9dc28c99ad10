package spec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
	"github.com/layform/layform/spec/schema"
)

// module is the scope of a spec after parsing: declarations by name, with expressions
// that can be evaluated. A spec has one, its root. It does not change once Load is done.
type module struct {
	files   map[string]*hcl.File
	library *eval.Library
	version string

	name       string
	layoutPath string
	// archivePath is empty where the layout has no archive.
	archivePath  string
	archiveRange hcl.Range
	layforms     []*plainBlock
	layouts      []*plainBlock
	variables    map[string]*variable
	locals       map[string]*local
	blocks       map[Address]*block
	outputs      map[string]*output
	imports      []Import

	// checkOnly is that of LoadOptions.
	checkOnly bool
	// evaluated is that of LoadOptions.
	evaluated func(Address)
	// instances are all objects by address, needed or not; addresses those that
	// have to be built.
	instances map[Address]*instance
	addresses []Address
	// images are the images of bases, if resolved is set.
	images   map[Address]*BaseImage
	resolved bool

	// watch is shared by all evaluations during Load.
	watch *eval.Watch
}

// plainBlock is a layform or layout block.
type plainBlock struct {
	rng   hcl.Range
	attrs attributes
}

// local is one value of a locals block.
type local struct {
	name string
	rng  hcl.Range
	expr *eval.Expression
	// fixed is the value when nothing that it refers to is built; it is set for
	// locals that refer to no object.
	fixed cty.Value
	// refs are all references to objects, those of other locals included.
	refs []eval.Reference
}

// block is a base, layer, config, manifest or index block.
type block struct {
	addr Address
	rng  hcl.Range
	// syntax is nil once nothing evaluates the block any more; see settle.
	*syntax
	// mediaType is what decoder.mediaType said while there was a syntax.
	mediaType string
	forEach   *eval.Expression
	// keys are the addresses of the instances, in order. wrong is set when
	// for_each could not be evaluated.
	keys    []string
	invalid bool
}

// syntax is what an object is evaluated from.
type syntax struct {
	// missing is the place for a complaint about an absent attribute. incomplete
	// is set when the block holds something that could not be understood, which
	// may be the attribute that seems absent.
	missing    hcl.Range
	incomplete bool
	attrs      attributes
	nested     []*nestedBlock
}

// instance is one object of a block.
type instance struct {
	addr  Address
	block *block
	// each is the value of each; unset without for_each.
	each cty.Value
}

// nestedBlock is a block inside of a layer.
type nestedBlock struct {
	kind   string
	labels []string
	// labelRng is the place of the first label, or of the header.
	labelRng hcl.Range
	rng      hcl.Range
	attrs    attributes
	// incomplete is set as for a block.
	incomplete bool
	// dynamic is set for the content of a dynamic block.
	dynamic *dynamic
}

// dynamic repeats a nested block.
type dynamic struct {
	forEach  *eval.Expression
	labels   *eval.Expression
	iterator string
}

// output is an output block.
type output struct {
	name        string
	rng         hcl.Range
	attrs       attributes
	description string
	sensitive   bool
}

func newModule(dir string, version string) *module {
	p := &module{
		files:     map[string]*hcl.File{},
		library:   eval.NewLibrary(dir),
		version:   version,
		watch:     &eval.Watch{},
		name:      "default",
		variables: map[string]*variable{},
		locals:    map[string]*local{},
		blocks:    map[Address]*block{},
		outputs:   map[string]*output{},
		instances: map[Address]*instance{},
	}
	return p
}

// declare takes in the blocks of all files, and lets go of the syntax tree of each, from
// which it has taken the expressions.
func (p *module) declare(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, b := range blocks {
		blocks[i] = nil
		switch b.Type {
		case "layform":
			plain, more := p.plain(b)
			p.layforms = append(p.layforms, plain)
			diags = append(diags, more...)
		case "layout":
			plain, more := p.plain(b)
			p.layouts = append(p.layouts, plain)
			diags = append(diags, more...)
		case "variable":
			diags = append(diags, p.declareVariable(b)...)
		case "locals":
			diags = append(diags, p.declareLocals(b)...)
		case "output":
			diags = append(diags, p.declareOutput(b)...)
		case "import":
			diags = append(diags, p.declareImport(b)...)
		default:
			diags = append(diags, p.declareObject(b)...)
		}
	}
	return diags
}

func (p *module) plain(b *hcl.Block) (*plainBlock, hcl.Diagnostics) {
	language := schema.Named(b.Type)
	content, diags := language.Content(b.Body)
	attrs, more := attributesOf(language, content)
	return &plainBlock{rng: b.DefRange, attrs: attrs}, append(diags, more...)
}

func (p *module) declareLocals(b *hcl.Block) hcl.Diagnostics {
	attrs, diags := b.Body.JustAttributes()
	for _, name := range keysOf(attrs) {
		a := attrs[name]
		if problem := checkName("local value", name, a.NameRange); problem != nil {
			diags = append(diags, problem)
			continue
		}
		if other, ok := p.locals[name]; ok {
			diags = append(diags, duplicate("local value", name, a.NameRange, other.rng))
			continue
		}
		e, more := eval.NewExpression(a.Expr)
		diags = append(diags, more...)
		p.locals[name] = &local{name: name, rng: a.NameRange, expr: e}
	}
	return diags
}

func (p *module) declareOutput(b *hcl.Block) hcl.Diagnostics {
	language := schema.Named("output")
	content, diags := language.Content(b.Body)
	attrs, more := attributesOf(language, content)
	diags = append(diags, more...)
	name := b.Labels[0]
	if problem := checkName("output", name, b.LabelRanges[0]); problem != nil {
		return append(diags, problem)
	}
	if other, ok := p.outputs[name]; ok {
		return append(diags, duplicate("output", name, b.DefRange, other.rng))
	}
	o := &output{name: name, rng: b.DefRange, attrs: attrs}
	if e := attrs.named("description"); e != nil {
		v, more := p.constant(e.expr, e.schema, "An output's description")
		diags = append(diags, more...)
		if !more.HasErrors() && !v.IsNull() {
			o.description = v.AsString()
		}
	}
	if e := attrs.named("sensitive"); e != nil {
		v, more := p.constant(e.expr, e.schema, "An output's sensitive argument")
		diags = append(diags, more...)
		o.sensitive = !more.HasErrors() && !v.IsNull() && v.True()
	}
	p.outputs[name] = o
	return diags
}

func (p *module) declareObject(b *hcl.Block) hcl.Diagnostics {
	addr := Address{Kind: Kind(b.Type), Name: b.Labels[0]}
	language := schema.Of(addr.Kind)
	content, diags := language.Content(b.Body)
	attrs, more := attributesOf(language, content)
	diags = append(diags, more...)
	o := &block{addr: addr, rng: b.DefRange, syntax: &syntax{missing: content.MissingItemRange, attrs: attrs, incomplete: diags.HasErrors()}}
	if a := attrs.named("for_each"); a != nil {
		o.forEach = a.expr
		o.attrs = attrs.without("for_each")
	}
	for _, inner := range content.Blocks {
		n, more := p.nested(inner)
		diags = append(diags, more...)
		if n != nil {
			o.nested = append(o.nested, n)
		} else {
			o.incomplete = true
		}
	}
	if problem := checkName(string(addr.Kind), addr.Name, b.LabelRanges[0]); problem != nil {
		return append(diags, problem)
	}
	if other, ok := p.blocks[addr]; ok {
		return append(diags, duplicate(string(addr.Kind), addr.Name, b.DefRange, other.rng))
	}
	p.blocks[addr] = o
	return diags
}

// nested takes in a block inside of a layer.
func (p *module) nested(b *hcl.Block) (*nestedBlock, hcl.Diagnostics) {
	if b.Type == "dynamic" {
		return p.dynamic(b)
	}
	language := schema.Of(KindLayer).Block(b.Type)
	content, diags := language.Content(b.Body)
	attrs, more := attributesOf(language, content)
	n := &nestedBlock{
		kind: b.Type, labels: b.Labels, labelRng: b.DefRange, rng: b.DefRange, attrs: attrs, incomplete: diags.HasErrors() || more.HasErrors(),
	}
	if len(b.LabelRanges) > 0 {
		n.labelRng = b.LabelRanges[0]
	}
	return n, append(diags, more...)
}

func (p *module) dynamic(b *hcl.Block) (*nestedBlock, hcl.Diagnostics) {
	kind := b.Labels[0]
	language := schema.Of(KindLayer).Block(kind)
	if candidates := schema.Repeatable(); !slices.Contains(candidates, kind) {
		return nil, hcl.Diagnostics{eval.Errorf(b.LabelRanges[0].Ptr(), "Invalid dynamic block", "A layer has no blocks of type %q.%s", kind, suggest.ClosestOrAll(kind, candidates))}
	}
	content, diags := schema.Of(KindLayer).Block("dynamic").Content(b.Body)
	if diags.HasErrors() {
		return nil, diags
	}
	attrs := content.Attributes
	d := &dynamic{iterator: kind}
	var more hcl.Diagnostics
	d.forEach, more = eval.NewExpression(attrs["for_each"].Expr)
	diags = append(diags, more...)
	if a, ok := attrs["labels"]; ok {
		d.labels, more = eval.NewExpression(a.Expr)
		diags = append(diags, more...)
	}
	if a, ok := attrs["iterator"]; ok {
		d.iterator = hcl.ExprAsKeyword(a.Expr)
		if d.iterator == "" || slices.Contains(append([]string{rootVar, rootLocal, rootEach}, addr.KindNames()...), d.iterator) {
			diags = append(diags, eval.Errorf(a.Expr.Range().Ptr(), "Invalid iterator name", "An iterator is a bare name that means nothing else in a spec."))
		}
	}
	if len(content.Blocks) != 1 {
		return nil, append(diags, eval.Errorf(b.DefRange.Ptr(), "Invalid dynamic block", "A dynamic block has exactly one content block."))
	}
	inner, more := language.Content(content.Blocks[0].Body)
	diags = append(diags, more...)
	n := &nestedBlock{kind: kind, labelRng: b.DefRange, rng: b.DefRange, dynamic: d, incomplete: more.HasErrors()}
	n.attrs, more = attributesOf(language, inner)
	if d.labels != nil {
		n.labelRng = d.labels.Range()
	}
	return n, append(diags, more...)
}

// checkName checks the name of a block: it has to work in a reference.
func checkName(what, name string, rng hcl.Range) *hcl.Diagnostic {
	if hclsyntax.ValidIdentifier(name) && len(name) <= 128 {
		return nil
	}
	return eval.Errorf(&rng, "Invalid name", "The name of a %s starts with a letter or underscore and consists of at most 128 letters, digits, underscores and dashes.", what)
}

func duplicate(what, name string, rng, other hcl.Range) *hcl.Diagnostic {
	return eval.Errorf(&rng, "Duplicate "+what, "%s named %q was declared already at %s. Names are unique in a spec.", article(what), name, eval.Place(other))
}

// article puts the indefinite article before a noun that starts a sentence.
func article(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "An " + noun
	}
	return "A " + noun
}
