package eval

// inTree is the text about paths, common to all functions that read files.
const inTree = "A path in the spec's directory, relative to it."

// exact is how functions that make text of bytes differ from Terraform's.
const exact = "Text that is not in Unicode normal form C is an error, for a string would change it."

var textDocs = map[string]functionDoc{
	"basename":    {"The last element of a path.", docs("A path with slashes."), `basename("foo/bar/baz.txt")`, `"baz.txt"`, "Only slashes separate, on every system."},
	"chomp":       {"The string without line ends at its end.", docs("A string."), `chomp("hello\n")`, `"hello"`, ""},
	"dirname":     {"A path without its last element.", docs("A path with slashes."), `dirname("foo/bar/baz.txt")`, `"foo/bar"`, "Only slashes separate, on every system."},
	"endswith":    {"Whether a string ends with another.", docs("A string.", "The end."), `endswith("hello world", "world")`, `true`, ""},
	"format":      {"A string made by a format with verbs such as %s, %d, %q and %#v.", docs("The format.", "The values of the verbs."), `format("There are %d lights", 4)`, `"There are 4 lights"`, "A width has at most 4 digits."},
	"formatdate":  {"A time in another format, such as YYYY-MM-DD.", docs("The format.", "A time as RFC 3339 writes it."), `formatdate("DD MMM YYYY hh:mm ZZZ", "2018-01-02T23:12:01Z")`, `"02 Jan 2018 23:12 UTC"`, ""},
	"formatlist":  {"Strings made by a format, one for each element of the lists.", docs("The format.", "Lists of one length, or single values."), `formatlist("Hello, %s!", ["Ann", "Bo"])`, `["Hello, Ann!","Hello, Bo!"]`, "A width has at most 4 digits."},
	"indent":      {"The string with spaces before every line but the first.", docs("The number of spaces.", "A string."), `indent(2, "a\nb")`, `"a\n  b"`, ""},
	"join":        {"The strings of lists, with a separator between them.", docs("The separator.", "Lists of strings."), `join("-", ["foo", "bar"])`, `"foo-bar"`, ""},
	"lower":       {"The string in lower case.", docs("A string."), `lower("HELLO")`, `"hello"`, ""},
	"regex":       {"What a pattern finds first: a string, or its groups as a list or object. It is an error if there is nothing.", docs("A pattern of RE2.", "A string."), `regex("[a-z]+", "53453453.345345aaabbbccc23454")`, `"aaabbbccc"`, ""},
	"regexall":    {"All that a pattern finds.", docs("A pattern of RE2.", "A string."), `regexall("[a-z]+", "1234abcd5678efgh9")`, `["abcd","efgh"]`, ""},
	"replace":     {"The string with all occurrences of a part replaced.", docs("A string.", "The part; between slashes, a pattern of RE2.", "What takes its place; with a pattern, $1 is its first group."), `replace("1 + 2 + 3", "+", "-")`, `"1 - 2 - 3"`, ""},
	"semvercmp":   {"Whether a version satisfies a constraint such as \">= 1.2, < 2\" or \"~> 1.2\".", docs("A semantic version; a v before it is allowed.", "The constraint."), `semvercmp("v1.3.2", "~> 1.2")`, `true`, "Terraform has no function of this name. It is named as in bake."},
	"slug":        {"The text as a tag: lower case, without accents, with a dash for what is neither letter nor digit, at most 128 characters. A single dot or underscore stays.", docs("A text with a letter or digit of ASCII in it."), `slug("feature/Café #12")`, `"feature-cafe-12"`, "Terraform has no function of this name."},
	"split":       {"The parts of a string between separators.", docs("The separator.", "A string."), `split(",", "foo,bar,baz")`, `["foo","bar","baz"]`, ""},
	"startswith":  {"Whether a string starts with another.", docs("A string.", "The start."), `startswith("hello world", "hello")`, `true`, ""},
	"strcontains": {"Whether a string contains another.", docs("A string.", "The part."), `strcontains("hello world", "wor")`, `true`, ""},
	"strrev":      {"The characters of a string in the opposite order.", docs("A string."), `strrev("hello")`, `"olleh"`, ""},
	"substr":      {"A part of a string, in characters.", docs("A string.", "The first character; negative ones count from the end.", "The number of characters; -1 is all."), `substr("hello world", 1, 4)`, `"ello"`, ""},
	"timeadd":     {"A time with a duration added.", docs("A time as RFC 3339 writes it.", `A duration such as "1h30m" or "-5s".`), `timeadd("2017-11-22T00:00:00Z", "10m")`, `"2017-11-22T00:10:00Z"`, ""},
	"timecmp":     {"-1, 0 or 1 for a time before, at or after another.", docs("A time as RFC 3339 writes it.", "The other time."), `timecmp("2017-11-22T00:00:00Z", "2017-11-22T01:00:00+01:00")`, `0`, ""},
	"title":       {"The string with the first letter of each word in upper case.", docs("A string."), `title("hello world")`, `"Hello World"`, ""},
	"trim":        {"The string without certain characters at its start and end.", docs("A string.", "The characters."), `trim("?!hello?!", "!?")`, `"hello"`, ""},
	"trimprefix":  {"The string without a start.", docs("A string.", "The start."), `trimprefix("helloworld", "hello")`, `"world"`, ""},
	"trimspace":   {"The string without white space at its start and end.", docs("A string."), `trimspace("  hello\n\n")`, `"hello"`, ""},
	"trimsuffix":  {"The string without an end.", docs("A string.", "The end."), `trimsuffix("helloworld", "world")`, `"hello"`, ""},
	"upper":       {"The string in upper case.", docs("A string."), `upper("hello")`, `"HELLO"`, ""},
}

var encodingDocs = map[string]functionDoc{
	"base64decode":     {"The text that a Base64 string encodes.", docs("A Base64 string."), `base64decode("SGVsbG8gV29ybGQ=")`, `"Hello World"`, exact},
	"base64encode":     {"The UTF-8 of a text in Base64.", docs("A text."), `base64encode("Hello World")`, `"SGVsbG8gV29ybGQ="`, ""},
	"base64gunzip":     {"The text that a gzip stream in Base64 holds, at most 32 MiB.", docs("A Base64 string."), `base64gunzip(base64gzip("hello"))`, `"hello"`, exact},
	"base64gzip":       {"The UTF-8 of a text, compressed by gzip, in Base64. The same text gives the same bytes in every release.", docs("A text."), `base64gunzip(base64gzip(""))`, `""`, "The bytes are those of layform's encoder."},
	"base64sha256":     {"The SHA-256 of a text's UTF-8, in Base64.", docs("A text."), `base64sha256("hello world")`, `"uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="`, ""},
	"base64sha512":     {"The SHA-512 of a text's UTF-8, in Base64.", docs("A text."), `base64sha512("hello world")`, `"MJ7MSJwS1utMxA9QyQLytNDtd+5RGnx6m808qG1M2G+YndNbxf9JlnDaNCVbRbDP2DDoH2Bdz33FVC6TrpzXbw=="`, ""},
	"csvdecode":        {"A list of objects, one for each line of CSV after the first, which names the columns.", docs("CSV."), `csvdecode("a,b\n1,2\n")`, `[{"a":"1","b":"2"}]`, ""},
	"jsondecode":       {"The value of a JSON text.", docs("JSON."), `jsondecode("{\"hello\": [1, null]}")`, `{"hello":[1,null]}`, exact},
	"jsonencode":       {"A value as JSON, in one line with sorted keys.", docs("A value."), `jsonencode({ hello = "world" })`, `"{\"hello\":\"world\"}"`, ""},
	"md5":              {"The MD5 of a text's UTF-8 in hexadecimal digits.", docs("A text."), `md5("hello world")`, `"5eb63bbbe01eeed093cb22bb8f5acdc3"`, ""},
	"sha1":             {"The SHA-1 of a text's UTF-8 in hexadecimal digits.", docs("A text."), `sha1("hello world")`, `"2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"`, ""},
	"sha256":           {"The SHA-256 of a text's UTF-8 in hexadecimal digits.", docs("A text."), `sha256("hello world")`, `"b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"`, ""},
	"sha512":           {"The SHA-512 of a text's UTF-8 in hexadecimal digits.", docs("A text."), `substr(sha512("hello world"), 0, 16)`, `"309ecc489c12d6eb"`, ""},
	"textdecodebase64": {"The text that a Base64 string holds in an encoding.", docs("A Base64 string.", "IANA's name of the encoding."), `textdecodebase64("SABlAGwAbABvAA==", "UTF-16LE")`, `"Hello"`, exact},
	"textencodebase64": {"A text in an encoding, in Base64.", docs("A text.", "IANA's name of the encoding."), `textencodebase64("Hello", "UTF-16LE")`, `"SABlAGwAbABvAA=="`, ""},
	"urldecode":        {"The text that a URL-encoded string stands for.", docs("A URL-encoded string."), `urldecode("Hello+World%21")`, `"Hello World!"`, "It is OpenTofu's. " + exact},
	"urlencode":        {"A text as a part of the query of a URL.", docs("A text."), `urlencode("Hello World!")`, `"Hello+World%21"`, ""},
	"uuidv5":           {"The UUID of a name in a namespace, version 5: the same each time.", docs("dns, url, oid, x500 or a UUID.", "The name."), `uuidv5("dns", "www.terraform.io")`, `"a5008fae-b28c-5ba5-96cd-82b4c53552d6"`, ""},
	"yamldecode":       {"The value of a YAML text.", docs("YAML, one document."), `yamldecode("hello: [1, two]")`, `{"hello":[1,"two"]}`, exact},
	"yamlencode":       {"A value as YAML, with sorted keys.", docs("A value."), `yamlencode({ a = ["b"] })`, `"\"a\":\n- \"b\"\n"`, ""},
}

var fileDocs = map[string]functionDoc{
	"file":             {"The text of a file, byte for byte.", docs(inTree), `file("hello.txt")`, `"Hello!\n"`, exact},
	"filebase64":       {"The bytes of a file in Base64.", docs(inTree), `filebase64("hello.txt")`, `"SGVsbG8hCg=="`, ""},
	"filebase64sha256": {"The SHA-256 of a file in Base64.", docs(inTree), `filebase64sha256("hello.txt") == base64sha256(file("hello.txt"))`, `true`, ""},
	"filebase64sha512": {"The SHA-512 of a file in Base64.", docs(inTree), `filebase64sha512("hello.txt") == base64sha512(file("hello.txt"))`, `true`, ""},
	"fileexists":       {"Whether there is a regular file.", docs(inTree), `fileexists("hello.txt")`, `true`, ""},
	"filemd5":          {"The MD5 of a file in hexadecimal digits.", docs(inTree), `filemd5("hello.txt") == md5(file("hello.txt"))`, `true`, ""},
	"fileset":          {"The regular files below a directory whose paths match a pattern. Symlinks to regular files are among them, and those to directories are not walked.", docs("A directory in the spec's directory.", "A pattern: * and ? within a name, ** for any directories, {a,b} for alternatives."), `fileset("conf", "**/*.conf")`, `["a.conf","sub/b.conf"]`, "A symlink that leads to nothing, or out of the spec's directory, is left out."},
	"filesha1":         {"The SHA-1 of a file in hexadecimal digits.", docs(inTree), `filesha1("hello.txt") == sha1(file("hello.txt"))`, `true`, ""},
	"filesha256":       {"The SHA-256 of a file in hexadecimal digits.", docs(inTree), `filesha256("hello.txt") == sha256(file("hello.txt"))`, `true`, ""},
	"filesha512":       {"The SHA-512 of a file in hexadecimal digits.", docs(inTree), `filesha512("hello.txt") == sha512(file("hello.txt"))`, `true`, ""},
	"templatefile":     {"The text that a file of HCL's template language gives.", docs(inTree, "The variables of the template, as a map or object. It sees nothing else."), `templatefile("greeting.tftpl", { names = ["Ann", "Bo"] })`, `"Hello, Ann!\nHello, Bo!\n"`, "A template may not render another one."},
	"templatestring":   {"The text that a template gives.", docs("A template, such as a local that jsondecode made.", "The variables of the template, as a map or object. It sees nothing else."), `templatestring("Hello, $${name}!", { name = "Ann" })`, `"Hello, Ann!"`, "The template may be any expression. A template may not render another one."},
}
