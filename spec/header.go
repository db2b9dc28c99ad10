package spec

import (
	"errors"
	"fmt"

	version "github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
)

// header evaluates the layform and layout blocks.
func (p *module) header() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for i, b := range p.layforms {
		if i > 0 {
			diags = append(diags, repeated("layform", b.rng, p.layforms[0].rng))
			continue
		}
		diags = append(diags, p.layformBlock(b)...)
	}
	if len(p.layouts) == 0 {
		diags = append(diags, eval.Errorf(nil, "Missing layout block", "The spec does not say where its layout is. Add: layout { path = \"dist/NAME\" }"))
	}
	for i, b := range p.layouts {
		if i > 0 {
			diags = append(diags, repeated("layout", b.rng, p.layouts[0].rng))
			continue
		}
		diags = append(diags, p.layoutBlock(b)...)
	}
	return diags
}

func repeated(kind string, rng, first hcl.Range) *hcl.Diagnostic {
	return eval.Errorf(&rng, "Duplicate "+kind+" block", "A spec has one %s block, and there is one already at %s.", kind, eval.Place(first))
}

func (p *module) layformBlock(b *plainBlock) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if a := b.attrs.named("name"); a != nil {
		v, more := p.constant(a.expr, a.schema, "The name of a spec")
		diags = append(diags, more...)
		if name, ok := eval.StringOf(v); ok {
			if err := imagespec.CheckSpecName(name); err != nil {
				diags = append(diags, eval.Errorf(a.expr.Range().Ptr(), "Invalid name", "The name of the spec is %s, which %s.", eval.Quote(name), err))
			}
			p.name = name
		}
	}
	a := b.attrs.named("required_version")
	if a == nil {
		return diags
	}
	v, more := p.constant(a.expr, a.schema, "required_version")
	diags = append(diags, more...)
	text, ok := eval.StringOf(v)
	if !ok {
		return diags
	}
	constraint, err := version.NewConstraint(text)
	if err != nil {
		return append(diags, wrongType(a.expr.Range(), "required_version", fmt.Errorf("%q is no constraint such as \">= 0.1, < 2\"", text)))
	}
	own, err := version.NewVersion(p.version)
	if err != nil && p.version != "" {
		return append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagWarning, Summary: "Version not checked", Subject: a.expr.Range().Ptr(),
			Detail: fmt.Sprintf("The spec requires layform %s. This is a development build (%s), whose version cannot be compared with that.", text, p.version),
		})
	}
	if err == nil && !constraint.Check(own.Core()) {
		diags = append(diags, eval.Errorf(a.expr.Range().Ptr(), "Unsupported version", "The spec requires layform %s, and this is %s. Install a version that fits.", text, p.version))
	}
	return diags
}

func (p *module) layoutBlock(b *plainBlock) hcl.Diagnostics {
	a := b.attrs.named("path")
	if a == nil {
		return hcl.Diagnostics{eval.Errorf(&b.rng, "Missing required argument", "The layout block needs path: the directory of the layout.")}
	}
	var diags hcl.Diagnostics
	p.layoutPath, diags = p.filePath(a, "The path of the layout", layoutPathProblem)
	if a := b.attrs.named("archive"); a != nil {
		path, more := p.filePath(a, "The path of the archive", archivePathProblem)
		p.archivePath, p.archiveRange = path, a.expr.Range()
		if diags = diags.Extend(more); !diags.HasErrors() && p.archiveInLayout() {
			diags = append(diags, wrongType(p.archiveRange, "The path of the archive", fmt.Errorf("%q is in the layout %q, which it holds: write the archive beside it", path, p.layoutPath)))
		}
	}
	return diags
}

// filePath evaluates a path of the layout block, for which problem says what is wrong.
func (p *module) filePath(a *attribute, what string, problem func(string) error) (string, hcl.Diagnostics) {
	if diags := p.checkNames(a.expr, scope{what: what, roots: []string{rootVar, rootLocal}}); diags.HasErrors() || p.skips(a.expr) {
		return "", diags
	}
	v, diags := newSession(p, nil).expression(a.expr, nil)
	if diags.HasErrors() {
		return "", diags
	}
	text, ok := eval.StringOf(v)
	switch {
	case eval.IsSensitive(v) || !ok:
		diags = append(diags, wrongType(a.expr.Range(), what, errors.New("a string is required that is known and not sensitive")))
	default:
		if err := problem(text); err != nil {
			diags = append(diags, wrongType(a.expr.Range(), what, err))
		}
	}
	return text, diags
}
