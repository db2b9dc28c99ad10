package layer

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestBytes: any bytes survive JSON, and no two of them have one text.
func TestBytes(t *testing.T) {
	for b, want := range map[Bytes]string{
		"": "", "usr/bin": "usr/bin", "caf\u00e9": "caf\u00e9", "e\u0301": "e\u0301", "caf\xe9": `caf\xe9`, `a\b`: `a\\b`, `\xe9`: `\\xe9`,
		"\\\xff\\": `\\\xff\\`, "\ufffd": "\ufffd", "\xef\xbf": `\xef\xbf`, "\xed\xa0\x80": `\xed\xa0\x80`, "a\n\x1b": "a\n\x1b", "\u20ac\x80x": "\u20ac\\x80x",
	} {
		text, err := b.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("%q: got %q, %v, want %q", b, text, err, want)
		}
		p := Properties{Target: b, Xattrs: map[string][]byte{b.String(): []byte(b)}}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var got Properties
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, got); diff != "" && b != "" {
			t.Errorf("%q comes back as %s", b, diff)
		}
	}
	for _, text := range []string{`\`, `a\n`, `\x`, `\x1`, `\xg0`, `\X41`} {
		if err := new(Bytes).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
