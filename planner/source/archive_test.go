package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

func TestArchive(t *testing.T) {
	block, err := layer.AppendHeader(nil, &layer.Entry{Path: "f", Type: layer.Regular})
	must(t, err)
	tar := string(block)
	whole := tar + strings.Repeat("\x00", 1024)
	var gz bytes.Buffer
	w := gzip.NewWriter(&gz)
	_, err = w.Write([]byte(whole))
	must(t, err)
	must(t, w.Close())
	z, err := zstd.NewWriter(nil)
	must(t, err)
	zst := string(z.EncodeAll([]byte(whole), nil))
	files := map[string]string{
		"plain": whole, "gz": gz.String(), "zst": zst, "skip": "\x5f\x2a\x4d\x18\x00\x00\x00\x00" + zst, "none": strings.Repeat("\x00", 1024),
		"bz2": "BZh9", "xz": "\xfd7zXZ\x00", "text": strings.Repeat("a", 600), "empty": "", "short": tar[:511], "half": strings.Repeat("\x00", 512),
		"sum": tar[:10] + "x" + tar[11:], "dir/": "",
		"noend": tar, "cut": gz.String()[:gz.Len()-9], "twice": tar + whole,
	}
	_, root := folder(t, files)
	for name, want := range map[string]imagespec.Algorithm{
		"plain": imagespec.Uncompressed, "none": imagespec.Uncompressed, "gz": imagespec.Gzip, "zst": imagespec.Zstd, "skip": imagespec.Zstd,
	} {
		o, diags := Observe(context.Background(), root, &spec.Layer{Archive: name}, Options{Hash: true})
		if diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		f := o.File
		if f.Compression != want || f.Digest != digest.FromString(files[name]) || f.Size != int64(len(files[name])) || f.Path != name {
			t.Errorf("%s: %+v", name, f)
		}
		if o, _ := Observe(context.Background(), root, &spec.Layer{Archive: name}, Options{}); o.File.Digest != "" {
			t.Errorf("%s was hashed without being asked", name)
		}
	}
	for name, want := range map[string]string{
		"bz2": "it is compressed with bzip2", "xz": "it is compressed with xz", "text": "it is not a tar", "empty": "it is empty", "short": "not a tar", "half": "not a tar", "sum": "not a tar",
		"noend": "without its two zero blocks", "cut": "the gzip stream is cut off", "twice": `stands in the tar twice; a layer holds one entry for a path. Set on_duplicate = "last"`,
		"missing": "cannot be used: no such file or directory.", "dir": "it is a directory,", "../x": "it leads out of",
	} {
		opts := Options{Hash: true}
		opts.Range.Filename, opts.Range.Start.Line = "layform.hcl", 3
		_, diags := Observe(context.Background(), root, &spec.Layer{Archive: name}, opts)
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, want) || diags[0].Subject == nil || diags[0].Subject.Start.Line != 3 {
			t.Errorf("%s: %v, want %q", name, diags, want)
		}
	}
}

// TestArchiveKnown: an archive is checked although a block that takes it for any
// file left its digest in the cache, and one that was found good not again.
func TestArchiveKnown(t *testing.T) {
	header, err := layer.AppendHeader(nil, &layer.Entry{Path: "f", Type: layer.Regular})
	must(t, err)
	end := strings.Repeat("\x00", 1024)
	_, root := folder(t, map[string]string{"cut": string(header), "good": string(header) + end, "twice": string(header) + string(header) + end})
	digests := &memory{known: map[string]digest.Digest{}}
	observe := func(l spec.Layer) error {
		_, diags := Observe(context.Background(), root, &l, Options{Hash: true, Digests: digests})
		if diags.HasErrors() {
			return diags
		}
		return nil
	}
	for _, name := range []string{"cut", "good", "twice"} {
		must(t, observe(spec.Layer{Blob: name}))
		must(t, observe(*at(spec.FileOp{Kind: spec.OpCopy, From: name})))
	}
	for range 2 {
		if err := observe(spec.Layer{Archive: "cut"}); err == nil || !strings.Contains(err.Error(), "without its two zero blocks") {
			t.Errorf("cut: %v", err)
		}
		must(t, observe(spec.Layer{Archive: "twice", OnDuplicate: spec.DuplicatesLast}))
		if err := observe(spec.Layer{Archive: "twice"}); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("twice: %v", err)
		}
	}
	must(t, observe(spec.Layer{Archive: "good"}))
	stored := digests.stored
	must(t, observe(spec.Layer{Archive: "good"}))
	if digests.stored != stored {
		t.Error("a good archive was checked again")
	}
}
