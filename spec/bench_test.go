package spec

import (
	"fmt"
	"strings"
	"testing"
)

// manyBlocks is a spec of n layers and n manifests, as blocks of their own or
// through for_each.
func manyBlocks(n int, forEach bool) string {
	var b strings.Builder
	if forEach {
		fmt.Fprintf(&b, `
locals { names = { for i in range(%d) : "n${i}" => i } }
layer "a" {
  for_each = local.names
  file "/a" { content = "number ${each.value}" }
}
config "a" { platform = "linux/amd64" }
manifest "a" {
  for_each = local.names
  config   = config.a
  layers   = [layer.a[each.key]]
  tags     = [each.key]
}
`, n)
		return b.String()
	}
	b.WriteString("config \"a\" { platform = \"linux/amd64\" }\n")
	for i := range n {
		fmt.Fprintf(&b, "layer \"l%d\" {\n  file \"/a\" { content = \"number %d\" }\n}\n", i, i)
		fmt.Fprintf(&b, "manifest \"m%d\" {\n  config = config.a\n  layers = [layer.l%d]\n  tags   = [\"t%d\"]\n}\n", i, i, i)
	}
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	for _, forEach := range []bool{false, true} {
		for _, n := range []int{100, 1000} {
			b.Run(fmt.Sprintf("for_each=%v/%d", forEach, n), func(b *testing.B) {
				opts := source(manyBlocks(n, forEach))
				for b.Loop() {
					s, diags := Load(b.TempDir(), opts)
					if diags.HasErrors() {
						b.Fatal(diags)
					}
					for _, addr := range s.Addresses() {
						if _, diags := s.Evaluate(addr, nil); diags.HasErrors() {
							b.Fatal(diags)
						}
					}
				}
			})
		}
	}
}
