package spec

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o644) }

func TestFunctions(t *testing.T) {
	dir := files(t, map[string]string{
		"hello.txt":     "Hello, wörld\n",
		"sub/a.go":      "package a",
		"sub/b/c.go":    "package b",
		"sub/b/d.txt":   "",
		"binary":        "\xff\x00",
		"greet.tftpl":   "%{ for n in names ~}\nHi ${upper(n)}!\n%{ endfor ~}",
		"data.yaml":     "a: &x [1, two]\nb: *x\n",
		"list.csv":      "k,v\na,1\nb,2\n",
		"sub/self.tmpl": "${templatefile(\"sub/self.tmpl\", {})}",
	})
	for expr, want := range functionValues {
		opts := source("output \"o\" {\n sensitive = false\n value = " + expr + "\n}\n")
		s, diags := Load(dir, opts)
		if diags.HasErrors() {
			t.Errorf("%s: %s", expr, render(t, s, diags))
			continue
		}
		if got := values(t, s)["o"]; got != want {
			t.Errorf("%s is %s, want %s", expr, got, want)
		}
	}
	for expr, want := range functionMistakes {
		mustFail(t, dir, source("output \"o\" { value = "+expr+" }"), want)
	}
}

// TestNoClock names functions that would make a spec mean something else each time.
func TestNoClock(t *testing.T) {
	for _, name := range []string{"timestamp", "uuid", "bcrypt", "env", "pathexpand", "abspath"} {
		mustFail(t, t.TempDir(), source("output \"o\" { value = "+name+"() }"), "There is no function named", "No function of a spec reads")
	}
}

// TestInputs checks that everything that functions read is recorded, and that a
// second evaluation sees what the first one saw.
func TestInputs(t *testing.T) {
	dir := files(t, map[string]string{"a.txt": "a", "b.tftpl": "b", "sub/c": ""})
	s := mustLoad(t, dir, source(`
layer "a" {
  file "/a" { content = file("a.txt") }
  file "/b" { content = templatefile("b.tftpl", {}) }
  file "/c" { content = join(",", fileset("sub", "*")) }
  file "/d" { content = tostring(fileexists("none")) }
  file "/e" { content = filesha256("./a.txt") }
}
manifest "a" {
  artifact_type = "a/b"
  layers        = [layer.a]
}
`))
	var got []string
	for _, in := range s.Inputs() {
		if in.Digest.Validate() != nil {
			t.Errorf("digest %q", in.Digest)
		}
		got = append(got, strings.TrimSpace(in.Function+" "+in.Path+" "+in.Pattern))
	}
	if diff := cmp.Diff([]string{"file a.txt", "filesha256 a.txt", "templatefile b.tftpl", "fileexists none", "fileset sub *"}, got); diff != "" {
		t.Errorf("inputs:\n%s", diff)
	}
	before, inputs := object(t, s, "layer.a", nil), s.Inputs()
	write(t, dir, "a.txt", "changed")
	write(t, dir, "b.tftpl", "changed")
	write(t, dir, "none", "")
	write(t, dir, "sub/d", "")
	if diff := cmp.Diff(before, object(t, s, "layer.a", nil)); diff != "" {
		t.Errorf("a second evaluation differs:\n%s", diff)
	}
	if diff := cmp.Diff(inputs, s.Inputs()); diff != "" {
		t.Errorf("inputs:\n%s", diff)
	}
	fresh := mustLoad(t, dir, LoadOptions{Sources: s.Sources})
	if cmp.Equal(inputs, fresh.Inputs()) {
		t.Error("inputs do not show that files changed")
	}
}

func TestDynamicBlocks(t *testing.T) {
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"fil\" {\n for_each = []\n content {}\n }\n}"), `Did you mean "file"?`)
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"file\" {\n for_each = [\"/a\"]\n content { content = \"\" }\n }\n}"), "labels must be a list of 1 strings")
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"file\" {\n for_each = 5\n labels = [\"/a\"]\n content { content = \"\" }\n }\n}"), "must be a list, set, map or object")
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"copy\" {\n for_each = []\n iterator = layer\n content { from = \".\" }\n }\n}"), "Invalid iterator name")
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"copy\" {\n for_each = [1]\n }\n}"), "exactly one content block")
	mustFail(t, t.TempDir(), source("layer \"a\" {\n dynamic \"copy\" {\n for_each = [1]\n content { from = copi.value }\n }\n}"), `nothing named "copi"`)
}

// functionValues are expressions and the JSON that they evaluate to.
var functionValues = map[string]string{
	`abs(-1)`:                                             `1`,
	`alltrue([true, "true"])`:                             `true`,
	`anytrue([])`:                                         `false`,
	`basename("a/b")`:                                     `"b"`,
	`base64decode("aGk=")`:                                `"hi"`,
	`base64sha256("")`:                                    `"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="`,
	`can(tonumber("x"))`:                                  `false`,
	`ceil(1.2)`:                                           `2`,
	`chunklist([1, 2, 3], 2)`:                             `[[1,2],[3]]`,
	`coalesce("", null, "c")`:                             `"c"`,
	`coalesce(null, 2)`:                                   `2`,
	`compact(["a", "", "b"])`:                             `["a","b"]`,
	`contains(["a"], "a")`:                                `true`,
	`csvdecode(file("list.csv"))[1].v`:                    `"2"`,
	`dirname("a/b")`:                                      `"a"`,
	`distinct([1, 1, 2])`:                                 `[1,2]`,
	`element(["a", "b"], 3)`:                              `"b"`,
	`endswith("abc", "bc")`:                               `true`,
	`file("./sub/../hello.txt")`:                          `"Hello, wörld\n"`,
	`filebase64("binary")`:                                `"/wA="`,
	`fileexists("hello.txt")`:                             `true`,
	`fileexists("none")`:                                  `false`,
	`fileexists("hello.txt/x")`:                           `false`,
	`filesha256("sub/b/d.txt")`:                           `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`,
	`fileset("sub", "**/*.go")`:                           `["a.go","b/c.go"]`,
	`fileset(".", "*.none")`:                              `[]`,
	`flatten([[1], [[2]]])`:                               `[1,2]`,
	`format("%-5s|%03d", "a", 7)`:                         `"a    |007"`,
	`formatdate("YYYY-MM-DD", "2026-01-31T12:00:00Z")`:    `"2026-01-31"`,
	`formatlist("%s!", ["a", "b"])`:                       `["a!","b!"]`,
	`indent(2, "a\nb")`:                                   `"a\n  b"`,
	`index(["a", "b"], "b")`:                              `1`,
	`issensitive(sensitive(1))`:                           `true`,
	`join("-", ["a", "b"])`:                               `"a-b"`,
	`jsondecode("{\"a\": [1, null]}").a[0]`:               `1`,
	`jsonencode({ b = 1, a = "<&>" })`:                    `"{\"a\":\"\\u003c\\u0026\\u003e\",\"b\":1}"`,
	`keys({ b = 1, a = 2 })`:                              `["a","b"]`,
	`length("wörld")`:                                     `5`,
	`length({ a = 1 })`:                                   `1`,
	`lookup({ a = 1 }, "a")`:                              `1`,
	`lookup({ a = 1 }, "b", 2)`:                           `2`,
	`matchkeys(["x", "y"], ["a", "b"], ["b"])`:            `["y"]`,
	`max(1, 3, 2)`:                                        `3`,
	`md5("")`:                                             `"d41d8cd98f00b204e9800998ecf8427e"`,
	`merge({ a = 1 }, { b = 2 })`:                         `{"a":1,"b":2}`,
	`nonsensitive(sensitive("x"))`:                        `"x"`,
	`one([])`:                                             `null`,
	`one(["a"])`:                                          `"a"`,
	`parseint("ff", 16)`:                                  `255`,
	`pow(2, 10)`:                                          `1024`,
	`range(3)`:                                            `[0,1,2]`,
	`regex("v([0-9]+)", "v12")[0]`:                        `"12"`,
	`regexall("a", "aba")`:                                `["a","a"]`,
	`replace("a.b", ".", "-")`:                            `"a-b"`,
	`replace("abc", "/[ab]/", "x")`:                       `"xxc"`,
	`reverse([1, 2])`:                                     `[2,1]`,
	`setproduct(["a"], [1, 2])`:                           `[["a",1],["a",2]]`,
	`sha256("")`:                                          `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`,
	`slice(["a", "b"], 1, 2)`:                             `["b"]`,
	`sort(["b", "a"])`:                                    `["a","b"]`,
	`split(",", "a,b")`:                                   `["a","b"]`,
	`startswith("abc", "ab")`:                             `true`,
	`strcontains("abc", "x")`:                             `false`,
	`strrev("ab")`:                                        `"ba"`,
	`substr("hello", 1, 3)`:                               `"ell"`,
	`sum([1, 2.5])`:                                       `3.5`,
	`templatefile("greet.tftpl", { names = ["a", "b"] })`: `"Hi A!\nHi B!\n"`,
	`timeadd("2026-01-31T12:00:00Z", "1h")`:               `"2026-01-31T13:00:00Z"`,
	`timecmp("2026-01-31T12:00:00Z", "2027-01-31T12:00:00Z")`: `-1`,
	`title("ab cd")`:                           `"Ab Cd"`,
	`tolist(toset(["b", "a"]))`:                `["a","b"]`,
	`tostring(1)`:                              `"1"`,
	`transpose({ a = ["x", "y"], b = ["x"] })`: `{"x":["a","b"],"y":["a"]}`,
	`trim("--a-", "-")`:                        `"a"`,
	`trimprefix("ab", "a")`:                    `"b"`,
	`try(tonumber("x"), 7)`:                    `7`,
	`upper("a")`:                               `"A"`,
	`urldecode("a%20b")`:                       `"a b"`,
	`urlencode("a b&")`:                        `"a+b%26"`,
	`values({ b = 1, a = 2 })`:                 `[2,1]`,
	`yamldecode(file("data.yaml")).b[1]`:       `"two"`,
	`yamlencode({ a = [1] })`:                  `"\"a\":\n- 1\n"`,
	`zipmap(["a"], [1])`:                       `{"a":1}`,
}

// functionMistakes are expressions and what the diagnostics say.
var functionMistakes = map[string]string{
	`cidrcontains("10.0.0.0/8", "fd00::1")`:              "both must be of IPv4",
	`cidrcontains("10.0.0.0", "10.0.0.1")`:               "no prefix",
	`cidrhost("10.0.0.0/30", 4)`:                         "does not accommodate",
	`cidrhost("10.0.0.010/8", 1)`:                        "no prefix",
	`cidrhost("10.0.0.0/8", 1.5)`:                        "a whole number",
	`cidrnetmask("fd00::/8")`:                            "IPv6 has no netmasks",
	`cidrsubnet("10.0.0.0/30", 4, 0)`:                    "insufficient address space",
	`cidrsubnet("10.0.0.0/8", 2, 4)`:                     "not accommodate",
	`cidrsubnet("10.0.0.0/8", 2, -1)`:                    "from 0",
	`cidrsubnet("10.0.0.0/8", 129, 0)`:                   "from 0 to 128",
	`cidrsubnets("10.0.0.0/30", 1, 1, 1)`:                "no room",
	`cidrsubnets("10.0.0.0/30", 3)`:                      "from 1 to 2",
	`lookup(tomap({ a = 1 }), "b", "x")`:                 "number",
	`lookup(null, "b", "x")`:                             "must not be null",
	`length(null)`:                                       "must not be null",
	`length(1)`:                                          "a string, list, set or map",
	`matchkeys(["a"], ["x", "y"], [])`:                   "same length",
	`matchkeys(["a"], [["x"]], [1])`:                     "same type",
	`semvercmp("x", "1")`:                                "no version",
	`semvercmp("1.0.0", "about 1")`:                      "no constraint",
	`sensitive("x")`:                                     "comes from something sensitive",
	`slug("☃")`:                                          "no letter or digit",
	`sum([true])`:                                        "must be a number",
	`sum([null])`:                                        "must be a number",
	`tobool("maybe")`:                                    "cannot convert",
	`tonumber(true)`:                                     "cannot convert bool to number",
	`tolist({ a = 1 })`:                                  "cannot convert object to list",
	`templatestring("$${", {})`:                          "<template>:1",
	`templatestring("$${file(\"hello.txt\")}$${x}", {})`: "Unknown variable",
	`templatestring("$${templatestring(\"\", {})}", {})`: "may not render another",
	`textencodebase64("x", "EBCDIC-X")`:                  "no encoding",
	`textencodebase64("☃", "ISO-8859-1")`:                "characters that this encoding has not",
	`textdecodebase64("!", "UTF-8")`:                     "not base64",
	`uuidv5("dnx", "x")`:                                 "a namespace is",
	`file("none")`:                                       `there is no file "none"`,
	`file("../x")`:                                       "leaves the directory of the spec",
	`file("/etc/passwd")`:                                "is absolute",
	`file("sub")`:                                        "is a directory",
	`file("")`:                                           "the path is empty",
	`file("a\u0000b")`:                                   "NUL",
	`file("binary")`:                                     "filebase64 reads it",
	`fileset("..", "*")`:                                 "leaves the directory",
	`fileset(".", "../*")`:                               "is no pattern",
	`fileset(".", "[")`:                                  "is no pattern",
	`templatefile("greet.tftpl", {})`:                    `greet.tftpl:1,13: Unknown variable`,
	`templatefile("sub/self.tmpl", {})`:                  "a template may not render another template",
	`templatefile("hello.txt", [1])`:                     "a map or an object",
	`templatefile("hello.txt", { "a b" = 1 })`:           "no name for a variable",
	`coalesce("", null)`:                                 "no argument is set",
	`one([1, 2])`:                                        "at most one element",
	`lookup({}, "a")`:                                    "no such key",
	`sum([])`:                                            "at least one number",
	`index(["a"], "b")`:                                  "no such element",
	`base64decode("!")`:                                  "not base64",
	`replace("a", "/(/", "")`:                            "missing closing",
}
