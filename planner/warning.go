package planner

import "github.com/hashicorp/hcl/v2"

// warn takes over the warnings among diagnostics, as text with their places.
func (p *Prior) warn(diags hcl.Diagnostics) { p.Warnings = append(p.Warnings, warningTexts(diags)...) }

// warningTexts are the warnings among diagnostics, as text with their places.
func warningTexts(diags hcl.Diagnostics) []string {
	var texts []string
	for _, d := range diags {
		if d.Severity != hcl.DiagWarning {
			continue
		}
		text := d.Detail
		if d.Subject != nil {
			text = location(*d.Subject) + ": " + text
		}
		texts = append(texts, text)
	}
	return texts
}
