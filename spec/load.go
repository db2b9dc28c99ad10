package spec

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/schema"
)

// loading is one run of Load.
type loading struct {
	p         *module
	dir       string
	opts      LoadOptions
	sources   []Source
	variables []Variable
	// first are the objects as they are with nothing built.
	first map[Address]*answer
	// schedule is nil as long as the sources could not be read, and bases are those
	// that something refers to.
	schedule *schedule
	bases    []BaseRequest
}

// answer is a result of Evaluate.
type answer struct {
	object *Object
	diags  hcl.Diagnostics
}

// begin does the steps of Load until it is known which bases the spec has. It goes
// on after mistakes where what follows can still be judged.
func (l *loading) begin() hcl.Diagnostics {
	diags := l.read()
	unread := diags.HasErrors()
	more, parsed := l.declare()
	if diags = append(diags, more...); unread || !parsed {
		return diags // names may be declared in what could not be read
	}
	diags = append(diags, l.p.assignVariables(l.dir, l.opts)...)
	diags = append(diags, l.p.checkAllNames()...)
	l.schedule, more = l.p.schedule()
	diags = append(diags, more...)
	diags = append(diags, l.p.evaluateGraph(l.schedule, false)...)
	l.bases, more = l.p.requestBases()
	return append(diags, more...)
}

// resolve looks for the bases, where the spec is right so far.
func (l *loading) resolve(diags hcl.Diagnostics) hcl.Diagnostics {
	if len(l.bases) == 0 {
		l.p.resolved = true
		return nil
	}
	if l.opts.Bases == nil || diags.HasErrors() {
		return nil
	}
	var more hcl.Diagnostics
	l.p.images, more = l.opts.Bases(l.bases)
	l.p.resolved = !more.HasErrors()
	return more
}

// finish does the steps that remain after begin and resolve.
func (l *loading) finish(diags hcl.Diagnostics) hcl.Diagnostics {
	diags = append(diags, l.p.evaluateGraph(l.schedule, true)...)
	for _, name := range keysOf(l.p.variables) {
		diags = append(diags, l.p.validate(l.p.variables[name])...)
	}
	diags = append(diags, l.p.header()...)
	diags = append(diags, l.p.checkImports()...)
	more, checks := l.objects()
	diags = append(diags, more...)
	failed := diags.HasErrors() || l.p.hasUnset()
	for _, d := range checks {
		// What looks unused may be used where something is wrong.
		if d.Severity == hcl.DiagError || !failed {
			diags = append(diags, d)
		}
	}
	if diags.HasErrors() || l.opts.CheckOnly {
		return diags
	}
	for _, name := range keysOf(l.p.variables) {
		r, err := l.p.variables[name].record()
		if err != nil {
			return append(diags, l.p.variables[name].problem(l.p.variables[name].rng, fmt.Sprintf("its value cannot be kept: %s.", err)))
		}
		l.variables = append(l.variables, r)
	}
	return diags
}

// tooManySources says that the files of a spec are too large together.
func tooManySources(name string) *hcl.Diagnostic {
	return eval.Errorf(&hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}, "Spec too large", "With this file the spec has more than %d MiB, or %d names, values and punctuation marks. Make more of it with for_each, or put data into files that functions read.", eval.MaxSpecSize>>20, eval.MaxSpecTokens)
}

// declare parses the sources and declares their blocks, with those of overrides
// merged into them. It reports whether all could be parsed.
func (l *loading) declare() (diags hcl.Diagnostics, parsed bool) {
	var blocks hcl.Blocks
	var overrides []hcl.Blocks
	size, tokens, parsed := 0, 0, true
	for _, src := range l.sources {
		if size += len(src.Text); size > eval.MaxSpecSize || tokens > eval.MaxSpecTokens {
			return append(diags, tooManySources(src.Name)), false
		}
		f, count, more := eval.ParseCounted(src.Name, src.Text)
		tokens += count
		l.p.watch.Progress()
		diags = append(diags, more...)
		l.p.files[src.Name] = eval.Detached(src.Name, f)
		if more.HasErrors() {
			parsed = false
			continue // what could not be parsed would only be misunderstood
		}
		content, more := schema.Content(f.Body)
		diags = append(diags, more...)
		if IsOverride(src.Name) && len(l.sources) > 1 {
			overrides = append(overrides, content.Blocks)
		} else {
			blocks = append(blocks, content.Blocks...)
		}
	}
	for _, over := range overrides {
		diags = append(diags, override(blocks, over)...)
	}
	return append(diags, l.p.declare(blocks)...), parsed
}

// read finds the sources and reads them.
func (l *loading) read() hcl.Diagnostics {
	if l.opts.Sources != nil {
		l.sources = slices.SortedFunc(slices.Values(l.opts.Sources), func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
		return nil
	}
	names, problem := l.sourceNames()
	if problem != nil {
		return hcl.Diagnostics{problem}
	}
	var diags hcl.Diagnostics
	size := 0
	for _, name := range names {
		text, err := eval.ReadInside(l.dir, name, eval.MaxSourceSize)
		if err != nil {
			diags = append(diags, eval.Errorf(nil, "Unreadable file", "%s", sentence(err)))
			continue
		}
		if size += len(text); size > eval.MaxSpecSize {
			return append(diags, tooManySources(name))
		}
		l.sources = append(l.sources, Source{Name: name, Text: eval.SourceText(text)})
	}
	return diags
}

func (l *loading) sourceNames() ([]string, *hcl.Diagnostic) {
	if f := l.opts.File; f != "" {
		if filepath.Base(f) != f {
			return nil, eval.Errorf(nil, "Unreadable file", "%q is not the name of a file in the directory of the spec.", f)
		}
		return []string{f}, nil
	}
	all, problem := listFiles(l.dir)
	if problem != nil {
		return nil, problem
	}
	names := slices.DeleteFunc(all, func(name string) bool { return !IsFile(name) })
	if len(names) == 0 {
		return nil, eval.Errorf(nil, "No spec", "There is no layform.hcl and no *.layform.hcl file in %s. Start one with \"layform init\", or name the directory with -C.", here(l.dir))
	}
	return names, nil
}

// IsFile reports whether a file of this name belongs to the spec of its directory.
func IsFile(name string) bool {
	for _, suffix := range []string{"layform.hcl", "layform.json"} {
		if name == suffix || strings.HasSuffix(name, "."+suffix) && !strings.HasPrefix(name, ".") {
			return true
		}
	}
	return false
}

// listFiles lists the names in a directory, sorted.
func listFiles(dir string) ([]string, *hcl.Diagnostic) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		detail := fmt.Sprintf("The directory of the spec cannot be read: %s.", err)
		if errors.Is(err, fs.ErrNotExist) {
			detail = fmt.Sprintf("There is no directory %s to read a spec from.", dir)
		}
		return nil, eval.Errorf(nil, "No spec", "%s", detail)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

// checkAllNames checks the references of everything that is declared.
func (p *module) checkAllNames() hcl.Diagnostics {
	var diags hcl.Diagnostics
	object := append([]string{rootVar, rootLocal}, addr.KindNames()...)
	for _, name := range keysOf(p.variables) {
		diags = append(diags, p.checkVariableNames(p.variables[name])...)
	}
	for _, name := range keysOf(p.locals) {
		diags = append(diags, p.checkNames(p.locals[name].expr, scope{what: "A local value", roots: object})...)
	}
	for _, name := range keysOf(p.outputs) {
		if a := p.outputs[name].attrs.named("value"); a != nil {
			diags = append(diags, p.checkNames(a.expr, scope{what: "An output", roots: object})...)
		}
	}
	for _, b := range p.blocks {
		roots := object
		if b.addr.Kind == KindBase { // it is found before anything is built
			roots = []string{rootVar, rootLocal}
		}
		if b.forEach != nil {
			diags = append(diags, p.checkNames(b.forEach, scope{what: "for_each", roots: object})...)
			roots = append(slices.Clone(roots), rootEach)
		}
		s := scope{what: "A " + string(b.addr.Kind) + " without for_each", roots: roots}
		for _, a := range b.attrs {
			diags = append(diags, p.checkNames(a.expr, s)...)
		}
		for _, n := range b.nested {
			inner := s
			if n.dynamic != nil {
				diags = append(diags, p.checkNames(n.dynamic.forEach, s)...)
				inner.iterator = n.dynamic.iterator
				if n.dynamic.labels != nil {
					diags = append(diags, p.checkNames(n.dynamic.labels, inner)...)
				}
			}
			for _, a := range n.attrs {
				diags = append(diags, p.checkNames(a.expr, inner)...)
			}
		}
	}
	return diags
}

// objects evaluates everything once, with nothing built, and checks the objects
// against each other.
func (l *loading) objects() (diags, checks hcl.Diagnostics) {
	objects := map[Address]*evaluated{}
	l.first = map[Address]*answer{}
	for addr, inst := range l.p.instances {
		s := newSession(l.p, nil)
		e, more := s.evaluate(inst)
		diags = append(diags, more...)
		known := e.object.Known()
		if layer, ok := e.object.Body.(*Layer); ok {
			diags = append(diags, l.p.enclosed(layer)...)
			if l.opts.CheckOnly {
				diags = append(diags, l.p.missingSources(layer, inst.block.rng)...)
				layer.Tree = nil // the checks need no trees
			}
			if known && len(more) == 0 { // of the others, the checks tell places
				s.settle(inst)
			}
		}
		if l.opts.CheckOnly {
			e.object.Fields = nil
		} else {
			l.first[addr] = &answer{e.object, eval.SortAndDedupe(more)}
		}
		objects[addr] = e
	}
	for _, b := range l.p.blocks {
		if b.invalid && b.forEach != nil {
			diags = append(diags, l.checkInvalidForEach(b)...)
		}
	}
	_, dependencies, more := newSession(l.p, nil).outputs()
	diags = append(diags, more...)
	diags = append(diags, l.p.enclosedSets()...)
	checks = l.p.check(objects, dependencies)
	l.settle()
	return diags, checks
}

// settle lets go of the syntax of all objects that stay as they are.
func (l *loading) settle() {
	s := newSession(l.p, nil)
	for addr, first := range l.first {
		if inst := l.p.instances[addr]; inst.block.syntax != nil && first.object.Known() && len(first.diags) == 0 {
			s.settle(inst)
		}
	}
}

// settle lets go of the syntax of a block whose values are all known: its object stays as
// it is, whatever is built. That of a block with for_each is one for many objects.
func (s *session) settle(inst *instance) {
	if b := inst.block; b.forEach == nil && !b.invalid {
		b.mediaType = s.mediaTypeOf(inst)
		b.syntax = nil
	}
}

// checkInvalidForEach evaluates a block whose for_each is wrong as far as it does not depend
// on each, so that its other mistakes are reported as well.
func (l *loading) checkInvalidForEach(b *block) hcl.Diagnostics {
	inst := &instance{addr: b.addr, block: b, each: cty.DynamicVal}
	_, diags := newSession(l.p, nil).evaluate(inst)
	return diags
}

// here names a directory at the end of a sentence.
func here(dir string) string {
	if dir == "." {
		return "this directory"
	}
	return fmt.Sprintf("%q", dir)
}
