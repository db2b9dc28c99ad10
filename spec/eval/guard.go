package eval

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The limits of a spec file. The parser and the evaluator recurse over what
// they read, and a stack that overflows cannot be recovered from, so text is
// measured before either sees it.
const (
	// MaxSourceSize is the size in bytes that a spec file may have.
	MaxSourceSize = 1 << 20
	// MaxNesting is the depth to which brackets, templates and unary operators
	// may be nested.
	MaxNesting = 100
	// maxChain is the number of operators and index brackets that one expression
	// may string together on one level of nesting.
	maxChain = 1000
	// MaxTokens is the number of tokens of one file, but for comments: each takes a hundred bytes
	// and more in the parser, and what becomes of it stays in the memory.
	MaxTokens = 250_000
	// MaxSpecSize and maxSpecTokens are the limits of all files of a spec together.
	MaxSpecSize   = 16 << 20
	MaxSpecTokens = 1_000_000
	// MaxLines is the number of lines of one heredoc, which the parser joins one by
	// one, and of pieces between the interpolations of a string.
	MaxLines = 10_000
	// maxDecimal is the largest decimal exponent, as maxExponent has it.
	maxDecimal = "2466"
	// MaxDigits is the length of a number, which is exact to 512 bits.
	MaxDigits = 1000
)

// CheckText checks the encoding and the size of a text before it is parsed.
func CheckText(name string, text []byte) *hcl.Diagnostic {
	start := hcl.Range{Filename: name, Start: hcl.InitialPos, End: hcl.InitialPos}
	problem := func(detail string, at int) *hcl.Diagnostic {
		rng := start
		if at >= 0 {
			rng = positionRange(name, text, at)
		}
		return Errorf(&rng, "Unreadable file", "%s", detail)
	}
	switch {
	case len(text) > MaxSourceSize:
		return problem(fmt.Sprintf("The file is larger than %d bytes, the limit for a file of HCL or JSON.", MaxSourceSize), -1)
	case bytes.HasPrefix(text, []byte{0xFF, 0xFE}), bytes.HasPrefix(text, []byte{0xFE, 0xFF}):
		return problem("The file is encoded in UTF-16. Save it as UTF-8.", -1)
	}
	if at := bytes.IndexByte(text, 0); at >= 0 {
		return problem("The file contains a NUL character. A spec is UTF-8 text.", at)
	}
	if at := invalidUTF8(text); at >= 0 {
		return problem("The file is not valid UTF-8 here. A spec is UTF-8 text.", at)
	}
	return nil
}

// invalidUTF8 finds the first byte that is not UTF-8, or -1.
func invalidUTF8(text []byte) int {
	if utf8.Valid(text) {
		return -1
	}
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size <= 1 {
			return at
		}
		at += size
	}
	return -1
}

// positionRange is the range of the one byte at an offset.
func positionRange(name string, text []byte, at int) hcl.Range {
	line := 1 + bytes.Count(text[:at], []byte{'\n'})
	column := 1 + utf8.RuneCount(text[bytes.LastIndexByte(text[:at], '\n')+1:at])
	pos := hcl.Pos{Line: line, Column: column, Byte: at}
	end := pos
	end.Byte++
	end.Column++
	return hcl.Range{Filename: name, Start: pos, End: end}
}

// jsonProblem checks the depth of a JSON text, and that it holds no half of a
// surrogate pair, which the parser would silently replace.
func jsonProblem(name string, text []byte) *hcl.Diagnostic {
	if at := tooDeep(text, MaxNesting); at >= 0 {
		return nestingProblem(positionRange(name, text, at))
	}
	if at := loneSurrogate(text); at >= 0 {
		rng := positionRange(name, text, at)
		return Errorf(&rng, "Unreadable file", "%s is half of a surrogate pair, which is no character. Write the character itself, or both halves.", text[at:at+6])
	}
	if jsonTokens(text) > MaxTokens {
		rng := positionRange(name, text, 0)
		return Errorf(&rng, "Expression too large", "A file may have %d names, values and punctuation marks at most. Divide the spec into several files.", MaxTokens)
	}
	return nil
}

// jsonTokens counts the tokens of a JSON text, from the marks between them.
func jsonTokens(text []byte) int {
	count := 0
	for _, mark := range []string{",", ":", "[", "{"} {
		count += 2 * bytes.Count(text, []byte(mark))
	}
	return count
}

// loneSurrogate is the offset of the first escape of a JSON text that is half of
// a surrogate pair without the other half; -1 where there is none.
func loneSurrogate[T string | []byte](text T) int {
	for at := 0; at < len(text); at++ {
		if text[at] != '\\' {
			continue
		}
		r, ok := escaped(text, at)
		if !ok || !utf16.IsSurrogate(r) {
			at++ // what is escaped begins no escape
			continue
		}
		if low, _ := escaped(text, at+6); utf16.DecodeRune(r, low) == utf8.RuneError {
			return at
		}
		at += 11
	}
	return -1
}

// escaped decodes the escape \uXXXX at an offset.
func escaped[T string | []byte](text T, at int) (rune, bool) {
	if at+6 > len(text) || string(text[at:at+2]) != `\u` {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[at+2:at+6]), 16, 16)
	return rune(n), err == nil
}

// tooDeep is the offset of the first bracket of a JSON text that is nested
// deeper than the limit; -1 where there is none.
func tooDeep[T string | []byte](text T, limit int) int {
	depth, quoted := 0, false
	for at := 0; at < len(text); at++ {
		switch c := text[at]; {
		case quoted && c == '\\':
			at++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > limit {
				return at
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

// nesting measures the tokens of one text.
type nesting struct {
	stack  []nestingLevel
	quoted int // levels of the stack that belong to quotes, heredocs and templates
	unary  int
	levels int // template control sequences that are open
	count  int // tokens so far
	lines  int // pieces of text in a row
}

// nestingLevel is one open bracket, quote or template sequence.
type nestingLevel struct {
	kind  hclsyntax.TokenType
	chain int
}

// CheckNesting checks how deep tokens are nested and how long their chains of
// operators are.
func CheckNesting(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	n := newNesting()
	for i, t := range tokens {
		if problem := n.problem(t, tokens[i+1:]); problem != nil {
			return problem
		}
	}
	return nil
}

func newNesting() nesting {
	return nesting{stack: []nestingLevel{{kind: hclsyntax.TokenOBrace}}}
}

// lexedAtOnce is how much of a file is taken apart into tokens at once.
const lexedAtOnce = 64 << 10

// sourceNesting is tokenNesting for a file of the native syntax. A token takes
// about a hundred times the memory of a bracket, so the file is lexed piece by
// piece, cut after a line that ends outside of quotes, heredocs and templates.
// tokens is how many there are, and ends are places outside of all blocks, at which pieces
// of this size end.
func sourceNesting(name string, src []byte) (tokens int, ends []hcl.Pos, problem *hcl.Diagnostic) {
	start, settled := hcl.InitialPos, newNesting()
	for size := lexedAtOnce; ; {
		piece := src[:min(size, len(src))]
		whole := len(piece) == len(src)
		tokens, _ := hclsyntax.LexConfig(piece, name, start)
		n := settled
		n.stack = slices.Clone(settled.stack)
		cut, end := start, start
		for i, t := range tokens {
			if !whole && cutsComment(tokens, i, src[t.Range.Start.Byte-start.Byte:]) {
				break
			}
			if problem := n.problem(t, tokens[i+1:]); problem != nil {
				return n.count, nil, problem
			}
			if n.quoted == 0 && endsLine(t) {
				cut, settled = t.Range.End, n
				settled.stack = slices.Clone(n.stack)
				if len(n.stack) == 1 {
					end = cut
				}
			}
		}
		if end != start {
			ends = append(ends, end)
		}
		switch {
		case whole:
			return n.count, ends, nil
		case cut == start:
			size *= 2
		default:
			src, start, size = src[cut.Byte-start.Byte:], cut, lexedAtOnce
		}
	}
}

// cutsComment reports whether a piece of a file ends in a comment that began at
// a token: its slash and star are taken for operators then.
func cutsComment(tokens hclsyntax.Tokens, i int, rest []byte) bool {
	return tokens[i].Type == hclsyntax.TokenSlash && bytes.HasPrefix(rest, []byte("/*")) && bytes.Contains(rest[2:], []byte("*/"))
}

// endsLine reports whether a token takes along the end of a line, as the comment
// behind an argument does.
func endsLine(t hclsyntax.Token) bool { return bytes.HasSuffix(t.Bytes, []byte{'\n'}) }

func nestingProblem(rng hcl.Range) *hcl.Diagnostic {
	return Errorf(&rng, "Expression nested too deeply", "Brackets, templates and unary operators may be nested to a depth of %d, and %d operators may follow each other. "+
		"Split the expression with locals.", MaxNesting, maxChain)
}

// problem takes the next token and says which limit it breaks, nil if none.
func (n *nesting) problem(t hclsyntax.Token, rest hclsyntax.Tokens) *hcl.Diagnostic {
	tooLarge := func(detail string) *hcl.Diagnostic {
		return Errorf(&t.Range, "Expression too large", "%s", detail)
	}
	if t.Type != hclsyntax.TokenComment && t.Type != hclsyntax.TokenNewline {
		n.count++
	}
	if t.Type == hclsyntax.TokenStringLit || t.Type == hclsyntax.TokenQuotedLit {
		n.lines++
	} else {
		n.lines = 0
	}
	switch {
	case n.count > MaxTokens:
		return tooLarge(fmt.Sprintf("A file may have %d names, values and punctuation marks at most. Divide the spec into several files.", MaxTokens))
	case n.lines > MaxLines:
		return tooLarge(fmt.Sprintf("A text may have %d lines at most. Put it into a file of its own, and read it with file or templatefile.", MaxLines))
	case t.Type == hclsyntax.TokenNumberLit && !shortNumber(t.Bytes):
		return tooLarge("A number here is too large, too small or too long.")
	case !n.step(t, rest):
		return nestingProblem(t.Range)
	}
	return nil
}

// shortNumber reports whether a number can be worked with: those with a long
// exponent have millions of digits when they are written out.
func shortNumber(text []byte) bool {
	exponent := ""
	if at := bytes.IndexAny(text, "eE"); at >= 0 {
		exponent = strings.TrimLeft(string(text[at+1:]), "+-0")
	}
	return len(text) <= MaxDigits && (len(exponent) < 4 || len(exponent) == 4 && exponent <= maxDecimal)
}

// step takes the next token and reports whether the limits still hold.
func (n *nesting) step(t hclsyntax.Token, rest hclsyntax.Tokens) bool {
	top := &n.stack[len(n.stack)-1]
	switch t.Type {
	case hclsyntax.TokenBang, hclsyntax.TokenMinus:
		n.unary++
		top.chain++
		return n.unary <= MaxNesting && top.chain <= maxChain
	case hclsyntax.TokenComment, hclsyntax.TokenNewline:
		if top.kind == hclsyntax.TokenOBrace && endsLine(t) {
			top.chain = 0
		}
		return true
	}
	n.unary = 0
	switch t.Type {
	case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen:
		top.chain++
		n.stack = append(n.stack, nestingLevel{kind: t.Type})
	case hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
		top.chain++
		n.quote(t.Type)
	case hclsyntax.TokenTemplateInterp:
		n.quote(t.Type)
	case hclsyntax.TokenTemplateControl:
		n.quote(t.Type)
		n.control(rest)
	case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
		hclsyntax.TokenTemplateSeqEnd:
		n.pop()
		return true
	case hclsyntax.TokenComma:
		top.chain = 0
	case hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenEqualOp,
		hclsyntax.TokenNotEqual, hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan,
		hclsyntax.TokenGreaterThanEq, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenQuestion, hclsyntax.TokenDot:
		top.chain++
	}
	return len(n.stack)-1+n.levels <= MaxNesting && n.stack[len(n.stack)-1].chain <= maxChain
}

// quote opens a level in which other rules hold for the text.
func (n *nesting) quote(kind hclsyntax.TokenType) {
	n.stack = append(n.stack, nestingLevel{kind: kind})
	n.quoted++
}

// pop closes the innermost level.
func (n *nesting) pop() {
	last := len(n.stack) - 1
	if last == 0 {
		return
	}
	switch n.stack[last].kind {
	case hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		n.quoted--
	}
	n.stack = n.stack[:last]
}

// control counts the template directives that open and close a level.
func (n *nesting) control(rest hclsyntax.Tokens) {
	if len(rest) == 0 || rest[0].Type != hclsyntax.TokenIdent {
		return
	}
	switch word := string(rest[0].Bytes); {
	case word == "if" || word == "for":
		n.levels++
	case strings.HasPrefix(word, "end") && n.levels > 0:
		n.levels--
	}
}
