package spec

import (
	"encoding/json"
	"io/fs"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/spec/eval"
)

// Source is one file of a spec, verbatim.
type Source struct {
	// Name is the file's name in the spec's directory.
	Name string `json:"name"`
	// Text is the file's content as it counts; see SourceText.
	Text string `json:"text"`
}

// Variable is the value of a declared variable, in the form that a saved plan
// keeps. The value of a sensitive variable is not kept: Salt and Digest stand
// for it, so that a later Load can tell whether it was given the same value.
type Variable struct {
	Name string `json:"name"`
	// Type is the JSON form of the value's cty type, and Value its JSON form
	// under that type; both are empty when Sensitive.
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
	// Salt is random text; Digest covers the salt and the value.
	Salt   string        `json:"salt,omitempty"`
	Digest digest.Digest `json:"digest,omitempty"`
}

// Input is something on disk that a function read while the spec was evaluated.
type Input = eval.Input

// FileType names a type of file for messages, with its article: "a FIFO".
func FileType(m fs.FileMode) string { return eval.FileType(m) }

// Assignment is a variable's value from the environment or the command line.
type Assignment struct {
	// Name is the variable's name.
	Name string
	// Text is taken as it is for a variable of type string, number or bool or
	// without a type. For a list or set of strings it may be comma-separated
	// values, quoted as in CSV; an empty text is then the empty list. For any other
	// type, and where it begins with a bracket, it is an HCL expression that refers
	// to nothing and calls no function.
	Text string
	// Origin says for messages where the text comes from: --var, or the name of
	// an environment variable.
	Origin string
}

// Argument is an argument of the command line that gives variables values: a
// file of values where File is set, and an assignment otherwise.
type Argument struct {
	// File is relative to the working directory and holds HCL attributes, or a JSON
	// object when its name ends in .json. Either is data: it refers to nothing,
	// calls no function, and strings in JSON are no templates.
	File string
	Assignment
}

// LoadOptions shape Load. The zero value loads all spec files of the directory.
type LoadOptions struct {
	// File is the one spec file to load, the name of a file in the directory.
	// When it is empty, all *.layform.hcl, layform.hcl, *.layform.json and
	// layform.json files of the directory make up the spec. Those named
	// *.override.layform.hcl, override.layform.hcl or likewise with json, change
	// blocks of the others: attributes win, and nested blocks take the place of all
	// of their type.
	File string
	// Sources are the spec's files. When it is not nil, no spec file is read.
	Sources []Source
	// Recorded are the variables of a saved plan. They take the place of every
	// other source of values, except for sensitive ones, whose values must be
	// given again and be the same.
	Recorded []Variable
	// Environ are the assignments of the environment. They win over defaults alone.
	// Names that the spec does not declare are ignored.
	Environ []Assignment
	// Arguments are those of the command line, in their order. They win over
	// layform.layformvars and *.auto.layformvars, which win over the environment;
	// later ones win.
	Arguments []Argument
	// CheckOnly checks the spec as far as it can be checked without the values of
	// all variables: those without one are unknown, and nothing that follows from
	// them is judged. Sources that do not exist are warned about. The Spec serves for
	// nothing else then.
	CheckOnly bool
	// Bases resolves the images of bases, once for all that something in the spec
	// refers to. It is called where the spec is right so far; nil finds none, and
	// nothing that follows from them is judged then. Its diagnostics have the places of
	// the requests.
	Bases func([]BaseRequest) (map[Address]*BaseImage, hcl.Diagnostics)
	// Version is the version of layform that required_version is held against.
	// One that is empty or no version number, such as "dev", passes every constraint.
	Version string
	// Evaluated is called with the address of each object that is evaluated, by Load
	// and later on, possibly from several goroutines; it may be nil. Tests count with
	// it.
	Evaluated func(Address)
}

// Output is the value of an output block.
type Output struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Value is canonical JSON; empty when Unknown, and a JSON string with a
	// digest of the value when Sensitive.
	Value     string `json:"value,omitempty"`
	Unknown   bool   `json:"unknown,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
}

// Spec is a loaded spec. Its methods may be called concurrently.
type Spec struct {
	// Name is the spec's name, "default" unless the layform block sets another.
	Name string
	// Dir is the directory that Load was given, and File the one file, if any.
	Dir, File string
	// LayoutPath is the path of the layout as the spec writes it, relative to Dir
	// unless it is absolute.
	LayoutPath string
	// ArchivePath is the path of the layout's archive, likewise; empty where it has none.
	// ArchiveRange is where the spec says so.
	ArchivePath  string
	ArchiveRange hcl.Range
	// Sources are the spec's files, sorted by name.
	Sources []Source
	// Variables are the values of all declared variables, sorted by name.
	Variables []Variable
	// Files are the files by name, for the snippets of diagnostics: bytes and a Nav, and
	// no Body. It is set even when Load reports errors.
	Files map[string]*hcl.File

	root *module
	// first are the objects as Load has evaluated them, with nothing built.
	first map[Address]*answer
	bases []BaseRequest
}

// Load reads, checks and evaluates a spec, with everything unknown that is
// unknown before a build. dir is the spec's directory: every path in the spec is
// relative to it, and no function reads outside of it. Load reports all mistakes
// at once; the diagnostics may hold warnings alone. The Spec is never nil, but
// after an error only its Files may be used.
func Load(dir string, opts LoadOptions) (*Spec, hcl.Diagnostics) {
	l := &loading{p: newModule(dir, opts.Version), dir: dir, opts: opts}
	l.p.checkOnly, l.p.evaluated = opts.CheckOnly, opts.Evaluated
	diags, finished := eval.Guard(l.p.watch, l.begin)
	if finished && l.schedule != nil {
		diags = append(diags, l.resolve(diags)...) // which takes as long as a registry does
		diags, finished = eval.Guard(l.p.watch, func() hcl.Diagnostics { return l.finish(diags) })
	}
	if !finished {
		// The evaluation may still be writing to the module, which is left to it.
		return &Spec{Dir: dir, Files: map[string]*hcl.File{}}, diags
	}
	s := &Spec{
		Name: l.p.name, Dir: dir, File: opts.File, LayoutPath: l.p.layoutPath, ArchivePath: l.p.archivePath, ArchiveRange: l.p.archiveRange, Sources: l.sources, Variables: l.variables, Files: l.p.files, root: l.p, first: l.first, bases: l.bases,
	}
	return s, eval.SortAndDedupe(diags)
}

// Addresses lists every object that has to be built, each after the objects that
// it needs, a config after the layers of its manifests as well: by depth in the
// reference graph, then by kind, name and key. Layers and configs that no
// manifest, index or output needs are not among them.
func (s *Spec) Addresses() []Address {
	if s.root == nil {
		return nil
	}
	return slices.Clone(s.root.addresses)
}

// Bases are the bases that something in the spec refers to, in order. Resolved
// reports whether they were looked for.
func (s *Spec) Bases() (bases []*Object, resolved bool) {
	if s.root == nil {
		return nil, false
	}
	for _, r := range s.bases {
		o := &Object{Address: r.Address}
		if first, ok := s.first[r.Address]; ok {
			o = first.object
		}
		bases = append(bases, o)
	}
	return bases, s.root.resolved
}

// Evaluate evaluates the object at an address, with the builds that known gives of the
// objects that it refers to. A nil known knows nothing: that is what Load has evaluated
// already, and what stays as it is where every value was known then. The caller changes nothing in the object, which may be that of others too.
// Files that functions read come out the same as the first time. An address that the
// spec does not have is reported as an error.
func (s *Spec) Evaluate(addr Address, known Known) (*Object, hcl.Diagnostics) {
	if first, ok := s.first[addr]; ok && (known == nil || s.root.instances[addr].block.syntax == nil) {
		return first.object, slices.Clone(first.diags)
	}
	if s.root == nil || s.root.instances[addr] == nil {
		return &Object{Address: addr}, hcl.Diagnostics{eval.Errorf(nil, "Unknown address", "The spec has no object %s.", addr)}
	}
	var o *Object
	diags, finished := s.guarded(known, func(ses *session) hcl.Diagnostics {
		e, diags := ses.evaluate(s.root.instances[addr])
		o = e.object
		return diags
	})
	if !finished {
		return &Object{Address: addr}, diags
	}
	return o, eval.SortAndDedupe(diags)
}

// Outputs evaluates the outputs, sorted by name, with the builds that known gives; a
// nil known knows none.
func (s *Spec) Outputs(known Known) ([]Output, hcl.Diagnostics) {
	if s.root == nil {
		return nil, nil
	}
	var list []Output
	diags, finished := s.guarded(known, func(ses *session) hcl.Diagnostics {
		var diags hcl.Diagnostics
		list, _, diags = ses.outputs()
		return diags
	})
	if !finished {
		return nil, diags
	}
	return list, eval.SortAndDedupe(diags)
}

// guarded runs an evaluation after Load.
func (s *Spec) guarded(known Known, evaluate func(*session) hcl.Diagnostics) (hcl.Diagnostics, bool) {
	ses := newSession(s.root, known)
	w := new(eval.Watch)
	ses.evaluation = s.root.library.NewEvaluation(w)
	return eval.Guard(w, func() hcl.Diagnostics { return evaluate(ses) })
}

// Inputs lists the files and patterns that functions have read since Load began:
// sorted, without duplicates.
func (s *Spec) Inputs() []eval.Input {
	if s.root == nil {
		return nil
	}
	return s.root.library.Inputs()
}
