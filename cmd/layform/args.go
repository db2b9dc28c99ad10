package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// helped makes of "help COMMAND" the "COMMAND --help" that the parser knows.
func helped(args []string) []string {
	if len(args) == 0 || args[0] != "help" {
		return args
	}
	return append(slices.Clone(args[1:]), "--help")
}

// doubled takes long flags with one dash, as Terraform writes them, for those with
// two: -out=FILE. What may also be short flags, as -format may be -f, stays as it is.
func doubled(n *kong.Node, args []string) []string {
	var names, short []string
	_ = kong.Visit(n, func(v kong.Visitable, next kong.Next) error { // which fails for nothing
		if f, ok := v.(*kong.Flag); ok {
			names = append(names, f.Name)
			if f.Short != 0 {
				short = append(short, string(f.Short))
			}
		}
		return next(nil)
	})
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		name, single := strings.CutPrefix(arg, "-")
		name, _, _ = strings.Cut(name, "=")
		if single && len(name) > 1 && !slices.Contains(short, name[:1]) && slices.Contains(names, name) {
			out[i] = "-" + arg
		}
	}
	return out
}
