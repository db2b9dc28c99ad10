package planner

import (
	"fmt"
	"testing"

	"github.com/layform/layform/spec"
)

// BenchmarkEntries compares twenty thousand entries of index.json with those that a
// spec asks for, and a tenth of them: the time of each entry hardly differs.
func BenchmarkEntries(b *testing.B) {
	for _, c := range []struct {
		name   string
		tagged bool
		opts   Options
	}{
		{"tags", true, Options{}}, {"untagged", false, Options{}}, {"untagged, destroyed", false, Options{Destroy: true}},
		{"untagged, targets", false, Options{Targets: []string{"manifest.x1"}}},
	} {
		for _, n := range []int{2000, 20_000} {
			b.Run(fmt.Sprintf("%s %d", c.name, n), func(b *testing.B) {
				s := newScene()
				for i := range n {
					key, ref := fmt.Sprintf("manifest.x%d", i), ""
					body := &spec.Manifest{}
					if c.tagged {
						ref = fmt.Sprintf("t%d", i)
						body.Entry = spec.Entry{Tags: []string{ref}}
					}
					s.add(key, body, []string{"layer.b"})
					s.entry(ref, key)
				}
				for b.Loop() {
					if _, err := Diff(s.graph, s.prior, c.opts); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
			})
		}
	}
}
