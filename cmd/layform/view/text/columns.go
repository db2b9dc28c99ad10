package text

import "github.com/layform/layform/cmd/layform/view"

// column is how the cells of one column are drawn: as wide as the widest, but at
// least min and at most max columns, with a separator after it.
type column struct {
	min, max int
	after    string
}

// kindStyle is how the rows of a kind of section are drawn.
type kindStyle struct {
	// top is the indentation of rows of a section that hangs on no row, below that
	// of rows whose section does, from the indentation of that row.
	top, below int
	// apart is set where a blank line is written between rows at the top.
	apart bool
	// before is written in front of the first cell.
	before     string
	beforeCode string
	// code is the colour of whole rows.
	code    string
	columns []column
	// separator is written after a cell for which columns has none.
	separator string
	// more starts the line of a fold, foldIndent is its own indentation.
	more       string
	foldIndent int
}

// wide is no limit to a column.
const wide = 1 << 20

// plain is the style of kinds that have none of their own.
var plain = kindStyle{below: 4, separator: "  "}

// styleOf is the style of a kind.
func styleOf(kind view.Kind) kindStyle {
	s := plain
	switch kind {
	case view.KindWarnings:
		s.before, s.beforeCode = "Warning: ", yellow
	case view.KindDrift:
		s.top, s.foldIndent = 2, 2
	case view.KindChanges, view.KindStaged:
		s.top, s.apart = 2, true
	case view.KindReasons:
		s.before, s.separator, s.code, s.more = "because ", " ← ", faint, "for "
	case view.KindFiles:
		s.columns = []column{{0, 60, "  "}}
	case view.KindFields:
		s.columns = []column{{0, 48, " = "}}
	case view.KindFacts:
		s.below, s.separator = 6, ": "
	case view.KindTags:
		s.top, s.columns = 2, []column{{0, wide, "  "}}
	case view.KindOutputs:
		s.top, s.separator = 2, " = "
	case view.KindValues:
		s.columns = []column{{0, wide, " = "}}
	case view.KindAttributes:
		s.columns = []column{{0, 48, " = "}}
	case view.KindObjects:
		s.top, s.columns = 2, []column{{0, 48, "  "}, {7, 7, "  "}, {0, 0, "  "}, {7, 7, "  "}}
	case view.KindEntries:
		s.top, s.columns = 2, []column{{0, wide, "  "}, {7, 7, "  "}}
	case view.KindTree:
		s.top, s.below, s.apart = 2, 2, true
	case view.KindFindings:
		s.columns = []column{{6, 6, " "}}
	case view.KindAdvice:
		s.below = 9
	case view.KindRepairs:
		s.columns = []column{{8, 8, "  "}}
	}
	return s
}

// column is the style of column i; one without a width is not aligned.
func (k kindStyle) column(i int) column {
	if i < len(k.columns) {
		return k.columns[i]
	}
	return column{after: k.separator}
}

// widths are the widths of the columns of the rows.
func (k kindStyle) widths(rows []view.Row) []int {
	widths := make([]int, len(k.columns))
	for i, c := range k.columns {
		for _, row := range rows {
			if i < len(row.Cells) {
				widths[i] = max(widths[i], width(draw(row.Cells[i])))
			}
		}
		widths[i] = min(max(widths[i], c.min), c.max)
	}
	return widths
}
