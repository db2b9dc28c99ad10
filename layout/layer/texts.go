package layer

import "strings"

// Texts makes strings of bytes, many of them in one allocation, which lives as long as
// any of them.
type Texts struct {
	// Block is how many bytes are allocated at once.
	Block int
	b     strings.Builder
}

// TextBlock is a usual Block where there are many strings.
const TextBlock = 16 << 10

// Text is a string of the bytes.
func (t *Texts) Text(b []byte) string {
	if t.b.Cap()-t.b.Len() < len(b) {
		t.b = strings.Builder{}
		t.b.Grow(max(len(b), t.Block))
	}
	start := t.b.Len()
	t.b.Write(b)
	return t.b.String()[start:]
}
