// Package view is the output of layform, as data. A Document is what --json prints; a
// Report, computed from parts of it by pure functions, is what people read: which rows
// there are and what they name. How a report is drawn is up to the packages view/text
// and view/markdown, which also decide on units, widths and escapes: a Report holds
// foreign text as it is.
package view
