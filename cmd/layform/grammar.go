package main

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
)

const description = `Plan and apply OCI image layouts that are described in HCL files.

Exit codes: 0 success; 1 error; 2 plan or show --detailed-exitcode with changes, lock --check or outdated where the lock file does not fit; 3 fmt --check when a file would change. Results go to standard output, all else to standard error. NO_COLOR, CI and output that is no terminal turn colours off. SOURCE_DATE_EPOCH sets times, LAYFORM_VAR_name variables.`

// grammar is the command line.
type grammar struct {
	Chdir   string           `name:"chdir" short:"C" group:"global" placeholder:"DIR" help:"Work in this directory: every other path of the command line is relative to it."`
	NoColor bool             `name:"no-color" group:"global" help:"No colours."`
	JSON    bool             `name:"json" group:"global" help:"Print one JSON document on standard output, errors included."`
	Version kong.VersionFlag `name:"version" group:"global" help:"Print the version and exit."`

	Init       initCmd       `cmd:"" help:"Write a commented starter spec."`
	Import     importCmd     `cmd:"" help:"Write a spec for what a layout holds, and take that over as it is."`
	Fmt        fmtCmd        `cmd:"" help:"Format spec files."`
	Add        addCmd        `cmd:"" help:"Add an object to the spec."`
	Annotate   annotateCmd   `cmd:"" help:"Set annotations of an object in the spec."`
	Set        setCmd        `cmd:"" help:"Set attributes of an object in the spec."`
	Tag        tagCmd        `cmd:"" help:"Add tags to a manifest or an index in the spec."`
	Untag      untagCmd      `cmd:"" help:"Take tags of a manifest or an index out of the spec."`
	Remove     removeCmd     `cmd:"" help:"Take an object out of the spec."`
	Rename     renameCmd     `cmd:"" help:"Give an object another name in the spec."`
	Validate   validateCmd   `cmd:"" help:"Check the spec."`
	Plan       planCmd       `cmd:"" help:"Show what would change in the layout, and why."`
	Apply      applyCmd      `cmd:"" help:"Make the layout hold what the spec describes."`
	Destroy    destroyCmd    `cmd:"" help:"Remove from the layout all that the spec owns."`
	Show       showCmd       `cmd:"" help:"Show a saved plan, or what the layout holds for the spec."`
	State      stateCmd      `cmd:"" help:"List, show, rename and forget what the layout holds for the spec."`
	Status     statusCmd     `cmd:"" help:"Show what is staged and registered, and whether it is intact."`
	Verify     verifyCmd     `cmd:"" help:"Compare the layout with what the spec gives; --rebuild proves it."`
	Output     outputCmd     `cmd:"" help:"Print output values of the last apply."`
	Lock       lockCmd       `cmd:"" help:"Write layform.lock.hcl: the digests that the references of bases lead to."`
	Outdated   outdatedCmd   `cmd:"" help:"Compare layform.lock.hcl with what the references of bases lead to today."`
	Push       pushCmd       `cmd:"" help:"Push what the spec's layout holds for it to a registry."`
	Pull       pullCmd       `cmd:"" help:"Pull images from a registry into a layout."`
	Copy       copyCmd       `cmd:"" help:"Copy images between any two layouts and registries."`
	Layout     layoutCmd     `cmd:"" help:"Look at any OCI image layout."`
	Serve      serveCmd      `cmd:"" help:"Serve layouts as a registry."`
	Reference  referenceCmd  `cmd:"" help:"Explain the spec language: a block, an attribute or a function."`
	Schema     schemaCmd     `cmd:"" help:"Print the JSON Schema of *.layform.json files."`
	VersionCmd versionCmd    `cmd:"" name:"version" help:"Print the version."`
	Completion completionCmd `cmd:"" help:"Print a completion script for a shell."`
}

// otherCommands is a pattern of the fields of the grammar, as kong calls them, whose
// commands args do not name. Most of the work of a parser is for flags of commands that
// are not run. It matches nothing where args name no command, or one that is about the
// others.
func otherCommands(args []string) string {
	const none = "^$"
	var others []string
	named := false
	for field := range reflect.TypeFor[grammar]().Fields() {
		if _, ok := field.Tag.Lookup("cmd"); !ok {
			continue
		}
		name := field.Tag.Get("name")
		if name == "" {
			name = strings.ToLower(field.Name)
		}
		switch {
		case !slices.Contains(args, name):
			others = append(others, field.Name)
		case field.Type == reflect.TypeFor[completionCmd]():
			return none
		default:
			named = true
		}
	}
	if !named {
		return none
	}
	return `^grammar\.(` + strings.Join(others, "|") + ")$"
}

// specFlags say which spec is meant.
type specFlags struct {
	File string `name:"file" short:"f" placeholder:"FILE" help:"Load this one spec file instead of all *.layform.hcl files of the directory."`
}

// valueFlags give variables their values.
type valueFlags struct {
	Var     valueArgs `name:"var" placeholder:"NAME=VALUE" help:"Set a variable. Repeatable; of --var and --var-file, the last one wins."`
	VarFile valueArgs `name:"var-file" placeholder:"FILE" help:"Read variables from a file. Repeatable; of --var and --var-file, the last one wins."`
}

// shapeFlags shape a plan. They go with a plan that is made, not with a saved one.
type shapeFlags struct {
	Target   []string `name:"target" sep:"none" placeholder:"ADDRESS" help:"Only this object and what it needs. Repeatable."`
	Replace  []string `name:"replace" sep:"none" placeholder:"ADDRESS" help:"Build this object again even if nothing changed. Repeatable."`
	Adopt    bool     `name:"adopt" help:"Take over entries of index.json that the spec asks for and that belong to no spec."`
	TakeOver takeOver `name:"take-over" help:"Take over what a spec of the same name put into the layout from another directory or file, as when the spec moved; --take-over=NAME takes over what the spec of that name has there, as when the name changed."`
	NoCache  bool     `name:"no-stat-cache" help:"Read every source file, even those whose size and times did not change."`
}

// runFlags say how a plan is made or applied.
type runFlags struct {
	parallelFlags
	baseFlags
}

// parallelFlags say how much is done at once.
type parallelFlags struct {
	Parallelism int `name:"parallelism" default:"0" placeholder:"N" help:"Read and build this many objects at once; 0 is the number of processors."`
}

func (f *parallelFlags) check() error {
	if f.Parallelism < 0 {
		return &failure{message: "--parallelism must not be negative", hint: "0 is the number of processors"}
	}
	return nil
}

// executeFlags say how a plan is made and applied at once.
type executeFlags struct {
	runFlags
	waitFlags
}

func (f *executeFlags) check() error {
	if err := f.runFlags.check(); err != nil {
		return err
	}
	return f.waitFlags.check()
}

// waitFlags say how long a command that writes waits for another.
type waitFlags struct {
	LockTimeout time.Duration `name:"lock-timeout" default:"0s" placeholder:"DURATION" help:"Wait this long for another run to finish, such as 30s."`
}

func (f *waitFlags) check() error {
	if f.LockTimeout < 0 {
		return &failure{message: "--lock-timeout must not be negative", hint: "0s does not wait"}
	}
	return nil
}
