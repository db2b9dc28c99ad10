package main

import (
	"fmt"
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
// two: -out=FILE. It leaves short flags alone, and refuses what can be both: -format
// may be -f with the value ormat. One that is neither is left to be reported by its name.
func doubled(n *kong.Node, args []string) ([]string, error) {
	names, short := map[string]bool{}, map[byte]*kong.Flag{}
	_ = kong.Visit(n, func(v kong.Visitable, next kong.Next) error { // which fails for nothing
		if f, ok := v.(*kong.Flag); ok {
			names[f.Name] = true
			if f.Short != 0 {
				short[byte(f.Short)] = f
			}
		}
		return next(nil)
	})
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if len(arg) < 3 || arg[0] != '-' || !isLetter(arg[1]) {
			continue
		}
		name, _, _ := strings.Cut(arg[1:], "=")
		f := short[arg[1]]
		switch {
		case f == nil || f.IsBool():
			out[i] = "-" + arg
		case names[name]:
			return nil, &failure{message: fmt.Sprintf("%s may be -%s, or -%c with the value %q", arg, arg, arg[1], arg[2:]), hint: "write -" + arg + ", with two dashes"}
		}
	}
	return out, nil
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
