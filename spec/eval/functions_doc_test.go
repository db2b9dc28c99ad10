package eval

import (
	"strings"
	"testing"
)

// exampleFiles are the files that the examples of the reference read.
var exampleFiles = map[string]string{
	"hello.txt":       "Hello!\n",
	"greeting.tftpl":  "%{ for name in names ~}\nHello, ${name}!\n%{ endfor ~}\n",
	"conf/a.conf":     "",
	"conf/sub/b.conf": "",
	"conf/sub/c.txt":  "",
}

// TestFunctionReference holds what is written about every function against it.
func TestFunctionReference(t *testing.T) {
	dir := tree(t, exampleFiles)
	known := functionTable(newReader(""))
	documented := map[string]bool{}
	for _, f := range Functions() {
		documented[f.Name] = true
		if !strings.HasSuffix(f.Text, ".") || f.Differs != "" && !strings.HasSuffix(f.Differs, ".") {
			t.Errorf("%s: the text is no sentence: %q, %q", f.Name, f.Text, f.Differs)
		}
		for _, p := range f.Params {
			if !strings.HasSuffix(p.Text, ".") || p.Type == "" {
				t.Errorf("%s: the parameter %s has the text %q and the type %q", f.Name, p.Name, p.Text, p.Type)
			}
		}
		if !strings.Contains(f.Example, f.Name+"(") || !strings.HasPrefix(f.Signature(), f.Name+"(") {
			t.Errorf("%s: the example is %s", f.Name, f.Example)
		}
		if got := evaluate(t, dir, f.Example); got != f.Result {
			t.Errorf("%s is %s, and the reference says %s", f.Example, got, f.Result)
		}
	}
	for _, group := range functionGroups(newReader("")) {
		for name, doc := range group.docs {
			f, ok := group.table[name]
			if !ok {
				t.Errorf("%s is documented, and there is no such function", name)
				continue
			}
			params := len(f.Params())
			if f.VarParam() != nil {
				params++
			}
			if len(doc.params) != params {
				t.Errorf("%s has %d parameters, and %d texts", name, params, len(doc.params))
			}
		}
	}
	for name := range known {
		if !documented[name] {
			t.Errorf("%s is not documented", name)
		}
	}
}

// TestFunctionsHaveRows finds functions without a row of their own in the tables.
func TestFunctionsHaveRows(t *testing.T) {
	for name := range functionTable(newReader("")) {
		rows := 0
		for _, table := range []map[string]string{functionValues, functionEdges, functionMistakes} {
			for expr := range table {
				if strings.HasPrefix(expr, name+"(") {
					rows++
				}
			}
		}
		if rows == 0 {
			t.Errorf("%s has no row in functionValues, functionEdges or functionMistakes", name)
		}
	}
}

// TestFunctionEdges holds functions against the edge cases of their public
// documentation: null, sets, mixed types and empty collections.
func TestFunctionEdges(t *testing.T) {
	dir := tree(t, map[string]string{"list.csv": "k,v\na,1\nb,2\n", "empty/.keep": ""})
	for expr, want := range functionEdges {
		if got := evaluate(t, dir, expr); got != want {
			t.Errorf("%s is %s, want %s", expr, got, want)
		}
	}
}

var functionEdges = map[string]string{
	`abs(null == null ? 1 : 2)`:                               `1`,
	`alltrue([])`:                                             `true`,
	`alltrue([true, null])`:                                   `false`,
	`alltrue(toset([true, true]))`:                            `true`,
	`anytrue([null, "true"])`:                                 `true`,
	`anytrue([false, null])`:                                  `false`,
	`basename("foo/")`:                                        `"foo"`,
	`basename("")`:                                            `"."`,
	`base64decode("")`:                                        `""`,
	`base64encode("wörld")`:                                   `"d8O2cmxk"`,
	`base64gzip("") == base64gzip("")`:                        `true`,
	`base64gunzip(base64gzip("wörld"))`:                       `"wörld"`,
	`base64sha512("") == base64sha512(" ")`:                   `false`,
	`can(1)`:                                                  `true`,
	`can(file("none"))`:                                       `false`,
	`ceil(-0.5)`:                                              `0`,
	`chomp("a\r\n\n")`:                                        `"a"`,
	`chunklist([], 2)`:                                        `[]`,
	`chunklist(["a", "b"], 0)`:                                `[["a","b"]]`,
	`cidrcontains("fe80::/48", "fe80::1")`:                    `true`,
	`cidrcontains("192.168.2.0/20", "192.126.2.1")`:           `false`,
	`cidrcontains("192.168.2.0/20", "192.168.0.0/16")`:        `false`,
	`cidrcontains("192.168.2.0/20", "192.168.2.0/22")`:        `true`,
	`cidrhost("10.12.112.0/20", 16)`:                          `"10.12.112.16"`,
	`cidrhost("10.12.112.0/20", -1)`:                          `"10.12.127.255"`,
	`cidrhost("fd00:fd12:3456:7890:00a2::/72", 34)`:           `"fd00:fd12:3456:7890::22"`,
	`cidrnetmask("10.0.0.0/8")`:                               `"255.0.0.0"`,
	`cidrsubnet("10.1.2.0/24", 4, 15)`:                        `"10.1.2.240/28"`,
	`cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)`:         `"fd00:fd12:3456:7800:a200::/72"`,
	`cidrsubnets("fd00:fd12:3456:7890::/56", 16, 16, 16, 32)`: `["fd00:fd12:3456:7800::/72","fd00:fd12:3456:7800:100::/72","fd00:fd12:3456:7800:200::/72","fd00:fd12:3456:7800:300::/88"]`,
	`cidrsubnets("10.0.0.0/8")`:                               `[]`,
	`coalesce("a", "b")`:                                      `"a"`,
	`coalesce(1, "b")`:                                        `"1"`,
	`coalescelist(["a"], ["c"])`:                              `["a"]`,
	`compact([])`:                                             `[]`,
	`concat(["a"], [1])`:                                      `["a",1]`,
	`concat([], toset([]) == null ? [] : [])`:                 `[]`,
	`contains(toset(["a"]), "d")`:                             `false`,
	`contains([1, "a"], "a")`:                                 `true`,
	`csvdecode("a,b,c\n1,2,3\n4,5,6\n")`:                      `[{"a":"1","b":"2","c":"3"},{"a":"4","b":"5","c":"6"}]`,
	`csvdecode("a\n")`:                                        `[]`,
	`dirname("foo.txt")`:                                      `"."`,
	`distinct([])`:                                            `[]`,
	`element(["a", "b", "c"], -1)`:                            `"c"`,
	`element([1, "b"], 1)`:                                    `"b"`,
	`endswith("hello", "")`:                                   `true`,
	`fileexists("empty/.keep")`:                               `true`,
	`filebase64sha256("empty/.keep") == base64sha256("")`:     `true`,
	`filebase64sha512("empty/.keep") == base64sha512("")`:     `true`,
	`filemd5("empty/.keep")`:                                  `"d41d8cd98f00b204e9800998ecf8427e"`,
	`filesha1("empty/.keep")`:                                 `"da39a3ee5e6b4b0d3255bfef95601890afd80709"`,
	`filesha512("empty/.keep") == sha512("")`:                 `true`,
	`fileset("none", "**")`:                                   `[]`,
	`fileset("empty", "*")`:                                   `[".keep"]`,
	`flatten([[["a", "b"], []], ["c"]])`:                      `["a","b","c"]`,
	`flatten(toset([]))`:                                      `[]`,
	`floor(-4.1)`:                                             `-5`,
	`format("Hello, %s!", "Ander")`:                           `"Hello, Ander!"`,
	`format("%#v %#v", null, [1])`:                            `"null [1]"`,
	`formatdate("EEEE, DD-MMM-YY hh:mm:ss ZZZ", "2018-01-02T23:12:01Z")`: `"Tuesday, 02-Jan-18 23:12:01 UTC"`,
	`formatlist("%s, %s!", "Salutations", ["Valentina"])`:                `["Salutations, Valentina!"]`,
	`formatlist("x%s", [])`:          `[]`,
	`hasindex(["a"], 1)`:             `false`,
	`indent(0, "a\nb")`:              `"a\nb"`,
	`index(["a", "b", "b"], "b")`:    `1`,
	`issensitive("x")`:               `false`,
	`issensitive([sensitive("x")])`:  `false`,
	`join(", ", [])`:                 `""`,
	`join(",", ["a"], ["b"])`:        `"a,b"`,
	`jsondecode("\"\\u00e9\"")`:      `"é"`,
	`jsondecode("null")`:             `null`,
	`jsonencode(null)`:               `"null"`,
	`keys({})`:                       `[]`,
	`length([])`:                     `0`,
	`length("👨‍👩‍👧")`:                `1`,
	`length([sensitive("x"), 2])`:    `2`,
	`log(50, 10) > 1.69`:             `true`,
	`lookup({ a = null }, "a", "x")`: `null`,
	`lookup({}, "a", null)`:          `null`,
	`lower("ĞÉ")`:                    `"ğé"`,
	`matchkeys(["i-123", "i-abc", "i-def"], ["us-west", "us-east", "us-east"], ["us-east"])`: `["i-abc","i-def"]`,
	`matchkeys(["a", "b", "c"], [1, 2, 3], [1, "3"])`:                                        `["a","c"]`,
	`matchkeys(["a", "b"], ["1", "2"], [2])`:                                                 `["b"]`,
	`matchkeys(["a", "b"], [true, false], ["true"])`:                                         `["a"]`,
	`matchkeys([], [], [])`:                                                                  `[]`,
	`matchkeys(["a"], ["x"], [])`:                                                            `[]`,
	`max([5, 12, 9]...)`:                                                                     `12`,
	`md5("hello world")`:                                                                     `"5eb63bbbe01eeed093cb22bb8f5acdc3"`,
	`merge()`:                                                                                `{}`,
	`merge({ a = [1] }, null, { a = 2 })`:                                                    `{"a":2}`,
	`min(12)`:                                                                                `12`,
	`nonsensitive("x")`:                                                                      `"x"`,
	`one(toset([]))`:                                                                         `null`,
	`one([null])`:                                                                            `null`,
	`parseint("-10", 16)`:                                                                    `-16`,
	`parseint("aA", 62)`:                                                                     `656`,
	`pow(4, 0)`:                                                                              `1`,
	`range(4, 1)`:                                                                            `[4,3,2]`,
	`range(0)`:                                                                               `[]`,
	`regex("(?P<scheme>[a-z]+)://(?P<host>.*)", "https://x.org")`: `{"host":"x.org","scheme":"https"}`,
	`regexall("[a-z]+", "123")`:                                   `[]`,
	`replace("hello world", "/w.*d/", "everybody")`:               `"hello everybody"`,
	`replace("aa", "/(a)/", "$${1}b")`:                            `"abab"`,
	`reverse([])`:                                                 `[]`,
	`semvercmp("1.2.3", ">= 1.2, < 2")`:                           `true`,
	`semvercmp("2.0.0", "~> 1.2")`:                                `false`,
	`semvercmp("1.3.0-rc.1", ">= 1.2")`:                           `false`,
	`setintersection(["a"], [])`:                                  `[]`,
	`setproduct([], ["a"])`:                                       `[]`,
	`setproduct(["a"], toset(["b"]))`:                             `[["a","b"]]`,
	`setsubtract([], ["a"])`:                                      `[]`,
	`setsymmetricdifference(["a"], ["a"])`:                        `[]`,
	`setunion([], ["b", "a"])`:                                    `["a","b"]`,
	`sha1("")`:                                                    `"da39a3ee5e6b4b0d3255bfef95601890afd80709"`,
	`sha512("") == sha512("x")`:                                   `false`,
	`signum(0)`:                                                   `0`,
	`slice(["a", "b"], 0, 0)`:                                     `[]`,
	`slug("v1.2.3+build")`:                                        `"v1.2.3-build"`,
	`slug("--Foo__bar..baz_")`:                                    `"foo-bar-baz"`,
	`slug("renovate/@types/node-20.x")`:                           `"renovate-types-node-20.x"`,
	`sort(toset(["b", "a"]))`:                                     `["a","b"]`,
	`split(",", "")`:                                              `[""]`,
	`startswith("hello", "hello world")`:                          `false`,
	`strcontains("hello", "")`:                                    `true`,
	`strrev("☃é")`:                                                `"é☃"`,
	`substr("🤔🤷", 0, 1)`:                                          `"🤔"`,
	`substr("hello world", -5, -1)`:                               `"world"`,
	`sum(toset([1, 2]))`:                                          `3`,
	`sum(["1", 2])`:                                               `3`,
	`templatestring("$${n + 1}", { n = 1 })`:                      `"2"`,
	`textdecodebase64("SGVsbG8=", "UTF-8")`:                       `"Hello"`,
	`textencodebase64("é", "ISO-8859-1")`:                         `"6Q=="`,
	`textencodebase64("", "UTF-16BE")`:                            `""`,
	`timeadd("2017-11-22T00:00:00Z", "-1h")`:                      `"2017-11-21T23:00:00Z"`,
	`timecmp("2017-11-22T01:00:00Z", "2017-11-22T00:00:00Z")`:     `1`,
	`title("")`:                       `""`,
	`tobool(null)`:                    `null`,
	`tobool("false")`:                 `false`,
	`tolist(["a", null])`:             `["a",null]`,
	`tolist(null)`:                    `null`,
	`tomap({})`:                       `{}`,
	`tonumber("015.62")`:              `15.62`,
	`tonumber(null)`:                  `null`,
	`toset([])`:                       `[]`,
	`toset(["c", "b", 3])`:            `["3","b","c"]`,
	`tostring(null)`:                  `null`,
	`transpose({})`:                   `{}`,
	`transpose({ a = [] })`:           `{}`,
	`trim("", "x")`:                   `""`,
	`trimprefix("helloworld", "cat")`: `"helloworld"`,
	`trimspace("\u2003a ")`:           `"a"`,
	`trimsuffix("ab", "b")`:           `"a"`,
	`try({}.a, null)`:                 `null`,
	`upper("ß")`:                      `"ß"`,
	`urldecode("%C3%A9")`:             `"é"`,
	`urlencode("foo:bar@localhost?foo=bar&bar=baz")`:                            `"foo%3Abar%40localhost%3Ffoo%3Dbar%26bar%3Dbaz"`,
	`uuidv5("a5008fae-b28c-5ba5-96cd-82b4c53552d6", "x") == uuidv5("dns", "x")`: `false`,
	`uuidv5("url", "https://www.terraform.io/")`:                                `"9db6f67c-dd95-5ea0-aa5b-e70e5c5f7cf5"`,
	`uuidv5("oid", "1.3.6.1.4")`:                                                `"af9d40a5-7a36-5c07-b23a-851cd99fbfa5"`,
	`values({})`:                                                                `[]`,
	`yamldecode("a: &f [1]\nb: *f")`:                                            `{"a":[1],"b":[1]}`,
	`yamldecode("{}")`:                                                          `{}`,
	`yamlencode([])`:                                                            `"[]\n"`,
	`lookup({ a = 1 }, "b", null)`:                                              `null`,
	`lookup(tomap({ a = 1 }), "b", "2")`:                                        `2`,
	`lookup(tomap({ a = 1 }), "a", "2")`:                                        `1`,
	`zipmap([], [])`:                                                            `{}`,
	`zipmap(["a", "a"], [1, 2])`:                                                `{"a":2}`,
}
