package layer

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestSum(t *testing.T) {
	want := digest.FromString("content")
	sum, ok := SumOf(want)
	if !ok || sum.Digest() != want {
		t.Fatalf("%s comes back as %s, %v", want, sum.Digest(), ok)
	}
	for c := range 1 << 16 {
		high, low := byte(c>>8), byte(c)
		text := want[:69] + digest.Digest([]byte{high, low})
		valid := strings.IndexByte(hexDigits, high) >= 0 && strings.IndexByte(hexDigits, low) >= 0
		if sum, ok := SumOf(text); ok != valid || ok && sum.Digest() != text {
			t.Errorf("%q: %v", text, ok)
		}
	}
	for _, d := range []digest.Digest{"", "sha256:", want[:70], want + "0", digest.SHA384.FromString(""), "sha512" + want[6:], want[7:]} {
		if _, ok := SumOf(d); ok {
			t.Errorf("%q is taken", d)
		}
	}
}

func BenchmarkSumOf(b *testing.B) {
	d := digest.FromString("content")
	for b.Loop() {
		if _, ok := SumOf(d); !ok {
			b.Fatal(d)
		}
	}
}
