package encode

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/planner/source"
	"github.com/layform/layform/spec"
)

// TestChanged: files that are not what was observed are named.
func TestChanged(t *testing.T) {
	for name, change := range map[string]func(file string){
		"content": func(file string) { put(t, file, noise(9, 3<<20)) },
		"size":    func(file string) { put(t, file, "short") },
		"gone":    func(file string) { remove(t, file) },
		"fifo":    func(file string) { remove(t, file); fifo(t, file) },
		"symlink": func(file string) { remove(t, file); link(t, "b", file) },
		"directory": func(file string) {
			remove(t, file)
			put(t, filepath.Join(file, "x"), "")
		},
	} {
		for _, size := range []int{100, 3 << 20} {
			dir, root := folder(t, map[string]string{"d/a": noise(1, size), "d/b": noise(2, size)})
			o := observe(t, root, copyOf(imagespec.Compression{}), source.Options{Hash: true})
			change(filepath.Join(dir, "d/a"))
			if name == "content" {
				put(t, filepath.Join(dir, "d/a"), noise(9, size))
			}
			_, err := Write(context.Background(), io.Discard, root, o.Tree, Options{})
			var changed *source.ChangedError
			if !errors.As(err, &changed) || changed.Path != "d/a" {
				t.Errorf("%s of %d bytes: the error is %v", name, size, err)
			}
		}
	}
}

// TestGrowing: a file that grows while the layer is written is noticed, also
// when nobody knows what it should hold.
func TestGrowing(t *testing.T) {
	dir, root := folder(t, map[string]string{"a": noise(1, 6<<20)})
	o := observe(t, root, copyOf(imagespec.Compression{Algorithm: imagespec.Uncompressed}), source.Options{})
	grow := &onFirstWrite{do: func() {
		f, err := os.OpenFile(filepath.Join(dir, "a"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := f.WriteString("more"); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}}
	_, err := Write(context.Background(), grow, root, o.Tree, Options{Compression: imagespec.Compression{Algorithm: imagespec.Uncompressed}, Parallelism: 1})
	var changed *source.ChangedError
	if !errors.As(err, &changed) {
		t.Errorf("the error is %v", err)
	}
}

// onFirstWrite does something when it is written to first.
type onFirstWrite struct {
	do   func()
	done bool
}

func (o *onFirstWrite) Write(p []byte) (int, error) {
	if !o.done {
		o.done = true
		o.do()
	}
	return len(p), nil
}

// failing fails after some bytes.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("no space left")

func TestWriteErrors(t *testing.T) {
	root, layerOf := goldenTree(t)
	o := observe(t, root, layerOf(imagespec.Compression{}), source.Options{})
	for _, left := range []int{0, 1, 100 << 10, 1 << 20} {
		if _, err := Write(context.Background(), &failing{left}, root, o.Tree, Options{}); !errors.Is(err, errFull) {
			t.Errorf("a writer that fails after %d bytes gives %v", left, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := Write(ctx, &onFirstWrite{do: cancel}, root, o.Tree, Options{Parallelism: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled write gives %v", err)
	}
	for _, c := range []imagespec.Compression{{Algorithm: "brotli"}, {Algorithm: imagespec.Gzip, Level: 10}, {Algorithm: imagespec.Zstd, Level: -1}} {
		if _, err := Write(context.Background(), io.Discard, root, o.Tree, Options{Compression: c}); err == nil {
			t.Errorf("%v is taken", c)
		}
	}
	unknown := &spec.Layer{Tree: []spec.FileOp{{Kind: spec.OpFile, To: "f", ContentUnknown: true}}}
	tree := observe(t, root, unknown, source.Options{}).Tree
	if _, err := Write(context.Background(), io.Discard, root, tree, Options{}); err == nil || !strings.Contains(err.Error(), "not known yet") {
		t.Errorf("unknown content gives %v", err)
	}
}
