package main

import (
	"math"
	"testing"
)

// TestBoundsOfMemory holds that the memory is limited where there is room for garbage
// below the limit, and that collections come neither all the time nor more rarely than
// was asked for.
func TestBoundsOfMemory(t *testing.T) {
	for inUse := int64(0); inUse < 1<<31; inUse += 1 << 20 {
		percent, limit := bounds(inUse, lateGarbage, someMegabytes)
		switch {
		case percent < manyGarbage || percent > lateGarbage:
			t.Fatalf("%d%% beside %d bytes", percent, inUse)
		case limit == math.MaxInt64 && (percent != manyGarbage || inUse < someMegabytes/2):
			t.Fatalf("%d%% without a limit beside %d bytes", percent, inUse)
		case limit != math.MaxInt64 && (limit < someMegabytes || limit > manyMegabytes || limit < inUse+inUse*roomyGarbage/100):
			t.Fatalf("the limit is %d beside %d bytes", limit, inUse)
		}
	}
	if percent, limit := bounds(0, oftenGarbage, someMegabytes); percent != oftenGarbage || limit != someMegabytes {
		t.Errorf("%d%% and %d bytes where nothing is known", percent, limit)
	}
	if percent, limit := bounds(18<<20, roomyGarbage, stayMegabytes); percent != roomyGarbage || limit != stayMegabytes {
		t.Errorf("%d%% and %d bytes in a process that stays", percent, limit)
	}
}
