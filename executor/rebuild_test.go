//go:build unix

package executor_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/layform/layform/planner"
)

// TestRebuildCostsWhatChanged counts what an apply reads, compresses and writes
// when one file of a layer of 16 MB changed, and one of many layers.
func TestRebuildCostsWhatChanged(t *testing.T) {
	spec := "layout { path = \"out\" }\nconfig \"x\" { platform = \"linux/amd64\" }\n"
	layers := ""
	files := map[string]string{}
	random := rand.New(rand.NewPCG(1, 2))
	for l := range 4 {
		spec += fmt.Sprintf("layer \"l%[1]d\" {\n  copy { from = \"l%[1]d\" }\n}\n", l)
		layers += fmt.Sprintf("layer.l%d, ", l)
		for f := range 100 {
			text := make([]byte, 160_000)
			for i := range text {
				text[i] = "abcdefghijklmnop"[random.IntN(16)]
			}
			files[fmt.Sprintf("l%d/d%d/f%02d", l, f%7, f)] = string(text)
		}
	}
	files["layform.hcl"] = spec + "manifest \"x\" {\n  config = config.x\n  layers = [" + layers + "]\n  tags   = [\"x\"]\n}\n"
	w := newWorld(t, files)
	cold := w.apply()
	if cold.Layers.Built != 4 || cold.Layers.ReusedChunks != 0 || cold.Layers.ReadBytes != 4*16_000_000 {
		t.Fatalf("cold apply: %+v", cold.Layers)
	}
	chunks := cold.Layers.CompressedChunks / 4
	w.write("l2/d3/f10", "changed")
	p := w.plan(planner.Options{})
	if p.Summary.WriteBlobs != 3 {
		t.Errorf("the plan writes %d blobs, want the layer, the config and the manifest", p.Summary.WriteBlobs)
	}
	warm := w.carryOut(p)
	switch {
	case warm.Layers.Built != 1:
		t.Errorf("%d layers were built", warm.Layers.Built)
	case warm.Layers.ReadBytes > 16_000_000 || warm.Layers.ReadFiles > 100:
		t.Errorf("%d files with %d bytes were read, more than one layer has", warm.Layers.ReadFiles, warm.Layers.ReadBytes)
	case warm.Layers.CompressedChunks > 3 || warm.Layers.ReusedChunks < chunks-4:
		t.Errorf("%d chunks were compressed and %d reused, of about %d", warm.Layers.CompressedChunks, warm.Layers.ReusedChunks, chunks)
	case warm.WrittenBlobs != 3 || warm.DeletedBlobs != 3:
		t.Errorf("%d blobs were written and %d deleted", warm.WrittenBlobs, warm.DeletedBlobs)
	}
	w.accepted()
}

// TestRenamedLayer: a layer under another name takes the chunks of the one that
// goes, and comes out with the same bytes.
func TestRenamedLayer(t *testing.T) {
	text := make([]byte, 3_000_000)
	random := rand.New(rand.NewPCG(3, 4))
	for i := range text {
		text[i] = "abcdefghijklmnop"[random.IntN(16)]
	}
	spec := `layout { path = "out" }
config "x" { platform = "linux/amd64" }
layer "NAME" {
  copy { from = "tree" }
  created_by = "NAME"
}
manifest "x" {
  config = config.x
  layers = [layer.NAME]
  tags   = ["x"]
}
`
	w := newWorld(t, map[string]string{"layform.hcl": strings.ReplaceAll(spec, "NAME", "old"), "tree/a": string(text), "tree/b": "b"})
	w.apply()
	w.write("layform.hcl", strings.ReplaceAll(spec, "NAME", "new"))
	w.write("tree/b", "changed")
	renamed := w.apply()
	if l := renamed.Layers; l.Built != 1 || l.ReusedChunks == 0 || l.CompressedChunks > 2 {
		t.Errorf("%+v", l)
	}
	w.accepted()
}
