package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/layform/layform/"

// floors tells which packages of the module a package imports: no others, and each
// of them. A package that is not listed fails the test: it has no floor yet.
var floors = map[string][]string{
	"layout/imagespec":                  {},
	"layout/jsondoc":                    {"layout/imagespec"},
	"layout/ref":                        {"layout/imagespec"},
	"layout/remote":                     {"layout/imagespec", "layout/jsondoc", "layout/printable", "layout/ref"},
	"layout/transfer":                   {"layout", "layout/archive", "layout/imagespec", "layout/jsondoc", "layout/remote"},
	"layout/registrytest":               {"layout/registry", "layout/registry/serve"},
	"layout/registry/serve":             {"layout", "layout/ref", "layout/registry"},
	"layout/registry":                   {"layout", "layout/imagespec", "layout/internal/disk", "layout/jsondoc", "layout/layer", "layout/ref"},
	"layout/layer":                      {"layout/imagespec"},
	"layout/printable":                  {},
	"layout/internal/disk":              {"layout/printable"},
	"layout/durable":                    {"layout/internal/disk"},
	"layout/layouttest":                 {"layout", "layout/internal/disk", "layout/jsondoc"},
	"layout/repair":                     {"layout", "layout/imagespec", "layout/internal/disk", "layout/jsondoc", "layout/layer", "layout/printable", "layout/stage"},
	"layout":                            {"layout/imagespec", "layout/internal/disk", "layout/jsondoc", "layout/layer", "layout/printable"},
	"layout/archive":                    {"layout", "layout/durable", "layout/imagespec", "layout/internal/disk", "layout/jsondoc", "layout/layer", "layout/ref"},
	"layout/validate":                   {"layout", "layout/archive", "layout/imagespec", "layout/internal/disk", "layout/jsondoc", "layout/layer", "layout/printable"},
	"layout/stage":                      {"layout", "layout/imagespec", "layout/internal/disk", "layout/jsondoc", "layout/layer"},
	"spec/internal/suggest":             {},
	"spec/addr":                         {"spec/internal/suggest"},
	"spec/eval":                         {"layout/imagespec", "spec/addr"},
	"spec/schema":                       {"layout/imagespec", "spec/addr", "spec/eval", "spec/internal/suggest"},
	"spec":                              {"layout/imagespec", "layout/ref", "spec/addr", "spec/eval", "spec/internal/suggest", "spec/schema"},
	"spec/edit":                         {"layout/imagespec", "spec/addr", "spec/eval", "spec/schema"},
	"spec/lock":                         {"spec/eval"},
	"planner/source/walk":               {"layout/layer", "layout/stage"},
	"planner/source":                    {"layout/imagespec", "layout/layer", "layout/stage", "planner/source/walk", "spec"},
	"planner/image":                     {"layout/imagespec", "layout/jsondoc", "spec"},
	"planner":                           {"layout", "layout/archive", "layout/imagespec", "layout/jsondoc", "layout/layer", "layout/ref", "layout/stage", "planner/image", "planner/source", "spec", "spec/addr", "spec/schema"},
	"planner/base":                      {"layout", "layout/durable", "layout/imagespec", "layout/jsondoc", "layout/ref", "spec", "spec/addr", "spec/schema"},
	"executor/encode":                   {"layout", "layout/imagespec", "layout/layer", "planner/source", "spec"},
	"executor":                          {"executor/encode", "layout", "layout/archive", "layout/imagespec", "layout/jsondoc", "layout/layer", "layout/stage", "planner", "planner/image", "planner/source", "spec"},
	"cmd/layform/view":                  {"executor", "layout", "layout/imagespec", "layout/jsondoc", "layout/layer", "layout/printable", "layout/repair", "layout/transfer", "layout/validate", "planner", "spec"},
	"cmd/layform/view/text":             {"cmd/layform/view", "executor", "layout/layer", "layout/printable", "planner"},
	"cmd/layform/view/markdown":         {"cmd/layform/view", "cmd/layform/view/text"},
	"cmd/layform/view/internal/samples": {"cmd/layform/view", "layout/layer", "layout/transfer", "planner", "spec"},
	"cmd/layform":                       {"cmd/layform/view", "cmd/layform/view/markdown", "cmd/layform/view/text", "executor", "layout", "layout/archive", "layout/durable", "layout/imagespec", "layout/jsondoc", "layout/layer", "layout/printable", "layout/ref", "layout/registry", "layout/registry/serve", "layout/remote", "layout/repair", "layout/stage", "layout/transfer", "layout/validate", "planner", "planner/base", "spec", "spec/addr", "spec/edit", "spec/eval", "spec/lock", "spec/schema"},
}

// owners tells which packages import a heavy library: no others, and each of them;
// none where tests alone do. Mostly it is one,
// but for the two encodings: one package writes them and another one reads them.
var owners = map[string][]string{
	"github.com/alecthomas/kong":             {"cmd/layform"},
	"github.com/schollz/progressbar":         {"cmd/layform"},
	"github.com/mattn/go-isatty":             {"cmd/layform"},
	"github.com/go-json-experiment/json":     {"layout", "layout/jsondoc", "layout/validate"},
	"github.com/hashicorp/go-version":        {"spec", "spec/eval"},
	"github.com/apparentlymart/go-cidr":      {"spec/eval"},
	"github.com/google/uuid":                 {"spec/eval"},
	"github.com/zclconf/go-cty-yaml":         {"spec/eval"},
	"github.com/agext/levenshtein":           {"spec/internal/suggest"},
	"github.com/gofrs/flock":                 {},
	"github.com/bmatcuk/doublestar":          {"spec", "spec/eval"},
	"github.com/moby/patternmatcher":         {"spec"},
	"golang.org/x/crypto":                    {"layout/registry/serve"},
	"golang.org/x/text":                      {"planner/source", "spec", "spec/eval"},
	"github.com/klauspost/compress":          {"executor/encode", "layout/layer", "spec/eval"},
	"github.com/hashicorp/hcl":               {"cmd/layform", "cmd/layform/view", "cmd/layform/view/text", "executor", "planner", "planner/base", "planner/source", "spec", "spec/addr", "spec/edit", "spec/eval", "spec/lock", "spec/schema"},
	"github.com/zclconf/go-cty":              {"spec", "spec/addr", "spec/edit", "spec/eval", "spec/lock", "spec/schema"},
	"oras.land/oras-go":                      {"layout", "layout/registry", "layout/remote", "layout/transfer"},
	"oras.land/oras-go/v2/registry":          {"layout/remote"},
	"github.com/google/go-containerregistry": {},
	"github.com/containerd/platforms":        {},
}

// importsOf lists what the package files of the module import, by package
// folder. Tests are left out: they may look across floors.
func importsOf(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || rel == "examples") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(rel)
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(found[pkg], imported) {
				found[pkg] = append(found[pkg], imported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < len(floors)/2 {
		t.Fatalf("found only %d packages below %s", len(found), root)
	}
	return found
}

func TestFloors(t *testing.T) {
	found := importsOf(t)
	for pkg, allowed := range floors {
		if _, ok := found[pkg]; !ok {
			t.Errorf("the table floors has a package %s, which does not exist", pkg)
		}
		for _, own := range allowed {
			if !slices.Contains(found[pkg], module+own) {
				t.Errorf("%s does not import %s: strike it from the table floors", pkg, own)
			}
		}
	}
	for pkg, imports := range found {
		allowed, ok := floors[pkg]
		if !ok {
			t.Errorf("package %s has no floor: give it one in the table floors", pkg)
			continue
		}
		for _, imported := range imports {
			if own, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s, which is not below it", pkg, own)
			}
		}
	}
}

func TestLibrariesHaveOneOwner(t *testing.T) {
	found := importsOf(t)
	for library, allowed := range owners {
		for _, pkg := range allowed {
			if !slices.ContainsFunc(found[pkg], func(imported string) bool { return libraryOf(imported) == library }) {
				t.Errorf("%s does not import %s: strike it from the table owners", pkg, library)
			}
		}
	}
	for pkg, imports := range found {
		for _, imported := range imports {
			library := libraryOf(imported)
			allowed, ok := owners[library]
			if ok && !slices.Contains(allowed, pkg) {
				t.Errorf("%s imports %s, which only %s may import", pkg, imported, strings.Join(allowed, ", "))
			}
		}
	}
}

// TestModuleGroups holds that go.mod lists what the program imports and what tests
// alone import in groups of their own.
func TestModuleGroups(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	imported := map[string]bool{}
	for _, imports := range importsOf(t) {
		for _, name := range imports {
			imported[name] = true
		}
	}
	inProgram := func(library string) bool {
		for name := range imported {
			if name == library || strings.HasPrefix(name, library+"/") {
				return true
			}
		}
		return false
	}
	groups := strings.Split(string(data), "require (")
	if len(groups) != 4 {
		t.Fatalf("go.mod has %d groups of requirements, not 3", len(groups)-1)
	}
	for i, group := range groups[1:] {
		lines, _, _ := strings.Cut(group, ")")
		for line := range strings.Lines(strings.TrimSpace(lines)) {
			library, version, _ := strings.Cut(strings.TrimSpace(line), " ")
			if indirect := strings.HasSuffix(version, "// indirect"); indirect != (i == 2) {
				t.Errorf("%s is in group %d of go.mod", library, i+1)
			} else if !indirect && inProgram(library) != (i == 0) {
				t.Errorf("%s is in group %d of go.mod; the program imports what is in the first", library, i+1)
			}
		}
	}
}

// libraryOf is the longest key of owners that an import path lies in.
func libraryOf(imported string) string {
	best := ""
	for library := range owners {
		if (imported == library || strings.HasPrefix(imported, library+"/")) && len(library) > len(best) {
			best = library
		}
	}
	return best
}

// forbidden are calls that only cmd may make, by package and name; an empty
// list stands for the whole package.
var forbidden = map[string][]string{
	"os":        {"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Stdout", "Stderr", "Stdin", "Args", "Exit"},
	"log":       {},
	"log/slog":  {},
	"flag":      {},
	"os/exec":   {},
	"os/signal": {},
	"net":       {},
	"net/http":  {},
	"unsafe":    {},
}

// networked are the packages that are there for the network.
var networked = []string{"layout/registry/serve", "layout/registrytest", "layout/remote"}

// hostOnly are uses of forbidden names that stand for a reason.
var hostOnly = map[string]string{
	"spec/eval/functions_net.go net": "the types of prefixes that go-cidr computes with; nothing is resolved or dialled",
}

func TestNoSurroundingsBelowCommand(t *testing.T) {
	root := filepath.Join("..", "..")
	for pkg := range importsOf(t) {
		if pkg == "cmd/layform" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			for _, use := range forbiddenUses(t, name) {
				rel := path.Join(pkg, filepath.Base(name))
				if (use == "net" || use == "net/http") && slices.Contains(networked, pkg) {
					continue
				}
				if hostOnly[rel+" "+use] == "" {
					t.Errorf("%s uses %s: surroundings belong to cmd/layform", rel, use)
				}
			}
		}
	}
}

// forbiddenUses lists what a file uses of the forbidden names.
func forbiddenUses(t *testing.T, name string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var uses []string
	local := map[string]string{}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		names, ok := forbidden[imported]
		if !ok {
			continue
		}
		if len(names) == 0 {
			uses = append(uses, imported)
			continue
		}
		alias := path.Base(imported)
		if spec.Name != nil {
			alias = spec.Name.Name
		}
		local[alias] = imported
	}
	ast.Inspect(file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		id, ok := sel.X.(*ast.Ident)
		if ok && slices.Contains(forbidden[local[id.Name]], sel.Sel.Name) {
			uses = append(uses, id.Name+"."+sel.Sel.Name)
		}
		return true
	})
	return uses
}
