package edit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
)

// File is one file of a spec, with its content on disk.
type File struct {
	Name string
	Text []byte
	// Override is set for a file that changes the blocks of others.
	Override bool
}

// Change is a file that edits change.
type Change struct {
	Name          string
	Before, After []byte
}

// RefusedError is an edit that cannot be made as it was asked for. The text of the
// spec is then unchanged by it.
type RefusedError struct{ Message, Advice string }

// Error is the message.
func (e *RefusedError) Error() string { return e.Message }

// Hint is the next step to take.
func (e *RefusedError) Hint() string { return e.Advice }

func refuse(advice, format string, args ...any) error {
	return &RefusedError{Message: fmt.Sprintf(format, args...), Advice: advice}
}

// Editor edits the blocks of a spec. Comments and the order of what is written stay, a
// file that was formatted is formatted afterwards, and of any other file nothing changes
// but what is edited. It edits the native syntax; files of JSON are only read for names.
type Editor struct{ files []*sourceFile }

// New parses the files of a spec, which must be right as far as the syntax goes.
func New(files []File) (*Editor, hcl.Diagnostics) {
	e := &Editor{}
	var diags hcl.Diagnostics
	for _, f := range files {
		d, more := newSourceFile(f)
		diags = append(diags, more...)
		e.files = append(e.files, d)
	}
	if diags.HasErrors() {
		return nil, diags
	}
	return e, nil
}

// Changes lists the files that differ from what they were, in the order of New.
func (e *Editor) Changes() []Change {
	var changes []Change
	for _, d := range e.files {
		if after := d.result(); !bytes.Equal(after, d.Text) {
			changes = append(changes, Change{Name: d.Name, Before: d.Text, After: after})
		}
	}
	return changes
}

// Texts are all files as the edits leave them, by name.
func (e *Editor) Texts() map[string][]byte {
	texts := map[string][]byte{}
	for _, d := range e.files {
		texts[d.Name] = d.result()
	}
	return texts
}

// Blocks lists the blocks of a kind, in the order of the files and of what is in them.
func (e *Editor) Blocks(kind addr.Kind) []addr.Address {
	var found []addr.Address
	for _, d := range e.files {
		if d.Override {
			continue
		}
		for _, b := range d.blocks() {
			if b.Type == string(kind) && len(b.Labels) == 1 {
				found = append(found, addr.Address{Kind: kind, Name: b.Labels[0]})
			}
		}
	}
	return found
}

// Only is the one block of a kind that the spec has. Where it has none or several, that
// is a RefusedError which lists them.
func (e *Editor) Only(kind addr.Kind) (addr.Address, error) {
	found := e.Blocks(kind)
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) == 0:
		return addr.Address{}, refuse(e.jsonAdvice("layform reference "+string(kind)+" shows how one is written"), "the spec has no %s", kind)
	}
	return addr.Address{}, refuse("name one of "+addressList(found), "the spec has %d blocks of type %s, and nothing says which is meant", len(found), kind)
}

func addressList(found []addr.Address) string {
	texts := make([]string, len(found))
	for i, a := range found {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// jsonAdvice is advice for a name that no file of the native syntax has.
func (e *Editor) jsonAdvice(otherwise string) string {
	for _, d := range e.files {
		if d.body == nil {
			return d.Name + " is JSON, which edits do not change: change it by hand, or what writes it"
		}
	}
	return otherwise
}

// find is the block of an address, and the file that it is in.
func (e *Editor) find(a addr.Address) (*sourceFile, *hclsyntax.Block, error) {
	if a.Keyed {
		if _, b, err := e.find(a.Block()); err != nil || b.Body.Attributes["for_each"] == nil {
			return nil, nil, refuse("leave out the key", "the spec has no %s: nothing makes several objects of %s", a, a.Block())
		}
		return nil, nil, refuse(
			fmt.Sprintf("edit %s, which changes all of them, or write an expression with each.key into the file", a.Block()),
			"%s is one of the objects that for_each makes of %s, and has no text of its own", a, a.Block())
	}
	for _, d := range e.files {
		if d.Override {
			continue
		}
		if b := d.block(a); b != nil {
			return d, b, nil
		}
	}
	advice := "there is no object of this kind"
	if found := e.Blocks(a.Kind); len(found) > 0 {
		advice = "there is " + addressList(found)
	}
	return nil, nil, refuse(e.jsonAdvice(advice), "the spec has no %s", a)
}

// attribute is find for a block whose attribute is edited.
func (e *Editor) attribute(a addr.Address, name string) (*sourceFile, *hclsyntax.Block, error) {
	d, b, err := e.find(a)
	if err != nil {
		return nil, nil, err
	}
	for _, over := range e.files {
		if !over.Override {
			continue
		}
		if o := over.block(a); o != nil && o.Body.Attributes[name] != nil {
			return nil, nil, refuse("edit that file by hand", "%s of %s is set in %s, which wins over %s", name, a, eval.Place(o.Body.Attributes[name].SrcRange), d.Name)
		}
	}
	return d, b, nil
}

// sourceFile is a file of the native syntax that is edited; body is nil for one of JSON.
type sourceFile struct {
	File
	// text is the content with LF at the ends of lines and without a byte order mark.
	text string
	body *hclsyntax.Body
	// formatted is set where the file was in its canonical layout.
	formatted bool
}

func newSourceFile(f File) (*sourceFile, hcl.Diagnostics) {
	d := &sourceFile{File: f, text: eval.SourceText(string(f.Text))}
	if strings.HasSuffix(f.Name, ".json") {
		_, diags := eval.ParseFile(f.Name, string(f.Text))
		return d, diags
	}
	formatted, diags := Format([]byte(d.text), f.Name)
	if diags.HasErrors() {
		return d, diags
	}
	d.formatted = string(formatted) == d.text
	return d, d.parse()
}

func (d *sourceFile) parse() hcl.Diagnostics {
	f, diags := eval.ParseFile(d.Name, d.text)
	if diags.HasErrors() {
		return diags
	}
	body, ok := f.Body.(*hclsyntax.Body)
	if !ok {
		return hcl.Diagnostics{eval.Errorf(nil, "Not HCL", "%s is no file of the native syntax.", d.Name)}
	}
	d.body = body
	return nil
}

// result is the file as the edits leave it, with the ends of lines that it had.
func (d *sourceFile) result() []byte {
	if d.text == eval.SourceText(string(d.Text)) {
		return d.Text
	}
	text := d.text
	if d.formatted {
		// It parses, since each edit has made sure of that.
		formatted, _ := Format([]byte(text), d.Name)
		text = string(formatted)
	}
	if bytes.Contains(d.Text, []byte("\r\n")) {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if bytes.HasPrefix(d.Text, []byte("\uFEFF")) {
		text = "\uFEFF" + text
	}
	return []byte(text)
}

func (d *sourceFile) blocks() hclsyntax.Blocks {
	if d.body == nil {
		return nil
	}
	return d.body.Blocks
}

// block is the block of an address; nil where the file has none.
func (d *sourceFile) block(a addr.Address) *hclsyntax.Block {
	for _, b := range d.blocks() {
		if b.Type == string(a.Kind) && len(b.Labels) == 1 && b.Labels[0] == a.Name {
			return b
		}
	}
	return nil
}

// splice replaces the bytes from start up to end.
type splice struct {
	start, end int
	text       string
}

func replaced(r hcl.Range, text string) splice { return splice{r.Start.Byte, r.End.Byte, text} }

func inserted(at int, text string) splice { return splice{at, at, text} }

// edit makes splices that do not overlap. Where the text would not parse afterwards it
// stays as it is, and the error says so.
func (d *sourceFile) edit(splices ...splice) error {
	slices.SortStableFunc(splices, func(a, b splice) int { return a.start - b.start })
	var b strings.Builder
	at := 0
	for _, s := range splices {
		b.WriteString(d.text[at:s.start])
		b.WriteString(s.text)
		at = s.end
	}
	b.WriteString(d.text[at:])
	was := d.text
	d.text = b.String()
	if diags := d.parse(); diags.HasErrors() {
		d.text = was
		return refuse("change the file by hand", "%s is written in a way that cannot be edited: %s", d.Name, diags.Error())
	}
	return nil
}

// next is the first token at or after a place.
func (d *sourceFile) next(at int) hclsyntax.Token {
	tokens, _ := hclsyntax.LexConfig([]byte(d.text), d.Name, hcl.InitialPos) // which was parsed
	i, _ := slices.BinarySearchFunc(tokens, at, func(t hclsyntax.Token, at int) int { return t.Range.Start.Byte - at })
	return tokens[min(i, len(tokens)-1)]
}

// lineEnd is the place behind the line end that follows a place, comments on the line
// included.
func (d *sourceFile) lineEnd(at int) int {
	for {
		t := d.next(at)
		switch {
		case t.Type == hclsyntax.TokenEOF:
			return len(d.text)
		case bytes.HasSuffix(t.Bytes, []byte("\n")) && (t.Type == hclsyntax.TokenNewline || t.Type == hclsyntax.TokenComment):
			return t.Range.End.Byte
		}
		at = max(t.Range.End.Byte, at+1)
	}
}

// lineStart is the place of the first byte of the line of a place.
func (d *sourceFile) lineStart(at int) int { return strings.LastIndexByte(d.text[:at], '\n') + 1 }

// indent is the white space at the beginning of the line of a place.
func (d *sourceFile) indent(at int) string {
	line := d.text[d.lineStart(at):]
	return line[:len(line)-len(strings.TrimLeft(line, " \t"))]
}
