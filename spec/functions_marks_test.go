package spec

import (
	"strings"
	"testing"
)

// TestMarks has sensitive values go through functions, which mark neither more
// nor less of the result.
func TestMarks(t *testing.T) {
	for expr, want := range map[string]string{
		`length([var.s])`:                                 `1`,
		`length({ a = var.s })`:                           `1`,
		`length(var.s)`:                                   "sensitive",
		`length(sensitive([1]))`:                          "sensitive",
		`length(toset([var.s]))`:                          "sensitive",
		`tolist([var.s, "b"])[1]`:                         `"b"`,
		`tolist([var.s, "b"])[0]`:                         "sensitive",
		`tomap({ a = var.s, b = "b" }).b`:                 `"b"`,
		`tomap({ a = var.s, b = "b" }).a`:                 "sensitive",
		`toset([var.s])`:                                  "sensitive",
		`tostring(var.s)`:                                 "sensitive",
		`tolist(sensitive(["b"]))[0]`:                     "sensitive",
		`one([var.s])`:                                    "sensitive",
		`one(sensitive([]))`:                              "sensitive",
		`nonsensitive({ a = var.s, b = 1 })`:              "sensitive",
		`nonsensitive({ a = var.s, b = 1 }).b`:            `1`,
		`nonsensitive(sensitive({ a = var.s, b = 1 }))`:   "sensitive",
		`nonsensitive(sensitive({ a = var.s, b = 1 })).b`: `1`,
		`nonsensitive(var.s)`:                             `"hunter2"`,
		`issensitive([var.s])`:                            `false`,
		`issensitive(var.s)`:                              `true`,
		`coalesce(null, "a", var.s)`:                      `"a"`,
		`coalesce(var.s, "a")`:                            "sensitive",
		`coalesce(sensitive(""), "a")`:                    "sensitive",
		`lookup({ a = var.s, b = "b" }, "b")`:             `"b"`,
		`lookup({ a = var.s, b = "b" }, "a", "x")`:        "sensitive",
		`lookup({ b = "b" }, "a", var.s)`:                 "sensitive",
		`lookup({ b = "b" }, var.s, "x")`:                 "sensitive",
		`keys({ a = var.s })`:                             `["a"]`,
		`values({ a = var.s, b = 1 })[1]`:                 `1`,
		`merge({ a = var.s }, { b = 1 }).b`:               `1`,
		`concat([var.s], ["b"])[1]`:                       `"b"`,
		`element([var.s, "b"], 1)`:                        `"b"`,
		`reverse([var.s, "b"])[0]`:                        `"b"`,
		`slice([var.s, "b"], 1, 2)`:                       `["b"]`,
		`matchkeys([var.s], ["a"], ["a"])`:                "sensitive",
		`index([var.s], "x")`:                             "no such element",
		`sum([sensitive(1), 2])`:                          "sensitive",
		`alltrue([sensitive(true)])`:                      "sensitive",
		`join(",", [var.s])`:                              "sensitive",
		`format("%s", var.s)`:                             "sensitive",
		`base64gzip(var.s)`:                               "sensitive",
		`slug(var.s)`:                                     "sensitive",
		`uuidv5("dns", var.s)`:                            "sensitive",
		`textencodebase64(var.s, "UTF-8")`:                "sensitive",
		`templatestring("$${a}", { a = var.s })`:          "sensitive",
		`templatestring(var.s, {})`:                       "sensitive",
		`jsonencode({ a = var.s })`:                       "sensitive",
		`semvercmp(var.s, "1")`:                           "cannot be called",
		`cidrhost(var.s, 1)`:                              "cannot be called",
	} {
		s, diags := Load(t.TempDir(), source("variable \"s\" {\n default = \"hunter2\"\n sensitive = true\n}\noutput \"o\" {\n value = "+expr+"\n}\n"))
		text := strings.Join(strings.Fields(render(t, s, diags)), " ")
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s: the diagnostics show the value:\n%s", expr, text)
		}
		switch want {
		case "sensitive":
			want = "comes from something sensitive"
			fallthrough
		case "cannot be called", "no such element":
			if !diags.HasErrors() || !strings.Contains(text, want) {
				t.Errorf("%s: want %q:\n%s", expr, want, text)
			}
		default:
			if diags.HasErrors() {
				t.Errorf("%s: %s", expr, text)
			} else if got := values(t, s)["o"]; got != want {
				t.Errorf("%s is %s, want %s", expr, got, want)
			}
		}
	}
}

// TestUnknownArguments calls functions with a digest that is known after apply.
func TestUnknownArguments(t *testing.T) {
	for expr, want := range map[string]string{
		`anytrue([layer.l.digest == "x", true])`:          `true`,
		`alltrue([layer.l.digest == "x", false])`:         `false`,
		`alltrue([layer.l.digest == "x", true])`:          "",
		`length([layer.l.digest])`:                        `1`,
		`length(layer.l.digest)`:                          "",
		`coalesce("a", layer.l.digest)`:                   `"a"`,
		`coalesce(layer.l.digest, "a")`:                   "",
		`one([layer.l.digest])`:                           "",
		`matchkeys(["a"], [layer.l.digest], ["b"])`:       "",
		`matchkeys([layer.l.digest], ["a"], ["b"])`:       `[]`,
		`lookup({ a = layer.l.digest, b = 1 }, "b")`:      `1`,
		`lookup({ a = 1 }, layer.l.digest)`:               "",
		`issensitive(layer.l.digest)`:                     "",
		`index([layer.l.digest, "a"], "a")`:               "",
		`slug(layer.l.digest)`:                            "",
		`templatestring("$${a}", { a = layer.l.digest })`: "",
		`base64gzip(layer.l.digest)`:                      "",
		`try(layer.l.digest, "x")`:                        "",
	} {
		s := mustLoad(t, t.TempDir(), source("layer \"l\" {\n file \"/a\" { content = \"\" }\n}\noutput \"o\" {\n value = "+expr+"\n}\n"))
		outputs, diags := s.Outputs(nil)
		if diags.HasErrors() {
			t.Errorf("%s: %s", expr, render(t, s, diags))
			continue
		}
		if o := outputs[0]; o.Value != want || o.Unknown != (want == "") {
			t.Errorf("%s is %q, unknown %v; want %q", expr, o.Value, o.Unknown, want)
		}
	}
}
