package planner

import "github.com/hashicorp/hcl/v2"

// warn takes over the warnings among diagnostics, as text with their places.
func (p *Prior) warn(diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Severity != hcl.DiagWarning {
			continue
		}
		text := d.Detail
		if d.Subject != nil {
			text = place(*d.Subject) + ": " + text
		}
		p.Warnings = append(p.Warnings, text)
	}
}
