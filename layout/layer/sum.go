package layer

import (
	"crypto/sha256"
	"strings"

	"github.com/opencontainers/go-digest"
)

// Sum is a SHA-256 as its bytes: what a digest of that algorithm says in half
// the memory, and without a string for each.
type Sum [sha256.Size]byte

const (
	sumPrefix = "sha256:"
	hexDigits = "0123456789abcdef"
)

// Digest spells the sum out, in one allocation.
func (s *Sum) Digest() digest.Digest {
	text := s.text()
	return digest.Digest(text[:])
}

// DigestIn is Digest with its memory from texts.
func (s *Sum) DigestIn(texts *Texts) digest.Digest {
	text := s.text()
	return digest.Digest(texts.Text(text[:]))
}

func (s *Sum) text() (b [len(sumPrefix) + 2*sha256.Size]byte) {
	copy(b[:], sumPrefix)
	for i, v := range s {
		b[len(sumPrefix)+2*i] = hexDigits[v>>4]
		b[len(sumPrefix)+2*i+1] = hexDigits[v&15]
	}
	return b
}

// SumOf gives the bytes of a sha256 digest; it answers false for what is none.
func SumOf(d digest.Digest) (sum Sum, ok bool) {
	text, ok := strings.CutPrefix(string(d), sumPrefix)
	if !ok || len(text) != 2*len(sum) {
		return sum, false
	}
	var wrong byte
	for i := range sum {
		high, low := nibble(text[2*i]), nibble(text[2*i+1])
		wrong |= hexDigits[high] ^ text[2*i]
		wrong |= hexDigits[low] ^ text[2*i+1]
		sum[i] = high<<4 | low
	}
	return sum, wrong == 0
}

// nibble is the place of a lower-case hexadecimal digit among hexDigits, and some
// place for anything else.
func nibble(c byte) byte { return (c + c>>6*9) & 15 }
