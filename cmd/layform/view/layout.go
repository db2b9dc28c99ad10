package view

import (
	"fmt"
	"io"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/printable"
)

// LayoutTree writes what a layout holds, from index.json down to the layers.
func LayoutTree(w io.Writer, l *Layout, style Style) error {
	pg := newPage(w, style)
	entries := "1 entry"
	if n := len(l.Entries); n != 1 {
		entries = fmt.Sprintf("%d entries", n)
	}
	pg.line("Layout %s, %s in index.json:", printable.Line(l.Path), entries)
	for _, n := range l.Entries {
		pg.line("")
		pg.node(n, "")
	}
	return pg.close()
}

// node writes one descriptor and what hangs on it.
func (p *page) node(n Node, margin string) {
	name := string(n.Role)
	if n.Role == RoleEntry {
		name = p.style.paint(bold, refName(n.Ref))
	}
	d := n.Descriptor
	text := name + "  " + printable.Line(string(d.Digest)) + "  " + Bytes(d.Size) + "  " + printable.Line(d.MediaType)
	if d.Platform != nil {
		text += "  " + printable.Line(Platform(d.Platform))
	}
	if d.ArtifactType != "" {
		text += "  " + printable.Line(d.ArtifactType)
	}
	if n.Missing {
		text += "  " + p.style.paint(red, "(blob is missing)")
	}
	p.line("  %s%s", margin, text)
	for _, child := range n.Children {
		p.node(child, margin+"  ")
	}
}

// Platform writes a platform as specs do: os/arch, with the variant if it has one.
func Platform(p *ocispec.Platform) string {
	parts := []string{p.OS, p.Architecture}
	if p.Variant != "" {
		parts = append(parts, p.Variant)
	}
	return strings.Join(parts, "/")
}

// Findings writes what is wrong with a layout, and a line that counts it.
func Findings(w io.Writer, path string, findings []layout.Finding, style Style) error {
	pg := newPage(w, style)
	musts := 0
	for _, f := range findings {
		code := yellow
		if f.Severity == layout.Must {
			musts++
			code = red
		}
		object := printable.Line(f.Object)
		if f.Place != "" {
			object += " " + printable.Line(f.Place)
		}
		pg.line("%s %s  %s: %s", style.paint(code, pad(printable.Line(string(f.Severity)), 6)), printable.Line(string(f.Rule)), object, printable.Line(f.Problem))
		if f.Advice != "" {
			pg.line("         %s", style.paint(faint, printable.Line(f.Advice)))
		}
	}
	switch {
	case len(findings) == 0:
		pg.line("%s is a valid layout.", printable.Line(path))
	case musts == 0:
		pg.line("%s is a valid layout, with %s.", printable.Line(path), count(len(findings), "remark"))
	default:
		pg.line("%s is not a valid layout: %s.", printable.Line(path), count(len(findings), "finding"))
	}
	return pg.close()
}
