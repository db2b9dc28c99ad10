package encode

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// output runs a program on input and gives what it prints.
func output(t *testing.T, input []byte, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = bytes.NewReader(input)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, stderr.Bytes())
	}
	return out
}

// TestPeersDecompress: gzip and zstd take a run of members or frames as one stream.
func TestPeersDecompress(t *testing.T) {
	root, layerOf := goldenTree(t)
	plain, _ := build(t, root, layerOf(imagespec.Compression{Algorithm: imagespec.Uncompressed}), Options{})
	for program, c := range map[string]imagespec.Compression{
		"gzip": {Algorithm: imagespec.Gzip}, "pigz": {Algorithm: imagespec.Gzip, Level: 2}, "zstd": {Algorithm: imagespec.Zstd},
	} {
		t.Run(program, func(t *testing.T) {
			blob, _ := build(t, root, layerOf(c), Options{})
			if got := output(t, blob, tool(t, program), "-dc"); !bytes.Equal(got, plain) {
				t.Errorf("%s reads something else", program)
			}
		})
	}
}

// TestPeersTar: GNU tar reads every entry, and complains about nothing.
func TestPeersTar(t *testing.T) {
	program := tool(t, "tar")
	root, layerOf := goldenTree(t)
	l := layerOf(imagespec.Compression{Algorithm: imagespec.Uncompressed})
	plain, _ := build(t, root, l, Options{})
	got := strings.Split(strings.TrimSpace(string(output(t, plain, program, "--quoting-style=literal", "-tf", "-"))), "\n")
	var want []string
	for _, e := range observe(t, root, l, source.Options{}).Tree.Entries {
		if e.Type == layer.Directory {
			e.Path += "/"
		}
		want = append(want, e.Path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	dir := t.TempDir()
	output(t, plain, program, "-C", dir, "--warning=all", "-xf", "-")
	if got, err := os.ReadFile(filepath.Join(dir, "opt/app/long/big.txt")); err != nil || string(got) != text(2, 4<<20) {
		t.Errorf("a long file was unpacked wrong: %v", err)
	}
	a, errA := os.Stat(filepath.Join(dir, "a-link"))
	b, errB := os.Stat(filepath.Join(dir, "etc/motd"))
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		t.Errorf("the hard link is none: %v, %v", errA, errB)
	}
}

// TestStdlibGzip: compress/gzip, which runtimes use, reads all members.
func TestStdlibGzip(t *testing.T) {
	root, layerOf := goldenTree(t)
	blob, r := build(t, root, layerOf(imagespec.Compression{}), Options{})
	tr := tar.NewReader(gunzip(t, blob))
	n := 0
	for {
		_, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(r.TOC.Entries) {
		t.Errorf("%d entries of %d were read", n, len(r.TOC.Entries))
	}
}
