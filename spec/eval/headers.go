package eval

import (
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Detached is a parsed file without its syntax tree: its bytes, and a Nav that names the
// block around an offset, for diagnostics. The tree goes once nothing else holds it.
func Detached(name string, f *hcl.File) *hcl.File {
	return &hcl.File{Bytes: f.Bytes, Body: hcl.EmptyBody(), Nav: navigation(name, f)}
}

// navigation is the Nav of a file without its tree.
func navigation(name string, f *hcl.File) any {
	body, ok := f.Body.(*hclsyntax.Body)
	if !ok {
		return &parsedAgain{name: name, text: f.Bytes}
	}
	headers := make(blockHeaders, len(body.Blocks))
	for i, b := range body.Blocks {
		rng := b.Range()
		headers[i] = blockHeader{int32(rng.Start.Byte), int32(rng.End.Byte), headerText(b)}
	}
	return headers
}

// headerText is the type and the labels of a block, as messages name it.
func headerText(b *hclsyntax.Block) string {
	var text strings.Builder
	text.WriteString(b.Type)
	for _, label := range b.Labels {
		text.WriteString(" " + strconv.Quote(label))
	}
	return text.String()
}

// blockHeader is the header of a block at the top of a file, with the bytes from start to
// end that the block takes.
type blockHeader struct {
	start, end int32
	text       string
}

// blockHeaders are the blocks of a file of the native syntax, in order.
type blockHeaders []blockHeader

// ContextString is the header of the block around an offset; empty outside of all.
func (h blockHeaders) ContextString(offset int) string {
	for _, b := range h {
		if int(b.start) <= offset && offset < int(b.end) {
			return b.text
		}
	}
	return ""
}

// parsedAgain is the navigation of a JSON file, which is parsed again where a diagnostic
// asks: the path to an offset is in the tree alone.
type parsedAgain struct {
	name string
	text []byte
	once sync.Once
	nav  any
}

// ContextString is the path to an offset, as the parser's own navigation writes it.
func (p *parsedAgain) ContextString(offset int) string {
	p.once.Do(func() {
		f, _, _ := parse(p.name, string(p.text)) // what is wrong with it was reported
		p.nav = f.Nav
	})
	if nav, ok := p.nav.(interface{ ContextString(offset int) string }); ok {
		return nav.ContextString(offset)
	}
	return ""
}
