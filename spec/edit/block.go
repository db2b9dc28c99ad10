package edit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
)

// blockOrder is the usual order of blocks in a spec.
var blockOrder = [...]string{"layform", "layout", "variable", "locals", "base", "layer", "config", "manifest", "index"}

// rank is the place of a type of block in blockOrder.
func rank(block string) int {
	if i := slices.Index(blockOrder[:], block); i >= 0 {
		return i
	}
	return len(blockOrder)
}

// Setting is an attribute of a new block, with its value as an expression.
type Setting struct{ Name, Expression string }

// NewName is a name for a new block of a kind, made from a text: what cannot stand in a
// name becomes a dash, and a number is added where a block has the name.
func (e *Editor) NewName(kind addr.Kind, text string) string {
	name := blockName(text)
	taken := e.Blocks(kind)
	for n := 2; slices.Contains(taken, addr.Address{Kind: kind, Name: name}); n++ {
		name = fmt.Sprintf("%s-%d", blockName(text), n)
	}
	return name
}

// AddBlock adds a block to the file of the block beside, or to the first file where
// that is zero: behind the blocks that usually come before one of its kind. A name that
// the spec has is refused.
func (e *Editor) AddBlock(a addr.Address, beside addr.Address, settings []Setting) error {
	if slices.Contains(e.Blocks(a.Kind), a) {
		return refuse("give it another name, or edit what is there", "the spec has a %s already", a)
	}
	d, err := e.fileFor(beside)
	if err != nil {
		return err
	}
	label, err := quote(a.Name)
	if err != nil {
		return err
	}
	lines := ""
	for _, s := range settings {
		lines += "  " + s.Name + " = " + indented(s.Expression, "  ") + "\n"
	}
	text := fmt.Sprintf("%s %s {\n%s}\n", a.Kind, label, lines)
	formatted, diags := Format([]byte(text), d.Name)
	if diags.HasErrors() {
		return diags
	}
	return d.addBlock(string(a.Kind), string(formatted))
}

// fileFor is the file for a new block.
func (e *Editor) fileFor(beside addr.Address) (*sourceFile, error) {
	if !beside.IsZero() {
		d, _, err := e.find(beside)
		return d, err
	}
	for _, d := range e.files {
		if !d.Override && d.body != nil {
			return d, nil
		}
	}
	return nil, refuse(e.jsonAdvice("layform init writes a spec"), "there is no *.layform.hcl file to edit")
}

// addBlock adds the text of a block behind the last one that usually comes before it.
func (d *sourceFile) addBlock(kind, text string) error {
	at, found := len(d.text), false
	for _, b := range d.blocks() {
		if rank(b.Type) <= rank(kind) {
			at, found = d.lineEnd(b.CloseBraceRange.End.Byte), true
		}
	}
	switch {
	case at == 0:
	case at > 0 && d.text[at-1] != '\n':
		text = "\n\n" + text
	default:
		text = "\n" + text
	}
	// A file that ends in comments alone keeps them in front.
	if found && at < len(d.text) && !strings.HasPrefix(d.text[at:], "\n") {
		text += "\n"
	}
	return d.edit(inserted(at, text))
}

// use is a place at which an object is named outside of its own block.
type use struct {
	file *sourceFile
	// block is what the attribute belongs to, and attribute the attribute.
	block     *hclsyntax.Block
	attribute *hclsyntax.Attribute
	reference eval.Reference
}

// uses lists the places that name the object of a block, moved blocks apart, which tell
// of names that were.
func (e *Editor) uses(a addr.Address) []use {
	var found []use
	for _, d := range e.files {
		for _, b := range d.blocks() {
			if b.Type != "moved" {
				found = append(found, usesIn(d, b, b.Body, a)...)
			}
		}
	}
	return found
}

func usesIn(d *sourceFile, b *hclsyntax.Block, body *hclsyntax.Body, a addr.Address) []use {
	var found []use
	for _, at := range body.Attributes {
		for _, r := range eval.FindReferences(at.Expr) {
			if named, ok := r.Block(); ok && named == a {
				found = append(found, use{d, b, at, r})
			}
		}
	}
	for _, inner := range body.Blocks {
		found = append(found, usesIn(d, b, inner.Body, a)...)
	}
	slices.SortFunc(found, func(x, y use) int {
		return x.reference.Range().Start.Byte - y.reference.Range().Start.Byte
	})
	return found
}

// Unused lists the blocks of a kind that no manifest and no index names.
func (e *Editor) Unused(kind addr.Kind) []addr.Address {
	return slices.DeleteFunc(e.Blocks(kind), func(a addr.Address) bool {
		return slices.ContainsFunc(e.uses(a), func(u use) bool {
			return u.block.Type == string(addr.Manifest) || u.block.Type == string(addr.Index)
		})
	})
}

// refuseJSON refuses to change a name that files of JSON may use.
func (e *Editor) refuseJSON(a addr.Address) error {
	for _, d := range e.files {
		if d.body == nil && strings.Contains(d.text, a.String()) {
			return refuse("change that file by hand, or what writes it", "%s is named in %s, which is JSON and is not edited", a, d.Name)
		}
	}
	return nil
}

// Remove takes blocks out of the spec, with the comments in front of them, and out of the
// lists of layers and manifests that spell them out; their import blocks go along. Where
// anything else needs one of them, that is refused, with the places.
func (e *Editor) Remove(addresses ...addr.Address) error {
	for _, a := range addresses {
		if _, _, err := e.find(a); err != nil {
			return err
		}
		if err := e.refuseJSON(a); err != nil {
			return err
		}
	}
	for _, a := range addresses {
		if places := e.needs(a, addresses); len(places) > 0 {
			return refuse("change or remove what needs it first", "%s is needed at %s", a, strings.Join(places, ", "))
		}
	}
	before := e.texts()
	for _, a := range addresses {
		if err := e.removeUses(a); err != nil {
			e.restore(before)
			return err
		}
	}
	return nil
}

// needs lists the places that need an object and stay when the addresses are removed.
func (e *Editor) needs(a addr.Address, removed []addr.Address) []string {
	var places []string
	for _, u := range e.uses(a) {
		_, _, listed := u.element()
		gone := slices.ContainsFunc(removed, func(r addr.Address) bool { return u.file.block(r) == u.block })
		if !listed && !u.imports() && !gone {
			places = append(places, eval.Place(u.reference.Range()))
		}
	}
	return places
}

// removeUses removes the blocks of an object, its import blocks, and the elements of
// lists that name it.
func (e *Editor) removeUses(a addr.Address) error {
	for _, d := range e.files {
		if b := d.block(a); b != nil {
			if err := d.removeBlock(b); err != nil {
				return err
			}
		}
	}
	for {
		uses := e.uses(a)
		i := slices.IndexFunc(uses, func(u use) bool { _, _, listed := u.element(); return listed || u.imports() })
		if i < 0 {
			return nil
		}
		err := error(nil)
		if tuple, at, listed := uses[i].element(); listed {
			err = uses[i].file.removeElement(tuple, at)
		} else {
			err = uses[i].file.removeBlock(uses[i].block)
		}
		if err != nil {
			return err
		}
	}
}

// imports says whether a use is the object that an import block is for.
func (u use) imports() bool { return u.block.Type == "import" && u.attribute.Name == "to" }

// element is the list that a use is an element of, where the list is written out and the
// element is the object alone.
func (u use) element() (*hclsyntax.TupleConsExpr, int, bool) {
	if u.attribute.Name != "layers" && u.attribute.Name != "manifests" {
		return nil, 0, false
	}
	tuple, ok := u.attribute.Expr.(*hclsyntax.TupleConsExpr)
	if !ok {
		return nil, 0, false
	}
	for i, e := range tuple.Exprs {
		switch e.(type) {
		case *hclsyntax.ScopeTraversalExpr, *hclsyntax.IndexExpr:
			if e.Range().Start == u.reference.Range().Start {
				return tuple, i, true
			}
		}
	}
	return nil, 0, false
}

// removeBlock removes the lines of a block, those of the comment in front of it, and one
// empty line. The comment in front of several import blocks is for all of them, and stays.
func (d *sourceFile) removeBlock(b *hclsyntax.Block) error {
	start, end := d.lineStart(b.TypeRange.Start.Byte), d.lineEnd(b.CloseBraceRange.End.Byte)
	tokens, _ := hclsyntax.LexConfig([]byte(d.text), d.Name, hcl.InitialPos) // which was parsed
	shared := b.Type == "import" && d.followed(b)
	for _, t := range slices.Backward(tokens) {
		if !shared && t.Range.End.Byte == start && t.Type == hclsyntax.TokenComment && d.lineStart(t.Range.Start.Byte) == t.Range.Start.Byte {
			start = t.Range.Start.Byte
		}
	}
	switch {
	case strings.HasPrefix(d.text[end:], "\n"):
		end++
	case end == len(d.text) && strings.HasSuffix(d.text[:start], "\n\n"):
		start--
	}
	return d.edit(splice{start, end, ""})
}

// followed says whether the next block is of the same type.
func (d *sourceFile) followed(b *hclsyntax.Block) bool {
	blocks := d.blocks()
	i := slices.Index(blocks, b) + 1
	return i < len(blocks) && blocks[i].Type == b.Type
}

// Rename gives a block another name, wherever the spec names it. The new name must be an
// identifier that no block of the kind has.
func (e *Editor) Rename(a addr.Address, name string) error {
	to := addr.Address{Kind: a.Kind, Name: name}
	if _, _, err := e.find(a); err != nil {
		return err
	}
	if !hclsyntax.ValidIdentifier(name) {
		return refuse(fmt.Sprintf("%s would be one", blockName(name)), "%q is no name of a block, which expressions can write", name)
	}
	if slices.Contains(e.Blocks(a.Kind), to) {
		return refuse("choose a name that is free", "the spec has a %s already", to)
	}
	if err := e.refuseJSON(a); err != nil {
		return err
	}
	label, err := quote(name)
	if err != nil {
		return err
	}
	splices := map[*sourceFile][]splice{}
	for _, u := range e.uses(a) {
		_, r, _ := u.reference.Name()
		text := "." + name
		if strings.HasPrefix(u.file.text[r.Start.Byte:], "[") {
			text = "[" + label + "]"
		}
		splices[u.file] = append(splices[u.file], replaced(r, text))
	}
	for _, f := range e.files {
		if b := f.block(a); b != nil {
			splices[f] = append(splices[f], replaced(b.LabelRanges[0], label))
		}
	}
	before := e.texts()
	for f, list := range splices {
		if err := f.edit(list...); err != nil {
			e.restore(before)
			return err
		}
	}
	return nil
}

// texts are the texts of all files, and restore brings them back.
func (e *Editor) texts() []string {
	texts := make([]string, len(e.files))
	for i, d := range e.files {
		texts[i] = d.text
	}
	return texts
}

func (e *Editor) restore(texts []string) {
	for i, d := range e.files {
		if d.text = texts[i]; d.body != nil {
			_ = d.parse() // which it did before
		}
	}
}
