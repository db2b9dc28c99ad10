package spec

import (
	"fmt"
	"path"
	"strings"

	"github.com/moby/patternmatcher/ignorefile"
)

// ignoreFile decodes ignore_file, and reads the file: its lines are an input of
// the spec like all that functions read.
func (d *decoder) ignoreFile(b *nestedBlock, n *FileOp) {
	name, g := d.sourcePath(b.attrs, "ignore_file")
	if !g.ok || name == "" {
		return
	}
	text, err := d.s.p.library.Read("ignore_file", name)
	if err != nil {
		way := ""
		if from := path.Clean(n.From); from != "." && !strings.Contains(name, "/") {
			way = fmt.Sprintf(" Where it lies in %q, write %q.", from, path.Join(from, name))
		}
		d.err(g.rng, "ignore_file: %s.%s", err, way)
		return
	}
	lines, err := ignorefile.ReadAll(strings.NewReader(text))
	if err != nil {
		d.err(g.rng, "ignore_file: %q cannot be read: %s.", path.Clean(name), err)
		return
	}
	n.IgnoreFile, n.Ignore = name, lines
	if _, err := NewSelection(&FileOp{Ignore: lines}); err != nil {
		d.err(g.rng, "ignore_file: in %q, %s.", name, err)
		n.Ignore = nil
	}
}
