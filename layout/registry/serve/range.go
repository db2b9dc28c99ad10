package serve

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/layform/layform/layout/registry"
)

// contentRange is the Content-Range of a chunk of an upload, as the distribution spec
// has it: START-END, both included. length is END-START+1.
type contentRange struct{ start, length int64 }

// parseContentRange parses a Content-Range; ok is false where there is none. The form
// of HTTP, bytes START-END/TOTAL, is known too.
func parseContentRange(s string) (r contentRange, ok bool, bad *Error) {
	if s == "" {
		return r, false, nil
	}
	s = strings.TrimPrefix(s, "bytes ")
	s, _, _ = strings.Cut(s, "/")
	first, last, found := strings.Cut(s, "-")
	start, okStart := parseNumber(first)
	end, okEnd := parseNumber(last)
	if !found || !okStart || !okEnd || end < start || end == 1<<63-1 {
		return r, false, newError(http.StatusBadRequest, registry.CodeBlobUploadInvalid, "the Content-Range is not of the form START-END, with the first and the last byte of the chunk")
	}
	return contentRange{start, end - start + 1}, true, nil
}

// parseNumber parses a number without a sign that fits an int64.
func parseNumber(s string) (int64, bool) {
	if s == "" || s[0] == '+' || s[0] == '-' {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// uploadRange is the Range header of an upload that has size bytes. One that has none
// is 0-0, as registries have it.
func uploadRange(size int64) string {
	return "0-" + strconv.FormatInt(max(0, size-1), 10)
}
