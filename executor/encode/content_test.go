package encode

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// counting counts the bytes that are read at random.
type counting struct {
	r io.ReaderAt
	n int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

func mediaTypeOf(c imagespec.Compression) string {
	switch c.Algorithm {
	case imagespec.Zstd:
		return "application/vnd.oci.image.layer.v1.tar+zstd"
	case imagespec.Uncompressed:
		return "application/vnd.oci.image.layer.v1.tar"
	}
	return "application/vnd.oci.image.layer.v1.tar+gzip"
}

// openPath opens the file at a path of a layer.
func openPath(blob io.ReaderAt, toc *layer.TOC, mediaType, path string) (io.ReadCloser, error) {
	var image layer.Overlay
	if err := image.Add(toc); err != nil {
		return nil, err
	}
	f, err := image.Lookup(path, true)
	if err != nil {
		return nil, err
	}
	if f.Content == nil {
		return layer.Open(context.Background(), blob, toc, mediaType, &f.Entry)
	}
	return layer.Open(context.Background(), blob, toc, mediaType, f.Content)
}

// TestOpen reads every file of a layer on its own.
func TestOpen(t *testing.T) {
	root, layerOf := goldenTree(t)
	l := layerOf(imagespec.Compression{})
	tree := observe(t, root, l, source.Options{Hash: true}).Tree
	for _, c := range compressions {
		blob, r := build(t, root, layerOf(c), Options{})
		derived, err := layer.DeriveTOC(context.Background(), bytes.NewReader(blob), mediaTypeOf(c))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r.TOC.Entries, derived.Entries); diff != "" {
			t.Errorf("%s: derived entries differ: %s", layer.EncodingOf(c), diff)
		}
		for i, e := range tree.Entries {
			if e.Type != layer.Regular || i%40 != 0 && e.Size < 1<<20 {
				continue
			}
			at := &counting{r: bytes.NewReader(blob)}
			file, err := openPath(at, r.TOC, mediaTypeOf(c), e.Path)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if _, err := io.Copy(&got, file); err != nil {
				t.Error(err)
			}
			if err := file.Close(); err != nil {
				t.Error(err)
			}
			if int64(got.Len()) != e.Size {
				t.Errorf("%s: %q has %d bytes, want %d", layer.EncodingOf(c), e.Path, got.Len(), e.Size)
			}
			if limit := e.Size + 2*ruleOf(c.Algorithm).max; at.n > limit {
				t.Errorf("%s: %d bytes were read for %q of %d", layer.EncodingOf(c), at.n, e.Path, e.Size)
			}
		}
	}
}

func TestOpenWithoutChunks(t *testing.T) {
	root, layerOf := goldenTree(t)
	c := imagespec.Compression{Algorithm: imagespec.Zstd}
	blob, _ := build(t, root, layerOf(c), Options{})
	toc, err := layer.DeriveTOC(context.Background(), bytes.NewReader(blob), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"etc/motd", "a-link"} {
		file, err := openPath(bytes.NewReader(blob), toc, "", path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(file); err != nil || string(got) != "hello\n" {
			t.Errorf("%q is %q, %v", path, got, err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	root, layerOf := goldenTree(t)
	c := imagespec.Compression{Algorithm: imagespec.Uncompressed}
	blob, r := build(t, root, layerOf(c), Options{})
	read := func(blob []byte, toc *layer.TOC, path string) error {
		file, err := openPath(bytes.NewReader(blob), toc, mediaTypeOf(c), path)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, file)
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
		return err
	}
	var motd layer.Entry
	for _, e := range r.TOC.Entries {
		if e.Path == "etc/motd" {
			motd = e
		}
	}
	damaged := flipped(bytes.Clone(blob), int(motd.Offset))
	for _, c := range []struct {
		err  error
		want string
	}{
		{read(blob, r.TOC, "nope"), `no "/nope"`},
		{read(blob, r.TOC, "etc"), "is a directory"},
		{read(damaged, r.TOC, "etc/motd"), "damaged"},
		{read(blob[:motd.Offset+2], r.TOC, "etc/motd"), "ends"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("the error is %v, want %q", c.err, c.want)
		}
	}
}
