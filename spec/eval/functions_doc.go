package eval

import (
	"maps"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty/function"
)

// Function is the reference entry of a function of the language.
type Function struct {
	Name string
	// Group is the heading under which the reference lists it.
	Group string
	// Text describes the result, in whole sentences.
	Text string
	// Differs says where it is not what Terraform has under the name, "" where it is.
	Differs string
	Params  []FunctionParam
	// Example is an expression, and Result the JSON of its value.
	Example, Result string
}

// FunctionParam is a parameter of a Function.
type FunctionParam struct {
	// Name and Type are those of the function; a Variadic one takes any number of
	// arguments and is the last.
	Name, Type string
	Variadic   bool
	Text       string
}

// Signature is the function as it is called: join(separator, lists...).
func (f Function) Signature() string {
	names := make([]string, len(f.Params))
	for i, p := range f.Params {
		names[i] = p.Name
		if p.Variadic {
			names[i] += "..."
		}
	}
	return f.Name + "(" + strings.Join(names, ", ") + ")"
}

// functionDoc is the documentation of a function; its parameters are named by the
// function itself.
type functionDoc struct {
	text            string
	params          []string
	example, result string
	differs         string
}

// docs gives the texts of parameters, in their order.
func docs(params ...string) []string { return params }

// functionGroup is one heading of the reference.
type functionGroup struct {
	name  string
	table map[string]function.Function
	docs  map[string]functionDoc
}

func functionGroups(r *reader) []functionGroup {
	return []functionGroup{
		{"Numbers", numberFunctions(), numberDocs},
		{"Text", textFunctions(), textDocs},
		{"Collections", collectionFunctions(), collectionDocs},
		{"Encodings and digests", encodingFunctions(), encodingDocs},
		{"Networks", networkFunctions(), networkDocs},
		{"Files", fileFunctions(r), fileDocs},
		{"Types and marks", typeFunctions(), typeDocs},
	}
}

// Functions lists the functions of the language for its reference, by group and
// name.
func Functions() []Function {
	var list []Function
	for _, group := range functionGroups(newReader("")) {
		for _, name := range slices.Sorted(maps.Keys(group.table)) {
			doc := group.docs[name]
			f := Function{Name: name, Group: group.name, Text: doc.text, Differs: doc.differs, Example: doc.example, Result: doc.result}
			params := group.table[name].Params()
			if v := group.table[name].VarParam(); v != nil {
				params = append(params, *v)
			}
			for i, p := range params {
				text := ""
				if i < len(doc.params) {
					text = doc.params[i]
				}
				f.Params = append(f.Params, FunctionParam{
					Name: p.Name, Type: p.Type.FriendlyNameForConstraint(), Variadic: i == len(group.table[name].Params()), Text: text,
				})
			}
			list = append(list, f)
		}
	}
	return list
}
