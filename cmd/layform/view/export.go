package view

import "github.com/opencontainers/go-digest"

// Export is a layout that was written as a tar.
type Export struct {
	Layout string `json:"layout"`
	File   string `json:"file"`
	// Digest and Size are those of the tar.
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
	// Entries is the number of entries of its index.json.
	Entries int `json:"entries"`
}

// ExportReport reports which tar was written.
func ExportReport(e *Export) *Report {
	s := Section{Kind: KindTags}
	s.Closing = []Text{
		{Words("Wrote "), Name(e.File), Words(" ("), Size(e.Size), Words(") with "), entries(e.Entries), Words(" of "), Name(e.Layout), Words(".")},
		{Words("Digest: "), {Nature: NatureWholeDigest, Text: string(e.Digest)}},
	}
	return &Report{Sections: []Section{s}}
}

// entries counts entries of index.json.
func entries(n int) Span {
	if n == 1 {
		return Words("1 entry")
	}
	return Words(number(n).Text + " entries")
}
