package main

import "testing"

// TestPercentFor holds that the heap stays below its goal where it can, and that
// collections come neither all the time nor more rarely than was asked for.
func TestPercentFor(t *testing.T) {
	for inUse := int64(1 << 20); inUse < 1<<31; inUse += 1 << 20 {
		percent := int64(percentFor(inUse, lateGarbage))
		switch peak := inUse + inUse*percent/100; {
		case percent < manyGarbage || percent > lateGarbage:
			t.Fatalf("%d%% beside %d bytes", percent, inUse)
		case inUse < manyMegabytes*70/100 && peak > manyMegabytes:
			t.Fatalf("%d%% beside %d bytes fill more than %d", percent, inUse, manyMegabytes)
		case inUse > manyMegabytes && percent != manyGarbage:
			t.Fatalf("%d%% beside %d bytes", percent, inUse)
		}
	}
	if got := percentFor(0, oftenGarbage); got != oftenGarbage {
		t.Errorf("%d%% where nothing is known", got)
	}
}
