package eval

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"golang.org/x/text/unicode/norm"

	"github.com/layform/layform/layout/imagespec"
)

// SourceText is the text of a spec or variables file as it counts, whatever an
// editor or a checkout did to it: without a byte order mark at its start, and with
// lines that end in LF.
func SourceText(text string) string {
	text = strings.TrimPrefix(text, "\uFEFF")
	if !strings.Contains(text, "\r\n") {
		return text
	}
	return lineEndPattern().ReplaceAllString(text, "\n")
}

var lineEndPattern = imagespec.Pattern(`\r+\n`)

// checkComposed refuses texts that HCL would change: all its strings are in
// composed form (NFC), and what is written with combining characters would
// silently name other files and give other bytes.
func checkComposed(name string, f *hcl.File) hcl.Diagnostics {
	if IsASCII(string(f.Bytes)) && !bytes.Contains(f.Bytes, []byte(`\u`)) && !bytes.Contains(f.Bytes, []byte(`\U`)) {
		return nil
	}
	if body, ok := f.Body.(*hclsyntax.Body); ok {
		c := &composition{src: f.Bytes}
		_ = hclsyntax.VisitAll(body, c.visit) // visit reports mistakes in c alone
		return c.diags
	}
	d := json.NewDecoder(bytes.NewReader(f.Bytes))
	for {
		token, err := d.Token()
		if err == io.EOF || err != nil {
			return nil // the parser reports what is no JSON
		}
		if text, ok := token.(string); ok && !norm.NFC.IsNormalString(text) {
			rng := positionRange(name, f.Bytes, int(d.InputOffset())-1)
			return hcl.Diagnostics{notComposed(&rng)}
		}
	}
}

// composition looks for texts that are not in composed form.
type composition struct {
	src   []byte
	diags hcl.Diagnostics
	// heredoc is the last one that was come upon: there are no escapes in it.
	heredoc hcl.Range
}

func (c *composition) visit(n hclsyntax.Node) hcl.Diagnostics {
	switch n := n.(type) {
	case *hclsyntax.TemplateExpr:
		if r := n.Range(); bytes.HasPrefix(r.SliceBytes(c.src), []byte("<<")) {
			c.heredoc = r
		}
	case *hclsyntax.LiteralValueExpr:
		if n.Val.Type() == cty.String {
			c.check(n.SrcRange)
		}
	case *hclsyntax.Block:
		for _, r := range n.LabelRanges {
			c.check(r)
		}
	}
	return nil
}

func (c *composition) check(r hcl.Range) {
	text := string(r.SliceBytes(c.src))
	if at := norm.NFC.QuickSpanString(text); at < len(text) && !norm.NFC.IsNormalString(text) {
		rng := positionRange(r.Filename, c.src, r.Start.Byte+at)
		c.diags = append(c.diags, notComposed(&rng))
		return
	}
	if !c.heredoc.Overlaps(r) {
		text = escapePattern().ReplaceAllStringFunc(text, unescape)
	}
	if !norm.NFC.IsNormalString(text) {
		c.diags = append(c.diags, notComposed(&r))
	}
}

var escapePattern = imagespec.Pattern(`\\(?:\\|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})`)

// unescape is the character of an escape; of anything else the text itself.
func unescape(text string) string {
	if code, err := strconv.ParseUint(text[min(2, len(text)):], 16, 32); err == nil {
		return string(rune(code))
	}
	return text
}

func notComposed(rng *hcl.Range) *hcl.Diagnostic {
	return Errorf(rng, "Text with combining characters", "%s", "This text has a letter and its accent as two characters, and HCL would make one of them: a file of that name would not be found, and other bytes be written. "+
		"Write one character; to name such a file match it with * or ?, and for such content use source.")
}
