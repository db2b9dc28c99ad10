package source

import (
	"path"
)

// checkPatterns reports what is wrong with the patterns of a copy, once all that
// they choose from was seen. An include pattern without a match is an error, for
// something that was asked for is missing; an exclude pattern without one warns,
// for a misspelt one leaves in what it should keep out.
func (w *copyResult) checkPatterns() {
	if w.tree == nil || w.selection.Everything() || w.o.ctx.Err() != nil {
		return
	}
	if name := w.selection.Misread(); name != "" {
		w.o.report(w.index, "Name in another Unicode form",
			"%q is written with combining characters. Patterns are in composed form, for HCL composes all text, and choose otherwise when only their letters are compared. Rename the file, or match these characters with * or ?.",
			path.Join(w.from, name))
		return
	}
	exclude, include := w.selection.Unused()
	for _, pattern := range include {
		w.o.report(w.index, "Pattern matches nothing", "The include pattern %q matches nothing below %q that is not excluded.", pattern, w.op.From)
	}
	for _, pattern := range exclude {
		w.o.warn(w.index, "Pattern matches nothing", "The exclude pattern %q matches nothing below %q.", pattern, w.op.From)
	}
	if len(include) == 0 && w.tree.Top.Below != nil && w.tree.Top.Below.Count == 0 {
		w.o.warn(w.index, "Empty copy", "The patterns leave nothing of %q.", w.op.From)
	}
}
