package layer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bytes is a name, path or link target as the layer has it: any bytes but NUL. Its
// text, in plans and in JSON, is the same where it is UTF-8 without a backslash;
// otherwise each byte that is no UTF-8 is \x and two hexadecimal digits, and a
// backslash is two. No two of them share a text, and each is read as it was.
type Bytes string

// MarshalText writes the text.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String is the text.
func (b Bytes) String() string {
	if utf8.ValidString(string(b)) && !strings.Contains(string(b), `\`) {
		return string(b)
	}
	var out []byte
	for rest := string(b); rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			out = fmt.Appendf(out, `\x%02x`, rest[0])
		case r == '\\':
			out = append(out, `\\`...)
		default:
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	return string(out)
}

// UnmarshalText reads the form of MarshalText.
func (b *Bytes) UnmarshalText(text []byte) error {
	var out strings.Builder
	for rest := string(text); rest != ""; {
		fitsUSTAR, after, found := strings.Cut(rest, `\`)
		out.WriteString(fitsUSTAR)
		switch {
		case !found:
			rest = ""
		case strings.HasPrefix(after, `\`):
			out.WriteByte('\\')
			rest = after[1:]
		default:
			hex, ok := strings.CutPrefix(after, "x")
			if !ok || len(hex) < 2 {
				return fmt.Errorf("%q has a backslash that is neither doubled nor followed by x and two hexadecimal digits", text)
			}
			code, err := strconv.ParseUint(hex[:2], 16, 8)
			if err != nil {
				return fmt.Errorf(`%q has \x without two hexadecimal digits`, text)
			}
			out.WriteByte(byte(code))
			rest = hex[2:]
		}
	}
	*b = Bytes(out.String())
	return nil
}
