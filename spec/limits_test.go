package spec

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/layform/layform/spec/eval"
)

// TestHostileText loads texts that would overflow the stack of the parser or
// that are no text.
func TestHostileText(t *testing.T) {
	const deep, deepEnough = 100_000, 10_000
	repeat := strings.Repeat
	for name, test := range map[string][2]string{
		"parentheses":  {"x = " + repeat("(", deep), "nested too deeply"},
		"brackets":     {"x = " + repeat("[", deep), "nested too deeply"},
		"braces":       {"x = " + repeat("{a=", deep), "nested too deeply"},
		"templates":    {"x = " + repeat(`"${`, deep), "nested too deeply"},
		"not":          {"x = " + repeat("!", deep) + "true", "nested too deeply"},
		"minus":        {"x = " + repeat("- ", deep) + "1", "nested too deeply"},
		"not and not":  {"x = " + repeat("!-", deep) + "1", "nested too deeply"},
		"blocks":       {repeat("b {\n", deep), "nested too deeply"},
		"sum":          {"x = 1" + repeat("+1", deep), "nested too deeply"},
		"sum in lines": {"x = (1" + repeat("\n+1", deepEnough) + ")", "nested too deeply"},
		"conditionals": {"x = " + repeat("a ? b : ", deepEnough) + "c", "nested too deeply"},
		"indexes":      {"x = f()" + repeat("[a]", deepEnough), "nested too deeply"},
		"splats":       {"x = f()" + repeat("[*]", deepEnough), "nested too deeply"},
		"directives":   {"x = <<E\n" + repeat("%{if a}", deepEnough) + "\nE\n", "nested too deeply"},
		"for":          {"x = " + repeat("[for a in ", deepEnough), "nested too deeply"},
		"large":        {repeat("# comment\n", eval.MaxSourceSize/10+1), "larger than"},
		"utf-16":       {"\xff\xfex\x00=\x001\x00", "UTF-16"},
		"nul":          {"x = 1\n# \x00", "NUL character"},
		"not utf-8":    {"x = \"\xff\"", "not valid UTF-8"},
		"surrogate":    {"x = \"\xed\xa0\x80\"", "not valid UTF-8"},
		"escape":       {`x = "\ud800"`, "U+d800"},
		"end of file":  {repeat("# comment\n", 7000) + repeat("b {\n", deep), "nested too deeply"},
		"no comment":   {"x = 1 /*" + repeat("\n", 64<<10) + repeat("(", deep), "nested too deeply"},
		"heredoc":      {"x = <<E\n" + repeat("a\n", eval.MaxLines+1) + "E\n", "lines at most"},
		"indented":     {"x = <<-E\n" + repeat(" a\n", eval.MaxLines+1) + "E\n", "lines at most"},
		"tokens":       {"x = [" + repeat("1,", eval.MaxTokens/2) + "]", "Divide the spec"},
		"many lines":   {repeat("x=1\n", eval.MaxTokens/3+1), "Divide the spec"},
		"exponent":     {"x = 1e20000000", "too large, too small"},
		"small":        {"x = -1E-2467", "too large, too small"},
		"digits":       {"x = 0." + repeat("9", eval.MaxDigits), "too large, too small"},
		"no newline":   {"x = \"" + repeat("a", 64<<10) + repeat("${(", deep), "nested too deeply"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s, diags := Load(t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.hcl", Text: test[0]}}})
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 512<<20 {
				t.Errorf("%d MiB were allocated", grown>>20)
			}
			mustSay(t, s, diags, test[1], "layform.hcl line")
		})
	}
	for name, text := range map[string]string{
		"json objects": repeat(`{"a":`, deep),
		"json arrays":  `{"layer":` + repeat("[", deep),
		"json text":    `{"output": {"o": {"value": "${` + repeat("(", deep) + `}"}}}`,
		"json escapes": `{"output": {"o": {"value": "${` + repeat(`\u0028`, deep) + `}"}}}`,
		"json type":    `{"variable": {"v": {"type": "` + repeat("list(", deepEnough) + `"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			mustFail(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.json", Text: text}}}, "nested too deeply", "layform.json line")
		})
	}
}

// TestSpecSize: what all files of a spec hold together is bounded.
func TestSpecSize(t *testing.T) {
	large, dense := LoadOptions{}, LoadOptions{}
	for i := range 18 {
		name := fmt.Sprintf("f%02d.layform.hcl", i)
		large.Sources = append(large.Sources, Source{Name: name, Text: strings.Repeat("# comment\n", 100_000)})
		dense.Sources = append(dense.Sources, Source{Name: name, Text: fmt.Sprintf("locals {\n a%d = [%s]\n}\n", i, strings.Repeat("1,", 50_000))})
	}
	mustFail(t, t.TempDir(), large, "Spec too large", "f16.layform.hcl line 1")
	mustFail(t, t.TempDir(), dense, "Spec too large", "f10.layform.hcl line 1")
	file := source("")
	file.Sources[0] = Source{Name: "layform.json", Text: `{"layout": {"path": "out"}, "output": {"o": {"value": 1e20000000}}}`}
	mustFail(t, t.TempDir(), file, "number", "layform.json line 1")
	file.Sources[0].Text = `{"output": {"o": {"value": [` + strings.Repeat("1,", eval.MaxTokens) + `1]}}}`
	mustFail(t, t.TempDir(), file, "Divide the spec", "layform.json line 1")
}

// TestSurrogates: halves of surrogate pairs are refused wherever JSON is read,
// for its readers put another character in their place. Pairs are characters.
func TestSurrogates(t *testing.T) {
	for text, half := range map[string]string{
		`\ud800`: `\ud800`, `\uDFFF`: `\uDFFF`, `\ud83d\ud83d`: `\ud83d`, `\ude00\ud83d`: `\ude00`, `\ud83d \ude00`: `\ud83d`, `\ud83d\n`: `\ud83d`,
		`\ud83d\ude00`: "", `\\ud800`: "", `\\\ud800`: `\ud800`, `\u00e9\n`: "",
	} {
		file := LoadOptions{Sources: []Source{{Name: "layform.json", Text: `{"layout": {"path": "out"}, "output": {"o": {"value": "` + text + `"}}}`}}}
		function := source("output \"o\" { value = jsondecode(" + canonicalJSON(cty.StringVal(`"`+text+`"`)) + ") }")
		if half == "" {
			mustLoad(t, t.TempDir(), file)
			mustLoad(t, t.TempDir(), function)
			continue
		}
		mustFail(t, t.TempDir(), file, half+" is half of a surrogate pair", "layform.json line 1")
		mustFail(t, t.TempDir(), function, half+" in the JSON text is half of a surrogate pair", "layform.hcl line 2")
	}
}

// TestOrdinaryNesting makes sure that the limits do not meet what people write.
func TestOrdinaryNesting(t *testing.T) {
	var text strings.Builder
	text.WriteString("locals {\n list = [\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "  { name = \"n%d\", size = -%d + 1, ok = !true && var.x == \"a\" },\n", i, i)
	}
	text.WriteString(" ]\n}\nvariable \"x\" { default = \"a\" }\noutput \"o\" {\n value = <<-EOT\n")
	for range 3000 {
		text.WriteString("  case ${var.x} in (a) echo '((((' ;; [ -f x ] || { %{ if true }yes%{ endif }\n")
	}
	text.WriteString("  EOT\n}\noutput \"n\" { value = length(local.list) }\n")
	text.WriteString("locals {\n")
	for i := range 1500 {
		fmt.Fprintf(&text, "  a%d = max(%d, -1) # a comment takes the end of its line along\n", i, i)
	}
	fmt.Fprintf(&text, "}\n/* %s */\n", strings.Repeat("( [ {\n", 20_000))
	if got := values(t, mustLoad(t, t.TempDir(), source(text.String())))["n"]; got != "5000" {
		t.Errorf("%s elements", got)
	}
}

// TestHostileExpressions evaluates what would take all time or memory. Each must
// end in a diagnostic that names a place.
func TestHostileExpressions(t *testing.T) {
	doubling := func(first, next string) string {
		var b strings.Builder
		fmt.Fprintf(&b, "locals {\n a0 = %s\n", first)
		for i := range 60 {
			fmt.Fprintf(&b, " a%d = %s\n", i+1, strings.ReplaceAll(next, "X", fmt.Sprintf("local.a%d", i)))
		}
		return b.String() + "}\noutput \"o\" { value = local.a60 }\n"
	}
	nested := func(body string) string {
		return "output \"o\" { value = [for a in range(1000) : [for b in range(1000) : [for c in range(1000) : " + body + "]]] }"
	}
	for name, text := range map[string]string{
		"nested for":      nested("a"),
		"in a key":        "output \"o\" { value = { (" + strings.TrimSuffix(strings.TrimPrefix(nested("a"), "output \"o\" { value = "), " }") + ") = 1 } }",
		"for with if":     "output \"o\" { value = [for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c if false]]] }",
		"for object":      "output \"o\" { value = {for a in range(1000) : a => {for b in range(1000) : b => {for c in range(1000) : c => 1}}} }",
		"for in template": "output \"o\" { value = <<E\n%{for a in range(1000)}%{for b in range(1000)}%{for c in range(1000)}x%{endfor}%{endfor}%{endfor}\nE\n}",
		"hidden by try":   "output \"o\" { value = try([for a in range(1000) : [for b in range(1000) : [for c in range(1000) : a]]], \"fine\") }",
		"hidden by can":   "output \"o\" { value = can([for a in range(1000) : [for b in range(1000) : [for c in range(1000) : a]]]) }",
		"splat":           "output \"o\" { value = [for a in range(1000) : range(1000)[*]][*][*] }",
		"flatten":         doubling("[1]", "flatten([X, X])"),
		"concat":          doubling("[1]", "concat(X, X)"),
		"tuple":           doubling("[1]", "[X, X]"),
		"object":          doubling("{}", "{ a = X, b = X }"),
		"template":        doubling(`"ab"`, `"${X}${X}"`),
		"join":            doubling(`"ab"`, `join("", [X, X])`),
		"replace":         doubling(`"ab"`, `replace(X, "a", X)`),
		"replace regexp":  doubling(`"ab"`, `replace(X, "/./", X)`),
		"format":          doubling(`"ab"`, `format("%s%s", X, X)`),
		"jsonencode":      doubling(`"\"\""`, "jsonencode([X, X])"),
		"deep":            doubling("[1]", "[[[[X]]]]"),
		"numbers":         doubling("9e99", "X * X"),
		"setproduct":      doubling("[1, 2]", "[for p in setproduct(X, X) : jsonencode(p)]"),
		"width":           `output "o" { value = format("%100000000s", "a") }`,
		"precision":       `output "o" { value = format("%.100000000f", 1) }`,
		"indent":          `output "o" { value = indent(1000000000, "a\nb") }`,
		"one number":      `output "o" { value = "${1e999999999}" }`,
		"decoded number":  `output "o" { value = "${jsondecode("1e999999999")}" }`,
		"deep json":       `output "o" { value = jsondecode(join("", [for a in range(1000) : "[[[[[["])) }`,
		"deep yaml":       `output "o" { value = yamldecode(join("", [for a in range(1000) : "[[[[[["])) }`,
		"compact yaml":    `output "o" { value = yamldecode(join("", [for a in range(1000) : "- - - - - "])) }`,
		"laughing yaml":   `output "o" { value = yamldecode(join("\n", concat(["a0: &a0 [x,x]"], [for i in range(1, 30) : "a${i}: &a${i} [*a${i - 1},*a${i - 1}]"]))) }`,
		"digits":          `output "o" { value = parseint(join("", [for a in range(1000) : "99999999"]), 10) }`,
		"in a layer":      "layer \"a\" {\n file \"/a\" { content = jsonencode(" + strings.TrimSuffix(strings.TrimPrefix(nested("a"), `output "o" { value = `), " }") + ") }\n}",
		"in for_each":     "layer \"a\" {\n for_each = { for a in range(1000) : a => [for b in range(1000) : [for c in range(1000) : a]] }\n file \"/a\" { content = \"\" }\n}",
		"in a variable":   "variable \"v\" { default = " + strings.TrimSuffix(strings.TrimPrefix(nested("a"), `output "o" { value = `), " }") + " }",
	} {
		t.Run(name, func(t *testing.T) {
			s, diags := Load(t.TempDir(), source(text))
			if !diags.HasErrors() {
				t.Fatal("no error")
			}
			if diags[0].Subject == nil {
				t.Errorf("no place: %s", diags[0])
			}
			if out := render(t, s, diags); len(out) > 20_000 {
				t.Errorf("%d bytes of diagnostics", len(out))
			}
		})
	}
	jsonText := `{"layout": {"path": "out"}, "output": {"o": {"value": "${[for a in range(1000) : [for b in range(1000) : [for c in range(1000) : a]]]}"}}}`
	mustFail(t, t.TempDir(), LoadOptions{Sources: []Source{{Name: "layform.json", Text: jsonText}}}, "Expression too large", "layform.json line 1")
	mustFail(t, t.TempDir(), source("output \"o\" { value = 1 / 0 }"), "Division by zero", "nothing can be divided")
}

// TestMemory evaluates the largest of hostile expressions within bounds.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	mustFail(t, t.TempDir(), source(`output "o" { value = [for a in range(1000) : [for b in range(1000) : [for c in range(1000) : "${a}${b}"]]] }`),
		"Expression too large")
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 512<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// TestCostlyFunctions: functions whose work grows faster than what they are given
// are stopped by a count, and nothing that is of use is.
func TestCostlyFunctions(t *testing.T) {
	loop := func(call string) string {
		return "locals {\n list = range(1000)\n text = join(\"\", [for i in range(1000) : \"xxxxxxxxxx\"])\n}\noutput \"o\" { value = length([for a in range(700) : " + call + "]) }"
	}
	dir := files(t, map[string]string{
		"t.tftpl": "%{ for a in range(700) }${length(distinct(list))}%{ endfor }",
		"list":    strings.Repeat("some/path\n", 20_000),
	})
	for name, call := range map[string]string{
		"distinct":      "distinct(local.list)",
		"hidden by try": "try(distinct(local.list), 1)",
		"matchkeys":     "matchkeys(local.list, local.list, local.list)",
		"setunion":      "setunion(local.list, [a])",
		"regexall":      `regexall("x{900}y", local.text)`,
		"replace":       `replace(local.text, "/x{900}y/", "")`,
		"template":      `templatefile("t.tftpl", { list = local.list })`,
	} {
		t.Run(name, func(t *testing.T) {
			mustFail(t, dir, source(loop(call)), "produce", "of values", "layform.hcl line")
		})
	}
	mustFail(t, dir, source(`output "o" { value = regex(join("", [for i in range(200) : "0123456789012345678901234567890123456789012345678901"]), "x") }`), "at most 10000 bytes")
	mustLoad(t, dir, source(`output "o" {
 value = [
  length(distinct([for i in range(1000) : "${i}"])), length(toset([for i in range(1000) : "${i}"])),
  length(regexall("(?m)^some/(path)$", file("list"))), replace("v1.2.3", "/^v([0-9]+)\\..*$/", "$1"), distinct(sensitive([1])),
]
 sensitive = true
}`))
}
