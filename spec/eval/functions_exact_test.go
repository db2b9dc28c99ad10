package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExactText has functions make text of bytes that a string would change, in
// normal form C: each refuses, and says what to use.
func TestExactText(t *testing.T) {
	const decomposed, angstrom = "cafe\u0301\n", "\u212b"
	dir := tree(t, map[string]string{
		"d.txt": decomposed, "a.txt": angstrom, "ok.txt": "caf\u00e9\u0301x\n", "binary": "\xff", "crlf.txt": "a\r\n", "mark.txt": "\uFEFFx",
		"accent.tftpl": "${x}\u0301", "inner.tftpl": "a${x}b\u00e9", "d.tftpl": decomposed,
	})
	for _, name := range []string{"ok.txt", "crlf.txt", "mark.txt"} {
		if got := evaluate(t, dir, `sha256(file("`+name+`")) == filesha256("`+name+`")`); got != "true" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := evaluate(t, dir, `templatefile("inner.tftpl", { x = "-" })`); got != `"a-bé"` {
		t.Errorf("a template: %s", got)
	}
	for expr, want := range map[string]string{
		`sha256(file("d.txt"))`:                          "source takes any file",
		`file("a.txt")`:                                  "normal form C",
		`file("binary")`:                                 "source takes any file, and filebase64 reads it",
		`templatefile("d.tftpl", {})`:                    "source takes any file",
		`templatefile("accent.tftpl", { x = "e" })`:      "accent.tftpl:1,5: this text begins with an accent",
		`base64decode(filebase64("d.txt"))`:              "use source or archive",
		`base64decode(filebase64("binary"))`:             "not UTF-8 text",
		`textdecodebase64(filebase64("d.txt"), "UTF-8")`: "use source or archive",
		`textdecodebase64("AQ==", "UTF-16LE")`:           "no text in this encoding",
		`urldecode("e%CC%81")`:                           "normal form C",
		`urldecode("%FF")`:                               "not UTF-8",
		`jsondecode("{\"a\": \"e\\u0301\"}")`:            "normal form C",
		`jsondecode("{\"e\\u0301\": 1}")`:                "normal form C",
		`jsondecode("\"\\u212b\"")`:                      "normal form C",
		`yamldecode("a: \"e\\u0301\"")`:                  "normal form C",
		`base64gunzip(base64encode("x"))`:                "not gzip",
		`base64gunzip("` + gzipOf(t, decomposed) + `")`:  "normal form C",
	} {
		mustRefuse(t, dir, expr, want)
	}
}

// gzipOf is text as gzip in Base64.
func gzipOf(t *testing.T, text string) string {
	t.Helper()
	encoded, err := base64Gzip(text)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// TestGzipText pins the bytes of base64gzip: they stand in layers.
func TestGzipText(t *testing.T) {
	for text, want := range map[string]string{
		"":      "8dc73ccdd1e4888c7a99cb1f1908c594d7b5e2f4358f796347ae44af467976fb",
		"hello": "7329561296ed7215a9ed32c7ddc9394ffb845f28bca856d5e43b864118dfb4c3",
		strings.Repeat("layform 0123456789 ", 10_000): "3da0d7b780246607fb16e90211adafb2abd2956d6b41171f6de42fb46a39c3ef",
	} {
		got := gzipOf(t, text)
		if sum := hexSHA256(got); sum != want {
			t.Errorf("%.20q gives %.40s with the sum %s, want %s", text, got, sum, want)
		}
		if back, err := base64Gunzip(got); back != text || err != nil {
			t.Errorf("%.20q comes back as %.20q, %v", text, back, err)
		}
	}
	large := gzipOf(t, strings.Repeat("\x00", maxValue+1))
	if _, err := base64Gunzip(large); err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Errorf("a large text: %v", err)
	}
	if _, err := base64Gunzip(base64Encode(strings.TrimSuffix(mustDecode(t, gzipOf(t, "hello")), "\x00"))); err == nil {
		t.Error("a stream that ends early is unpacked")
	}
}

func mustDecode(t *testing.T, s string) string {
	t.Helper()
	raw, err := decodeBase64(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestFilesetLinks lists symlinks to files, and not what else they may lead to.
func TestFilesetLinks(t *testing.T) {
	dir := tree(t, map[string]string{"real/a.txt": "a", "set/b.txt": "b", "set/sub/c.txt": "c"})
	for name, target := range map[string]string{
		"set/a.txt": "../real/a.txt", "set/again.txt": "a.txt", "set/dir.txt": "../real", "set/lost.txt": "none", "set/through.txt": "b.txt/x",
	} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"set/out.txt": "/etc/passwd", "set/up.txt": "../../up.txt"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := evaluate(t, dir, `fileset("set", "**/*.txt")`); got != `["a.txt","again.txt","b.txt","sub/c.txt"]` {
		t.Errorf("the set is %s", got)
	}
	if got := evaluate(t, dir, `[for f in fileset("set", "a*") : file("set/${f}")]`); got != `["a","a"]` {
		t.Errorf("the files hold %s", got)
	}
}

// TestFunctionBounds gives functions texts that they would multiply.
func TestFunctionBounds(t *testing.T) {
	large := strings.Repeat("x", 5<<20)
	dir := tree(t, map[string]string{"large.txt": large, "large.gz": mustDecode(t, gzipOf(t, large))})
	for expr, want := range map[string]string{
		`slug(file("large.txt"))`:                                                                "at most 65536 bytes",
		`textencodebase64(file("large.txt"), "UTF-32")`:                                          "at most 4194304 bytes",
		`templatestring(file("large.txt"), {})`:                                                  "larger than 1048576 bytes",
		`[for a in range(40) : base64gunzip(filebase64("large.gz"))]`:                            "MiB",
		`templatestring("%{ for a in range(1000) }$${x}%{ endfor }", { x = file("large.txt") })`: "MiB",
	} {
		mustRefuse(t, dir, strings.ReplaceAll(expr, "%{", "%%{"), want)
	}
}
