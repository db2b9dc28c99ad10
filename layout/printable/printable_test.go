package printable

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain, ünïcode → 日本", "plain, ünïcode → 日本"},
		{"a\nb\tc\rd\a", `a\nb\tc\rd\x07`},
		{"\x1b[31m", `\x1b[31m`},
		{"\x7f\u0085\u009b", `\x7f\u0085\u009b`},
		{"\u200e\u202e\u2066\ufeff", `\u200e\u202e\u2066\ufeff`},
		{"\u2028\u2029\u00a0", `\u2028\u2029\u00a0`},
		{"\U000e0041", `\U000e0041`},
		{"\xff\xfe", `\xff\xfe`},
		{"\ufffd", "\ufffd"},
	}
	for _, tt := range tests {
		if got := Line(tt.in); got != tt.want {
			t.Errorf("Line(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	if got, want := Lines("a\n\tb\x1b"), "a\n    b\\x1b"; got != want {
		t.Errorf("Lines gives %q, want %q", got, want)
	}
}

// FuzzLine holds that escaped text is one line, is printable, and escapes to
// itself, and that JSON means the same with and without escapes.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x1b[31m", "a\nb", "\u202e", "\xff", "日本\u0301", "\U000e0041", `\x1b`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Line(s)
		if !utf8.ValidString(once) || !Is(once) {
			t.Errorf("Line(%q) = %q is not printable", s, once)
		}
		if twice := Line(once); twice != once {
			t.Errorf("Line(%q) = %q, escaped again %q", s, once, twice)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if _, err := JSON(&out).Write(text); err != nil {
			t.Fatal(err)
		}
		var want, got string
		if json.Unmarshal(text, &want) != nil || json.Unmarshal(out.Bytes(), &got) != nil || got != want || !Is(out.String()) {
			t.Errorf("%q is written as %s", s, out.Bytes())
		}
	})
}
