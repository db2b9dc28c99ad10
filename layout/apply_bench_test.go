//go:build unix

package layout_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/layform/layform/layout"
)

// BenchmarkSync tells what the fsyncs of a small apply cost: it does the same
// updates in one layout with them and in one without, in turn, and reports the
// ratio of the medians.
func BenchmarkSync(b *testing.B) {
	took := map[bool][]time.Duration{}
	stores := map[bool]*layout.Store{}
	for _, noSync := range []bool{true, false} {
		s, err := layout.Open(filepath.Join(b.TempDir(), "layout"), layout.Options{NoSync: noSync})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		stores[noSync] = s
		if err := applyOnce(b.Context(), s, "0", nil); err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	for b.Loop() {
		n++
		for noSync, s := range stores {
			start := time.Now()
			if err := applyOnce(b.Context(), s, fmt.Sprint(n), digestsOf(fmt.Sprint(n-1))); err != nil {
				b.Fatal(err)
			}
			took[noSync] = append(took[noSync], time.Since(start))
		}
	}
	median := func(d []time.Duration) float64 {
		slices.Sort(d)
		return float64(d[len(d)/2])
	}
	b.ReportMetric(median(took[false])/median(took[true]), "ratio")
	b.ReportMetric(median(took[false])/1e6, "ms-sync")
	b.ReportMetric(median(took[true])/1e6, "ms-nosync")
}
