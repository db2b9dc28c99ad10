package spec

import (
	"fmt"
	"path"
	"slices"

	"github.com/bmatcuk/doublestar/v4"
)

// Uses names what reads the file at a path of the spec's tree, whether the file
// exists yet or not: the spec itself, a block of a layer with its place, or a
// function. It is empty for a file that nothing reads. What is known after an apply
// alone is not seen.
func (s *Spec) Uses(file string) string {
	if slices.ContainsFunc(s.Sources, func(source Source) bool { return source.Name == file }) {
		return "the spec"
	}
	for _, addr := range s.Addresses() {
		o, _ := s.Evaluate(addr, nil) // Load has reported what is wrong with it
		layer, ok := o.Body.(*Layer)
		if !ok {
			continue
		}
		if layer.Archive == file || layer.Blob == file {
			return fmt.Sprintf("%s (%s:%d)", addr, o.Range.Filename, o.Range.Start.Line)
		}
		for _, n := range layer.Tree {
			if n.Source == file || n.Kind == OpCopy && n.takes(file) {
				return fmt.Sprintf("a %s of %s (%s:%d)", n.Kind, addr, n.Range.Filename, n.Range.Start.Line)
			}
		}
	}
	for _, input := range s.Inputs() {
		if input.Path == file || lists(input, file) {
			return fmt.Sprintf("%s(%q)", input.Function, input.Path)
		}
	}
	return ""
}

// lists reports whether an input is a list of names that the file at a path of the
// spec's tree would be in.
func lists(in Input, file string) bool {
	rel := FileOp{From: in.Path}.relative(file)
	return in.Function == "fileset" && rel != "" && doublestar.MatchUnvalidated(path.Clean(in.Pattern), rel)
}
