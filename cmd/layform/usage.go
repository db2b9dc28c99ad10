package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/layform/layform/spec/addr"
	"github.com/layform/layform/spec/schema"
)

// usageError turns a mistake on the command line into an error that says what is wrong,
// and what to type instead. The parser's errors have no types, and are told apart by
// their text, which TestWrongCommandLines holds.
func usageError(err error, root *kong.Node) error {
	if f := (*failure)(nil); errors.As(err, &f) {
		return err
	}
	u := &usage{root: root, node: root}
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil {
			u.node = node
		}
	}
	message, hint := u.explain(err.Error())
	return &failure{message: message, hint: cmp.Or(hint, "see layform help"+strings.TrimPrefix(u.path(), "layform"))}
}

// usage is the place on a command line at which the parser met a mistake.
type usage struct{ root, node *kong.Node }

// path is the command as it is typed.
func (u *usage) path() string {
	if u.node == u.root {
		return "layform"
	}
	return "layform " + u.node.Path()
}

// explain finds words for an error of the parser, and for what to do next.
func (u *usage) explain(text string) (message, hint string) {
	if word, ok := strings.CutPrefix(text, "unexpected argument "); ok {
		word, near, _ := strings.Cut(word, ", did you mean ")
		return u.unexpected(word, near)
	}
	if word, ok := strings.CutPrefix(text, "unknown flag "); ok {
		word, near, _ := strings.Cut(word, ", did you mean ")
		return u.unknownFlag(word, near)
	}
	if list, ok := strings.CutPrefix(text, "expected one of "); ok && len(u.node.Children) > 0 && list != "" {
		return u.path() + " needs a command", ""
	}
	if missing, ok := strings.CutPrefix(text, "expected \""); ok {
		return u.path() + " needs " + strings.TrimSuffix(missing, "\""), u.example()
	}
	if name, rest, ok := strings.Cut(text, ": "); ok {
		if f := u.flag(name); f != nil {
			return u.badValue(f, rest)
		}
	}
	if name, rest, ok := strings.Cut(text, " must be one of "); ok {
		list, got, _ := strings.Cut(rest, " but got ")
		values := strings.Split(strings.ReplaceAll(list, `"`, ""), ",")
		values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
		return fmt.Sprintf("%s is one of %s, not %s", name, strings.Join(values, ", "), got), ""
	}
	return text, ""
}

// flag finds a flag by its name with dashes.
func (u *usage) flag(name string) *kong.Flag {
	for _, f := range u.flags() {
		if "--"+f.Name == name {
			return f
		}
	}
	return nil
}

// flags lists the flags that may be given.
func (u *usage) flags() []*kong.Flag {
	var all []*kong.Flag
	for _, group := range u.node.AllFlags(true) {
		all = append(all, group...)
	}
	return all
}

// example is the first example of the command's help.
func (u *usage) example() string {
	for line := range strings.Lines(u.node.Detail) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, u.path()+" ") {
			line, _, _ = strings.Cut(line, "    ")
			return "for example, " + line
		}
	}
	return ""
}

// badValue explains a value that a flag cannot have, or that is missing.
func (u *usage) badValue(f *kong.Flag, rest string) (message, hint string) {
	flag := "--" + f.Name
	placeholder := cmp.Or(f.PlaceHolder, strings.ToUpper(f.Name))
	got := func() string { // the text between the first quotes
		_, rest, _ := strings.Cut(rest, `but got "`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	switch {
	case strings.HasPrefix(rest, "missing value"), strings.Contains(rest, `but got "EOL"`):
		return flag + " needs a value", "write " + flag + "=" + placeholder
	case strings.Contains(rest, " flag)"):
		return fmt.Sprintf("%s needs a value, and %s is a flag", flag, got()), "write " + flag + "=" + placeholder
	case strings.HasPrefix(rest, "expected duration"):
		return fmt.Sprintf("%s is a duration, not %q", flag, got()), "write " + flag + "=30s, or 5m, or 1h30m"
	case strings.HasPrefix(rest, "expected a valid"):
		return fmt.Sprintf("%s is a whole number, not %q", flag, got()), "write " + flag + "=" + cmp.Or(strings.TrimPrefix(f.Default, "0"), "4")
	case strings.HasPrefix(rest, "bool value"):
		return fmt.Sprintf("%s is on or off, not %q", flag, got()), "write " + flag + ", or leave it out"
	case strings.HasPrefix(rest, `expected "<key>=<value>"`):
		return fmt.Sprintf("%s is %s, not %q", flag, placeholder, got()), ""
	}
	return flag + ": " + rest, ""
}

// unexpected explains a word that is no command, or an argument too many.
func (u *usage) unexpected(word, near string) (message, hint string) {
	if len(u.node.Children) > 0 {
		message = fmt.Sprintf("%s has no command %q", u.path(), word)
		if u.node == u.root {
			message = fmt.Sprintf("there is no command %q", word)
		}
		return message, cmp.Or(firstCommand(word), u.layoutCommand(word), u.topic(word), didYouMean(near))
	}
	message = fmt.Sprintf("%s takes no argument %q", u.path(), word)
	if len(u.node.Positional) > 0 {
		usage, _, _ := strings.Cut(u.node.Summary(), " [flags]")
		return fmt.Sprintf("%s takes no further argument, and %q is one", u.path(), word), "write layform " + usage
	}
	_, err := addr.Parse(word)
	switch {
	case strings.Contains(word, "=") && u.flag("--var") != nil:
		return message, "write --var " + shellWord(word) + " for the value of a variable"
	case err == nil && u.flag("--target") != nil:
		return message, "write --target " + shellWord(word) + " for one object"
	case u.flag("--var") != nil:
		return message, fmt.Sprintf("write layform -C %s %s for the spec in another directory", shellWord(word), u.node.Name)
	}
	return message, ""
}

// layoutCommand is a command that stands below layout.
func (u *usage) layoutCommand(word string) string {
	for _, group := range u.root.Children {
		for _, node := range group.Children {
			if node.Name == word && group.Name != u.node.Name {
				return (&usage{u.root, node}).example()
			}
		}
	}
	return ""
}

// topic is the way to a topic of the language.
func (u *usage) topic(word string) string {
	for _, topic := range schema.Topics() {
		if topic.Name == word {
			return "layform reference " + word + " explains that word of the language"
		}
	}
	return ""
}

// unknownFlag explains a flag that the command does not have.
func (u *usage) unknownFlag(name, near string) (message, hint string) {
	message = fmt.Sprintf("%s has no flag %s", u.path(), name)
	word := strings.TrimLeft(name, "-")
	if hint := firstFlag(word); hint != "" && u.takes(hint) {
		return message, hint
	}
	if near != "" && len(word) > 1 {
		return message, didYouMean(near)
	}
	var others []string
	for _, node := range u.root.Leaves(true) {
		if slices.ContainsFunc(node.Flags, func(f *kong.Flag) bool { return f.Name == word }) {
			others = append(others, "layform "+node.Path())
		}
	}
	if len(others) > 3 {
		slices.SortStableFunc(others, func(a, b string) int { return strings.Count(a, " ") - strings.Count(b, " ") })
		others = append(others[:3], "and others")
	}
	if len(others) > 0 {
		return message, "it is a flag of " + strings.Join(others, ", ")
	}
	return message, ""
}

// takes reports whether the command has the flag that a hint says to write, if it says so.
func (u *usage) takes(hint string) bool {
	rest, found := strings.CutPrefix(hint, "write --")
	if !found {
		return true
	}
	return u.flag("--"+rest[:len(rest)-len(strings.TrimLeft(rest, "abcdefghijklmnopqrstuvwxyz-"))]) != nil
}

// didYouMean is the hint at what the parser found near, in its own words: "plan"?
func didYouMean(near string) string {
	if near == "" {
		return ""
	}
	return "did you mean " + strings.ReplaceAll(near, `"`, "")
}
