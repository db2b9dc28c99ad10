package layer

import (
	"strings"

	"github.com/layform/layform/layout/imagespec"
)

// Compare is the canonical order of paths in a layer: by components, so that parents
// come before their children and a directory's tree is contiguous; whiteouts come
// before their siblings, and "." before all. Hard links alone leave this order: they
// stand behind their target when it comes later.
func Compare(a, b string) int {
	if a == b {
		return 0
	}
	if a == "." {
		return -1
	}
	if b == "." {
		return 1
	}
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	// The components in which the paths differ begin at the same place.
	start := strings.LastIndexByte(a[:i], '/') + 1
	if c := compareWhiteout(a[start:], b[start:]); c != 0 {
		return c
	}
	switch {
	case i == len(a):
		return -1
	case i == len(b):
		return 1
	case a[i] == '/':
		return -1
	case b[i] == '/':
		return 1
	case a[i] < b[i]:
		return -1
	}
	return 1
}

func compareWhiteout(a, b string) int {
	wa, wb := imagespec.IsWhiteout(a), imagespec.IsWhiteout(b)
	switch {
	case wa == wb:
		return 0
	case wa:
		return -1
	}
	return 1
}
