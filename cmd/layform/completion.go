package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/layform/layform/spec/schema"
)

// completionCmd prints a completion script.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says how the script is installed.
func (c *completionCmd) Help() string {
	return `For example:
  source <(layform completion bash)
  source <(layform completion zsh)
  layform completion fish | source`
}

// Run writes a script that is generated from the grammar.
func (c *completionCmd) Run(a *app, k *kong.Kong) error {
	places := placesOf(k.Model.Node)
	switch c.Shell {
	case "bash":
		return writeTo(a.stdout, bashScript(places))
	case "zsh":
		return writeTo(a.stdout, zshScript(places))
	}
	return writeTo(a.stdout, fishScript(places))
}

// place is a point of the command line at which words can follow.
type place struct {
	// path is the way to it: "layform", "layform layout show".
	path  string
	words []word
	// files is set when names of files may follow.
	files bool
}

// word is a subcommand, a flag or a value that can follow.
type word struct{ text, help string }

// placesOf lists the places of a grammar, parents first.
func placesOf(n *kong.Node) []place {
	p := place{path: n.FullPath()}
	for _, child := range n.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			p.words = append(p.words, word{child.Name, child.Help})
		}
	}
	for _, arg := range n.Positional {
		switch {
		case arg.Tag.Has("topics"):
			for _, topic := range schema.Topics() {
				p.words = append(p.words, word{topic.Name, topic.Text})
			}
		case arg.Enum == "":
			p.files = true
		default:
			for value := range arg.EnumMap() {
				p.words = append(p.words, word{value, arg.Help})
			}
		}
	}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			p.words = append(p.words, word{"--" + f.Name, f.Help})
			p.files = p.files || (len(n.Children) == 0 && !f.IsBool())
		}
	}
	slices.SortFunc(p.words, func(a, b word) int { return strings.Compare(a.text, b.text) })
	places := []place{p}
	for _, child := range n.Children {
		if child.Type == kong.CommandNode && !child.Hidden {
			places = append(places, placesOf(child)...)
		}
	}
	return places
}

// walk is the shell text that lists all places but the first, as case patterns.
func walk(places []place) string {
	paths := make([]string, 0, len(places))
	for _, p := range places[1:] {
		paths = append(paths, `"`+p.path+`"`)
	}
	return strings.Join(paths, "|")
}

func bashScript(places []place) string {
	var b strings.Builder
	b.WriteString("# bash completion of layform\n_layform() {\n")
	b.WriteString("  local cur=${COMP_WORDS[COMP_CWORD]} node=layform words= files= i\n")
	b.WriteString("  for ((i = 1; i < COMP_CWORD; i++)); do\n")
	fmt.Fprintf(&b, "    case \"$node ${COMP_WORDS[i]}\" in\n      %s) node=\"$node ${COMP_WORDS[i]}\" ;;\n    esac\n  done\n", walk(places))
	b.WriteString("  case $node in\n")
	for _, p := range places {
		texts := make([]string, len(p.words))
		for i, w := range p.words {
			texts[i] = w.text
		}
		files := ""
		if p.files {
			files = " files=1"
		}
		fmt.Fprintf(&b, "    %q) words=%q%s ;;\n", p.path, strings.Join(texts, " "), files)
	}
	b.WriteString("  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n")
	b.WriteString("  if [[ $files && $cur != -* ]]; then COMPREPLY+=($(compgen -f -- \"$cur\")); fi\n")
	b.WriteString("}\ncomplete -o filenames -F _layform layform\n")
	return b.String()
}

func zshScript(places []place) string {
	var b strings.Builder
	b.WriteString("#compdef layform\n# zsh completion of layform\n_layform() {\n")
	b.WriteString("  local node=layform files= w\n  local -a items\n")
	b.WriteString("  for w in ${words[2,CURRENT-1]}; do\n")
	fmt.Fprintf(&b, "    case \"$node $w\" in\n      %s) node=\"$node $w\" ;;\n    esac\n  done\n", walk(places))
	b.WriteString("  case $node in\n")
	for _, p := range places {
		fmt.Fprintf(&b, "    %q)\n      items=(\n", p.path)
		for _, w := range p.words {
			fmt.Fprintf(&b, "        %s\n", quoteShell(strings.ReplaceAll(w.text, ":", `\:`)+":"+w.help))
		}
		b.WriteString("      )\n")
		if p.files {
			b.WriteString("      files=1\n")
		}
		b.WriteString("      ;;\n")
	}
	b.WriteString("  esac\n  _describe layform items\n  if [[ -n $files ]]; then _files; fi\n}\n")
	b.WriteString("if [[ $funcstack[1] = _layform ]]; then _layform \"$@\"; else compdef _layform layform; fi\n")
	return b.String()
}

func fishScript(places []place) string {
	var b strings.Builder
	b.WriteString("# fish completion of layform\nfunction __layform_node\n  set -l node layform\n")
	b.WriteString("  for w in (commandline -opc)[2..]\n    switch \"$node $w\"\n")
	fmt.Fprintf(&b, "      case %s\n        set node \"$node $w\"\n    end\n  end\n  test \"$node\" = \"$argv\"\nend\n",
		strings.ReplaceAll(walk(places), "|", " "))
	for _, p := range places {
		at := fmt.Sprintf("complete -c layform -n %s", quoteShell("__layform_node "+p.path))
		if !p.files {
			b.WriteString(at + " -f\n")
		}
		for _, w := range p.words {
			option := "-a " + w.text
			if long, ok := strings.CutPrefix(w.text, "--"); ok {
				option = "-l " + long
			}
			fmt.Fprintf(&b, "%s %s -d %s\n", at, option, quoteShell(w.help))
		}
	}
	return b.String()
}

// quoteShell quotes text for any of the shells.
func quoteShell(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'"'"'`) + "'"
}
