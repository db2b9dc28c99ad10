package layout_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/layform/layform/layout"
)

// A cache file of any length is the magic, the checksum and the content, however that
// was written; one that could not be written leaves the one before.
func TestCacheFile(t *testing.T) {
	s, err := layout.Open(filepath.Join(t.TempDir(), "layout"), layout.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	const magic = "magic 1\n"
	if _, err := s.ReadCache("x.cache", magic, 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it was written: %v", err)
	}
	const buffer = 256 << 10
	for _, size := range []int{0, 1, buffer - 12, buffer - 11, buffer, 3*buffer + 5} {
		content := bytes.Repeat([]byte("0123456789abc"), size/13+1)[:size]
		for _, step := range []int{1000, size + 1} {
			err := s.SaveCache("x.cache", magic, func(w io.Writer) error {
				for rest := content; len(rest) > 0; rest = rest[min(step, len(rest)):] {
					if n, err := w.Write(rest[:min(step, len(rest))]); err != nil || n != min(step, len(rest)) {
						return errors.Join(err, io.ErrShortWrite)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			want := binary.LittleEndian.AppendUint32([]byte(magic), crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
			is, err := os.ReadFile(filepath.Join(s.Dir(), ".layform/x.cache"))
			if err != nil || !bytes.Equal(is, append(want, content...)) {
				t.Errorf("%d bytes in steps of %d: another file of %d bytes, %v", size, step, len(is), err)
			}
			if got, err := streamed(s, magic); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes in steps of %d: %d bytes are streamed, %v", size, step, len(got), err)
			}
			if got, err := s.ReadCache("x.cache", magic, 2<<20); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d bytes in steps of %d: %d bytes are read, %v", size, step, len(got), err)
			}
		}
	}
	if _, err := s.ReadCache("x.cache", "magic 2\n", 2<<20); !errors.Is(err, layout.ErrDamaged) {
		t.Errorf("of another kind: %v", err)
	}
	if _, err := s.ReadCache("x.cache", magic, 1000); !errors.Is(err, layout.ErrLimit) {
		t.Errorf("too long: %v", err)
	}
	file := filepath.Join(s.Dir(), ".layform/x.cache")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(good)
	flipped[len(good)/2] ^= 1
	for name, data := range map[string][]byte{"empty": nil, "a head": good[:10], "cut": good[:len(good)-1], "longer": append(bytes.Clone(good), 0), "flipped": flipped} {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ReadCache("x.cache", magic, 2<<20); !errors.Is(err, layout.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := streamed(s, magic); !errors.Is(err, layout.ErrDamaged) {
			t.Errorf("%s, streamed: %v", name, err)
		}
	}
	if err := os.WriteFile(file, good, 0o644); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err = s.SaveCache("x.cache", magic, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 2*buffer))
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("an error of the content: %v", err)
	}
	if got, err := s.ReadCache("x.cache", magic, 2<<20); err != nil || len(got) != 3*buffer+5 {
		t.Errorf("after a failed save: %d bytes, %v", len(got), err)
	}
	if left, err := os.ReadDir(filepath.Join(s.Dir(), ".layform/ingest")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func streamed(s *layout.Store, magic string) ([]byte, error) {
	f, err := s.OpenCache("x.cache", magic, 2<<20)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
