package layer

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"
)

// TestScanHugeSize: a size near the largest number is refused, also of an entry
// that is skipped.
func TestScanHugeSize(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "x", Typeflag: tar.TypeReg, Mode: 0o644, Size: 1<<63 - 1, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]Visitor{
		"read":    {},
		"skipped": {Skip: func(*Entry) bool { return true }, Omit: func(int64, int64) {}},
	} {
		if err := Scan(bytes.NewReader(b.Bytes()), v); err == nil || !strings.Contains(err.Error(), "size") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
