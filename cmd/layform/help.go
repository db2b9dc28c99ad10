package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// startPage is printed by layform without arguments, which exits with 0 as docker and
// kubectl do.
const startPage = `layform keeps an OCI image layout in step with a spec: HCL files under version control.

  layform init         write a commented starter spec
  layform plan         show what would change in the layout, and why
  layform apply        show it, ask, and do it
  layform layout show  look at any layout, whoever wrote it
  layform push         push what the spec describes to a registry

  layform help             all commands
  layform help COMMAND     one of them, with examples
  layform reference        the language of the spec
`

// commandHelp prints the help of a command: what it does, examples, the commands below it,
// its flags.
func commandHelp(options kong.HelpOptions, ctx *kong.Context) error {
	options.FlagsLast = true
	return kong.DefaultHelpPrinter(options, ctx)
}

// valueHelp is the help text of a flag or an argument, with its default.
func valueHelp(v *kong.Value) string {
	text := kong.DefaultHelpValueFormatter(v)
	if !v.HasDefault || v.Default == "" || v.IsBool() && v.Default == "false" {
		return text
	}
	return text + " Default: " + v.Default + "."
}

// helpGroups are the headings of flags that several commands share.
func helpGroups() []kong.Group {
	return []kong.Group{
		{Key: "global", Title: "Flags of every command:"},
		{Key: "registry", Title: "Flags for registries:"},
	}
}

// bareGroup reports whether a command line ends with a group of commands, such as layout,
// and is wrong for nothing but that.
func bareGroup(err error) bool {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return false
	}
	node := parse.Context.Selected()
	return node != nil && len(node.Children) > 0 && strings.HasPrefix(err.Error(), "expected one of ")
}

// help prints the help of the command that args name.
func (a *app) help(ctx context.Context, parser *kong.Kong, args []string) int {
	if _, err := parser.Parse(append(slices.Clone(args), "--help")); err != nil {
		return a.failUsage(ctx, err)
	}
	return exitOK
}
