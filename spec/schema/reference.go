package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
)

// Topic is a name that Reference has a text for, with the first sentence of it.
type Topic struct{ Name, Text string }

// Topics lists the topics of Reference: blocks and attributes by their path
// (layer.copy.mode), and functions by their name; sorted by name. A name that means
// several things is listed once.
func Topics() []Topic {
	var topics []Topic
	Walk(func(path []string, b *Block) {
		name := strings.Join(path, ".")
		topics = append(topics, Topic{name, firstSentence(b.Text)})
		for _, a := range b.Attributes {
			topics = append(topics, Topic{name + "." + a.Name, firstSentence(a.Text)})
		}
	})
	for _, f := range eval.Functions() {
		topics = append(topics, Topic{f.Name, firstSentence(f.Text)})
	}
	slices.SortStableFunc(topics, func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(topics, func(a, b Topic) bool { return a.Name == b.Name })
}

// firstSentence is the first sentence of a text, with its full stop.
func firstSentence(text string) string {
	first, _, _ := strings.Cut(text, ". ")
	return strings.TrimSuffix(first, ".") + "."
}

// Reference is the text about a topic, for terminals: a block, an attribute or a
// function. The names of the blocks around may be left out: layer.copy.mode is
// copy.mode as well. A name that means several things gives all their texts; an
// attribute's name that several blocks have gives the list of these. An empty topic
// gives the list of blocks and functions.
func Reference(topic string) (string, error) {
	topic = strings.TrimSuffix(strings.TrimSpace(topic), "()")
	if topic == "" {
		return overview(), nil
	}
	var texts []string
	attributes := attributesOf(topic)
	Walk(func(path []string, b *Block) {
		if name := strings.Join(path, "."); matches(name, topic) {
			texts = append(texts, blockText(name, b))
		}
	})
	if len(attributes) > 1 && !strings.Contains(topic, ".") {
		texts = append(texts, attributeList(topic, attributes))
	} else {
		for _, a := range attributes {
			texts = append(texts, attributeText(a.block, a.Attribute))
		}
	}
	for _, f := range eval.Functions() {
		if f.Name == topic {
			texts = append(texts, functionText(f))
		}
	}
	if len(texts) == 0 {
		return "", fmt.Errorf("the language has no %q.%s", topic, suggest.Closest(topic, candidates()))
	}
	return strings.Join(texts, "\n"), nil
}

// placed is an attribute with the path of its block.
type placed struct {
	block string
	Attribute
}

// attributesOf lists the attributes that a topic means: by their path, or its end.
func attributesOf(topic string) []placed {
	var found []placed
	Walk(func(path []string, b *Block) {
		name := strings.Join(path, ".")
		for _, a := range b.Attributes {
			if matches(name+"."+a.Name, topic) {
				found = append(found, placed{name, a})
			}
		}
	})
	return found
}

// attributeList is the text about an attribute's name that several blocks have.
func attributeList(name string, attributes []placed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "attribute %s is in %d blocks\n\n", name, len(attributes))
	for _, a := range attributes {
		b.WriteString("  " + a.block + "." + a.Name + "  " + traits(a.Attribute) + "\n")
		b.WriteString(fill(6, firstSentence(a.Text)))
	}
	return b.String()
}

// candidates are the names that a mistyped topic can have meant.
func candidates() []string {
	var names []string
	for _, topic := range Topics() {
		names = append(names, topic.Name, topic.Name[strings.LastIndex(topic.Name, ".")+1:])
	}
	return names
}

// matches reports whether a topic is a path or the end of one.
func matches(path, topic string) bool { return path == topic || strings.HasSuffix(path, "."+topic) }

// Width is the number of columns that Reference fills.
const Width = 96

// fill breaks text between words into lines with an indent.
func fill(indent int, text string) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		if column > 0 && column+1+len(word) > Width {
			b.WriteString("\n")
			column = 0
		}
		if column == 0 {
			b.WriteString(strings.Repeat(" ", indent) + word)
			column = indent + len(word)
			continue
		}
		b.WriteString(" " + word)
		column += 1 + len(word)
	}
	return b.String() + "\n"
}

func overview() string {
	var b strings.Builder
	b.WriteString("Blocks of a spec. `layform reference BLOCK` shows their attributes.\n\n")
	Walk(func(path []string, block *Block) {
		b.WriteString(strings.Repeat("  ", len(path)) + header(block) + "\n")
		b.WriteString(fill(2*len(path)+2, firstSentence(block.Text)))
	})
	group := ""
	for _, f := range eval.Functions() {
		if f.Group != group {
			group = f.Group
			b.WriteString("\nFunctions: " + group + "\n")
		}
		b.WriteString("  " + f.Signature() + "\n")
	}
	return b.String()
}

// header is a block as it begins: layer "NAME".
func header(b *Block) string {
	if b.Label == "" {
		return b.Name
	}
	return fmt.Sprintf("%s %q", b.Name, strings.ToUpper(b.Label))
}

func blockText(path string, block *Block) string {
	var b strings.Builder
	fmt.Fprintf(&b, "block %s: %s\n\n%s", path, header(block), fill(2, block.Text))
	if len(block.Attributes) > 0 {
		b.WriteString("\n")
	}
	for _, a := range block.Attributes {
		b.WriteString("  " + a.Name + "  " + traits(a) + "\n")
		b.WriteString(fill(6, a.Text))
	}
	if len(block.Blocks) > 0 {
		b.WriteString("\n" + fill(2, "Blocks in it: "+strings.Join(blockNames(block.Blocks), ", ")+"."))
	}
	if block.Example != "" {
		b.WriteString("\n  Example:\n\n" + indented(6, block.Example))
	}
	return b.String()
}

// traits are the type of an attribute, whether it is required, and its default.
func traits(a Attribute) string {
	text := a.TypeText()
	if len(a.Values) > 0 {
		text += ": " + oneOf(a.Values)
	}
	if a.Required {
		text += ", required"
	}
	if a.Default != "" {
		text += ", default " + a.Default
	}
	return "(" + text + ")"
}

func attributeText(block string, a Attribute) string {
	var b strings.Builder
	fmt.Fprintf(&b, "attribute %s.%s  %s\n\n%s", block, a.Name, traits(a), fill(2, a.Text))
	line := func(title, text string) {
		if text != "" {
			b.WriteString(fill(2, title+": "+text))
		}
	}
	b.WriteString(indented(2, "Example: "+a.Name+" = "+a.Example+"\n"))
	line("Image spec", a.Section)
	line("Decides", a.Decides.String())
	return b.String()
}

func functionText(f eval.Function) string {
	var b strings.Builder
	fmt.Fprintf(&b, "function %s\n\n%s", f.Signature(), fill(2, f.Text))
	for _, p := range f.Params {
		b.WriteString(fill(4, fmt.Sprintf("%s (%s): %s", p.Name, p.Type, p.Text)))
	}
	if f.Differs != "" {
		b.WriteString(fill(2, f.Differs))
	}
	b.WriteString("  Example: " + f.Example + " is " + f.Result + "\n")
	return b.String()
}

// indented puts spaces before each line that is not empty.
func indented(n int, text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) != "" {
			lines[i] = strings.Repeat(" ", n) + line
		}
	}
	return strings.Join(lines, "")
}

// Markdown is the whole reference as a document.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Reference of the spec language\n\n" +
		"Generated from package spec/schema; `layform reference` shows it in a terminal. Sections are those of the OCI image spec.\n\n## Blocks\n")
	Walk(func(path []string, block *Block) {
		fmt.Fprintf(&b, "\n### %s\n\n`%s`: %s\n", strings.Join(path, "."), header(block), block.Text)
		if len(block.Attributes) > 0 {
			b.WriteString("\n| Attribute | Type | Default | Meaning | Image spec | Decides |\n|---|---|---|---|---|---|\n")
		}
		for _, a := range block.Attributes {
			kind, text := a.TypeText(), a.Text
			if a.Required {
				kind += ", required"
			}
			if len(a.Values) > 0 {
				text += " One of " + oneOf(a.Values) + "."
			}
			decides := ""
			if addr.Kind(path[0]).Valid() {
				decides = a.Decides.String()
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s Example: %s | %s | %s |\n", a.Name, kind, cell(a.Default), strings.ReplaceAll(text, "|", `\|`), code(a.Example), a.Section, decides)
		}
		if block.Example != "" {
			b.WriteString("\n```hcl\n" + block.Example + "```\n")
		}
	})
	b.WriteString("\n## Functions\n")
	group := ""
	for _, f := range eval.Functions() {
		if f.Group != group {
			group = f.Group
			fmt.Fprintf(&b, "\n### %s\n\n", group)
		}
		fmt.Fprintf(&b, "- `%s`: %s", f.Signature(), f.Text)
		for _, p := range f.Params {
			fmt.Fprintf(&b, " `%s`, %s: %s", p.Name, p.Type, p.Text)
		}
		if f.Differs != "" {
			b.WriteString(" " + f.Differs)
		}
		fmt.Fprintf(&b, " Example: %s is %s.\n", code(f.Example), code(f.Result))
	}
	return b.String()
}

// cell is a default in a table: code where it is an expression.
func cell(text string) string {
	if strings.HasPrefix(text, `"`) || text == "true" || text == "false" || text == "0" {
		return code(text)
	}
	return text
}

// code is text in the fixed-width font of a table cell.
func code(text string) string { return "`" + strings.ReplaceAll(text, "|", `\|`) + "`" }
