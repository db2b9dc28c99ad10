package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/schema"
)

// within gives the text of a spec in which an image is made from the body of
// its blocks.
func within(layer, config, manifest, more string) string {
	if layer == "" {
		layer = `file "/a" { content = "" }`
	}
	if config == "" {
		config = `platform = "linux/amd64"`
	}
	return "layer \"a\" {\n " + layer + "\n}\nconfig \"a\" {\n " + config + "\n}\nmanifest \"a\" {\n config = config.a\n layers = [layer.a]\n " + manifest + "\n}\n" + more
}

// TestHostileValues: values that no layout should hold are refused with their
// place, the limit and a short text, whatever their size.
func TestHostileValues(t *testing.T) {
	dir := files(t, map[string]string{"MiB": strings.Repeat("x", 1<<20)})
	layer := func(body string) string { return within(body, "", "", "") }
	config := func(body string) string { return within("", body, "", "") }
	manifest := func(body string) string { return within("", "", body, "") }
	const noName, noType = "is no ref name", "is not a media type"
	for name, test := range map[string][2]string{
		"tag with an escape":       {manifest(`tags = ["a\u001b[31m"]`), noName},
		"tag above":                {manifest(`tags = ["../x"]`), noName},
		"empty tag":                {manifest(`tags = [""]`), noName},
		"tag with a newline":       {manifest(`tags = ["a\n"]`), noName},
		"tag that is not ASCII":    {manifest(`tags = ["é"]`), noName},
		"long tag":                 {manifest(`tags = ["` + strings.Repeat("a", 4097) + `"]`), "is too long for a ref name: the limit is 4096 bytes"},
		"huge tag":                 {manifest(`tags = [file("MiB")]`), "is too long for a ref name: the limit is 4096 bytes"},
		"type with CR and LF":      {manifest(`artifact_type = "a/b\r\nX: y"`), noType},
		"type with LF at its end":  {manifest(`artifact_type = "a/b\n"`), noType},
		"long type":                {manifest(`artifact_type = "a/` + strings.Repeat("b", 128) + `"`), noType},
		"huge type":                {config("media_type = file(\"MiB\")\n content = \"x\""), noType},
		"layer type":               {layer("media_type = \"a/b\\r\\n\"\n file \"/a\" { content = \"\" }"), noType},
		"annotation of 1 MiB":      {manifest(`annotations = { a = file("MiB") }`), "annotations holds 1048577 bytes of keys and values, and the limit is 1048576"},
		"key of 1 MiB":             {manifest(`annotations = { (file("MiB")) = "" , b = "" }`), "annotations holds 1048577 bytes"},
		"annotation of descriptor": {manifest(`descriptor_annotations = { a = file("MiB") }`), "descriptor_annotations holds 1048577 bytes"},
		"annotation of layer":      {layer("annotations = { a = file(\"MiB\") }\n file \"/a\" { content = \"\" }"), "annotations holds 1048577 bytes"},
		"label of 1 MiB":           {config("platform = \"linux/amd64\"\n labels = { a = file(\"MiB\") }"), "labels holds 1048577 bytes"},
		"platform":                 {config(`platform = "nonsense"`), `"nonsense" is no platform`},
		"empty platform":           {config(`platform = ""`), `"" is no platform`},
		"platform of slashes":      {config(`platform = "//"`), `"//" is no platform`},
		"unknown system":           {config(`platform = "beos/amd64"`), `"beos" is no operating system`},
		"unknown processor":        {config(`platform = "linux/z80"`), `"z80" is no architecture`},
		"platform's newline":       {config(`platform = "linux/amd64\n"`), `"amd64\n" is no architecture`},
		"long variant":             {config(`platform = "linux/amd64/` + strings.Repeat("v", 65) + `"`), "is no variant"},
		"manifest's platform":      {manifest(`platform = "linux/\u001b[31m"`), "is no architecture"},
		"os_version":               {config("platform = \"linux/amd64\"\n os_version = file(\"MiB\")"), "os_version is"},
		"os_features":              {config("platform = \"linux/amd64\"\n os_features = [\"a\\n\"]"), `os_features contains "a\n"`},
		"negative uid":             {layer("file \"/a\" {\n content = \"\"\n uid = -1\n }"), "uid must be a whole number from 0 to 4294967294"},
		"negative time":            {layer("file \"/a\" {\n content = \"\"\n mtime = -1\n }"), "mtime is out of range"},
		"negative level":           {layer("compression = { algorithm = \"gzip\", level = -1 }\n file \"/a\" { content = \"\" }"), "level must be a whole number from 1 to 9"},
		"negative port":            {config("platform = \"linux/amd64\"\n exposed_ports = [\"-1\"]"), "which does not begin with the number of a port, from 1 to 65535."},
		"octal 09":                 {layer("file \"/a\" {\n content = \"\"\n mode = \"09\"\n }"), `mode is "09", but must be octal digits from "0000" to "07777"`},
		"mode 10000":               {layer("directory \"/a\" { mode = \"010000\" }"), `mode is "010000", but must be octal digits`},
		"negative mode":            {layer("copy {\n from = \"a\"\n dir_mode = \"-755\"\n }"), `dir_mode is "-755", but must be octal digits`},
		"long path":                {layer(`archive = file("MiB")`), "the path has 1048576 bytes, and the limit is 4095"},
		"path to a function":       {layer(`file "/a" { content = file(file("MiB")) }`), "the path has 1048576 bytes, and the limit is 4095"},
		"long path in image":       {layer("copy {\n from = \"a\"\n to = \"/${file(\"MiB\")}\"\n }"), "(1048577 bytes) is too long"},
	} {
		t.Run(name, func(t *testing.T) {
			s, diags := Load(dir, source(test[0]))
			mustSay(t, s, diags, test[1], "layform.hcl line ")
			for _, d := range diags {
				if len(d.Detail) > eval.MaxDetail+10 {
					t.Errorf("%d bytes of text: %.100s", len(d.Detail), d.Detail)
				}
			}
		})
	}
}

// TestUnusualValues: what looks odd and is right.
func TestUnusualValues(t *testing.T) {
	for name, text := range map[string]string{
		"full name as a tag": within("", "", `tags = ["registry.example/a/b:1.0"]`, ""),
		"longest type":       within("", "", `artifact_type = "a/`+strings.Repeat("b", 127)+`"`, ""),
		"mode 07777":         within("file \"/a\" {\n content = \"\"\n mode = \"07777\"\n }", "", "", ""),
		"surrogate pair":     within("", "", `annotations = { a = "😀" }`, ""),
	} {
		t.Run(name, func(t *testing.T) { mustLoad(t, t.TempDir(), source(text)) })
	}
}

// TestLargeDocuments: what many small values make of a document is refused when
// the spec is loaded, not when the layout is half written.
func TestLargeDocuments(t *testing.T) {
	dir := files(t, map[string]string{"big": strings.Repeat("\n", 900_000)})
	layers := "layer \"l\" {\n for_each = toset([\"1\", \"2\", \"3\"])\n file \"/a\" { content = \"\" }\n annotations = { a = file(\"big\") }\n}\n"
	mustFail(t, dir, source(layers+"manifest \"m\" {\n artifact_type = \"a/b\"\n layers = values(layer.l)\n}\n"),
		"layform.hcl line 7", "manifest.m would have more than 4194304 bytes, the limit of a manifest or index")
	many := "manifest \"m\" {\n for_each = toset([for i in range(%d) : tostring(i)])\n artifact_type = \"a/b\"\n %s\n}\n"
	mustFail(t, dir, source(fmt.Sprintf(many, 3, `descriptor_annotations = { a = file("big") }`)+"index \"i\" { manifests = values(manifest.m) }\n"),
		"layform.hcl line 7", "index.i would have more than 4194304 bytes")
	mustFail(t, dir, source(fmt.Sprintf(many, 6, "tags = [each.key]\n descriptor_annotations = { a = file(\"big\") }")),
		"layform.hcl line 5", `With the tags of manifest.m["5"], index.json would have more than 10485760 bytes, its limit.`)
	mustLoad(t, dir, source(fmt.Sprintf(many, 5, "tags = [each.key]\n descriptor_annotations = { a = file(\"big\") }")))
}

// TestSensitiveEverywhere puts a sensitive value into every attribute of every
// block and into every function: no message, field, address or output shows it.
func TestSensitiveEverywhere(t *testing.T) {
	texts := sensitiveAttributes()
	for _, name := range newModule(".", "").library.FunctionNames() {
		for _, args := range []string{"var.s", "var.s, var.s", "1, var.s", "var.s, 1", "[var.s], 1, var.s", "var.s, {}", `{ (var.s) = 1 }, var.s`} {
			texts = append(texts, "output \"o\" {\n sensitive = true\n value = "+name+"("+args+")\n}\n")
		}
	}
	dir := files(t, map[string]string{"a": "x"})
	for _, text := range texts {
		s, diags := Load(dir, source("variable \"s\" {\n default = \"HuNTer2 hunter2/hunter2\"\n sensitive = true\n}\n"+text))
		seen := render(t, s, diags)
		if !diags.HasErrors() {
			for _, addr := range s.Addresses() {
				seen += fmt.Sprint(addr, object(t, s, addr.String(), nil).Fields)
			}
			outputs, _ := s.Outputs(nil)
			seen += fmt.Sprint(outputs, s.Inputs(), s.Variables)
		}
		if strings.Contains(strings.ToLower(seen), "hunter2") && !strings.Contains(text, "nonsensitive") {
			t.Errorf("%s\nshows the value:\n%s", text, seen)
		}
	}
}

// sensitiveAttributes are specs with a sensitive value in each attribute of each
// block, in several forms.
func sensitiveAttributes() (texts []string) {
	shapes := []string{
		"var.s", "[var.s]", `["A=1", "${var.s}=1"]`, "{ a = var.s }", "{ (var.s) = var.s }", `"/${var.s}"`, `"/../${var.s}"`, `"linux/${var.s}"`,
		`"linux/amd64/${var.s}"`,
	}
	// What stands beside an attribute, so that it is looked at.
	beside := map[string]string{
		"archive": "", "blob": "", "from": "", "platform": "", "os": "architecture = \"arm\"", "architecture": "os = \"linux\"",
		"variant": "os = \"linux\"\n architecture = \"arm\"",
	}
	with := func(name, shape, usual string) string {
		if other, ok := beside[name]; ok {
			usual = other
		}
		return name + " = " + shape + "\n " + usual
	}
	for _, shape := range shapes {
		for _, a := range schema.Of(KindLayer).Attributes {
			texts = append(texts, within(with(a.Name, shape, `file "/a" { content = "" }`), "", "", ""))
		}
		for _, a := range schema.Of(KindConfig).Attributes {
			texts = append(texts, within("", with(a.Name, shape, `platform = "linux/amd64"`), "", ""))
		}
		for _, a := range schema.Of(KindManifest).Attributes {
			texts = append(texts, "manifest \"m\" {\n "+a.Name+" = "+shape+"\n}\n", within("", "", a.Name+" = "+shape, ""))
		}
		for _, a := range schema.Of(KindIndex).Attributes {
			texts = append(texts, "index \"m\" {\n "+with(a.Name, shape, "manifests = []")+"\n}\n")
		}
		for _, b := range schema.Of(KindLayer).Blocks {
			for _, a := range b.Attributes {
				head, usual := b.Name, ""
				switch b.Name {
				case "dynamic":
					continue // below
				case "compression":
				case string(OpCopy):
					usual = `from = "a"`
				default:
					head += ` "/a"`
				}
				texts = append(texts, within(head+" {\n "+with(a.Name, shape, usual)+"\n}", "", "", ""))
			}
		}
		texts = append(texts,
			within("dynamic \"file\" {\n for_each = "+shape+"\n labels = [\"/${file.key}\"]\n content { content = file.value }\n}", "", "", ""),
			within("dynamic \"file\" {\n for_each = [1]\n labels = "+shape+"\n content { content = \"\" }\n}", "", "", ""),
			"layout { path = "+shape+" }\n", "layform { name = "+shape+" }\n", "variable \"v\" { default = "+shape+" }\n")
	}
	return texts
}

// TestOSVersion: an empty os_version is none, and a sensitive one is refused.
func TestOSVersion(t *testing.T) {
	const text = "variable \"v\" {\n default = DEFAULT\n sensitive = SENSITIVE\n}\nconfig \"a\" {\n platform = \"linux/amd64\"\n NAME = VALUE\n}\n"
	for _, tc := range []struct{ value, sensitive, name, expr, want string }{
		{`""`, "false", "os_version", "var.v", ""},
		{`"10.0"`, "false", "os_version", "var.v", ""},
		{`"a b"`, "false", "os_version", "var.v", "printable"},
		{`"10.0"`, "true", "os_version", "var.v", "is sensitive"},
		{`"win32k"`, "true", "os_features", "[var.v]", "is sensitive"},
	} {
		spec := strings.NewReplacer("DEFAULT", tc.value, "SENSITIVE", tc.sensitive, "NAME", tc.name, "VALUE", tc.expr).Replace(text)
		s, diags := Load(t.TempDir(), source(spec))
		got := render(t, s, diags)
		if diags.HasErrors() != (tc.want != "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s = %s: %s", tc.name, tc.value, got)
		}
	}
}
