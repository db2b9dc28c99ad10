package registry_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// reference are the functions, methods and options of docker/oci's package ocilayout.
const reference = `New NewPerRepository FindLayout Options.DefaultRepo PerRepoOptions
Registry.DeleteBlob Registry.DeleteManifest Registry.DeleteTag Registry.GetBlob Registry.GetBlobRange
Registry.GetManifest Registry.GetTag Registry.MountBlob Registry.PushBlob Registry.PushBlobChunked
Registry.PushBlobChunkedResume Registry.PushManifest Registry.Referrers Registry.Repositories
Registry.ResolveBlob Registry.ResolveManifest Registry.ResolveTag Registry.Tags`

// The table of the package doc names a counterpart for each of them, and each counterpart
// exists.
func TestCounterparts(t *testing.T) {
	have := declared(t, ".", "")
	for name := range declared(t, "../ref", "ref.") {
		have[name] = true
	}
	file, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(file.Doc.Text(), "# Counterparts")
	if !found {
		t.Fatal("the package doc has no table")
	}
	counterparts := map[string]string{}
	for line := range strings.Lines(table) {
		if row := strings.Fields(line); strings.HasPrefix(line, "\t") && len(row) == 2 {
			counterparts[row[0]] = row[1]
		}
	}
	for _, name := range strings.Fields(reference) {
		if !have[counterparts[name]] {
			t.Errorf("%s has the counterpart %q, which is not exported here", name, counterparts[name])
		}
		delete(counterparts, name)
	}
	for name := range counterparts {
		t.Errorf("the table has %s, which the reference does not have", name)
	}
}

// declared are the exported functions, methods and fields of the package in a folder.
func declared(t *testing.T, dir, prefix string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	have := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				have[prefix+receiver(n)+n.Name.Name] = true
			case *ast.TypeSpec:
				if fields, ok := n.Type.(*ast.StructType); ok {
					for _, f := range fields.Fields.List {
						for _, name := range f.Names {
							have[prefix+n.Name.Name+"."+name.Name] = true
						}
					}
				}
			}
			return true
		})
	}
	return have
}

// receiver is the type of a method and a dot.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	at := f.Recv.List[0].Type
	if star, ok := at.(*ast.StarExpr); ok {
		at = star.X
	}
	if name, ok := at.(*ast.Ident); ok {
		return name.Name + "."
	}
	return ""
}
