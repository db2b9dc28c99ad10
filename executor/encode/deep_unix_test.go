//go:build unix

package encode

import (
	"archive/tar"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layform/layform/layout/imagespec"
)

// TestImportDeep: paths with thousands of levels are looked at in about the time
// of the processor that it takes to read them.
func TestImportDeep(t *testing.T) {
	took := func(part string) time.Duration {
		var headers []tar.Header
		for i := range 300 {
			headers = append(headers, tar.Header{Name: strings.Repeat(part, 4000/len(part)) + strconv.Itoa(i)})
		}
		archive := gzipped(t, tarOf(t, headers...))
		start := processorTime(t)
		if _, _, err := importFile(t, archive, imagespec.Compression{}); err != nil {
			t.Error(err)
		}
		return processorTime(t) - start
	}
	flat, deep := took(strings.Repeat("d", 199)+"/"), took("d/")
	if deep > 20*flat+time.Second/2 {
		t.Errorf("names with 20 levels take %v, with 2000 levels %v", flat, deep)
	}
}

// processorTime is what this process has used of the processors, whatever else
// they are busy with.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
