package view

import (
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/transfer"
)

// Transfer is the result of push, pull and copy, or with --dry-run their plan.
type Transfer struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	DryRun      bool   `json:"dry_run"`
	// Roots are the images, each with its tags at the destination.
	Roots   []transfer.Root  `json:"roots"`
	Summary transfer.Summary `json:"summary"`
	// Steps are all blobs and manifests of a dry run.
	Steps []transfer.Step `json:"steps,omitempty"`
	// Requests is the number of requests that were sent to registries.
	Requests int64 `json:"requests"`
	// Files are the files of pull --extract.
	Files []string `json:"files,omitempty"`
}

// TransferReport reports what a transfer did or would do.
func TransferReport(t *Transfer) *Report {
	verb := "Copied "
	if t.DryRun {
		verb = "Would copy "
	}
	s := Section{Kind: KindEntries, Title: Text{Words(verb), Name(t.Source), Words(" to "), Name(t.Destination), Words(":")}}
	for _, root := range t.Roots {
		for _, tag := range root.Tags {
			row := Row{Mark: tagMark(tag.Action), Cells: []Text{
				{{Nature: NatureSubject, Text: tag.Name}}, {Words(string(tag.Action))}, {{Nature: NatureWholeDigest, Text: string(root.Descriptor.Digest)}},
			}}
			row.Notes = append(row.Notes, rootNotes(root, tag.Have)...)
			s.Rows = append(s.Rows, row)
		}
		if len(root.Tags) == 0 {
			s.Rows = append(s.Rows, Row{Mark: MarkKept, Cells: []Text{
				{{Nature: NatureStrong, Text: refName("").Text}}, {}, {{Nature: NatureWholeDigest, Text: string(root.Descriptor.Digest)}},
			}, Notes: rootNotes(root, "")})
		}
	}
	sum := t.Summary
	verb = "Sent "
	if t.DryRun {
		verb = "Would send "
	}
	s.Closing = []Text{
		{
			Words(verb), Count(sum.Upload.Count, "object"), Words(" ("), Size(sum.Upload.Bytes), Words("), mounted "),
			number(sum.Mount.Count), Words(" ("), Size(sum.Mount.Bytes), Words("); there already: "),
			number(sum.There.Count), Words(" ("), Size(sum.There.Bytes), Words(")."),
		},
		{Count(sum.Referrers, "referrer"), Words(" among them; "), Count(int(t.Requests), "request"), Words(".")},
	}
	return &Report{Sections: []Section{s}}
}

// rootNotes are the notes about a root: the digest that a tag had before, and that of a
// choice of platforms.
func rootNotes(root transfer.Root, have digest.Digest) []Text {
	var notes []Text
	if have != "" && have != root.Descriptor.Digest {
		notes = append(notes, Text{Words("(was "), Digest(have), Words(")")})
	}
	if root.Was != "" {
		notes = append(notes, Text{Words("(a choice of platforms of "), Digest(root.Was), Words(")")})
	}
	return notes
}

func tagMark(a transfer.TagAction) Mark {
	switch a {
	case transfer.TagMade:
		return MarkAdded
	case transfer.TagMoved:
		return MarkChanged
	}
	return MarkKept
}

// ExtractReport reports which files of an artifact were written.
func ExtractReport(t *Transfer) *Report {
	s := Section{Kind: KindTags}
	for _, name := range t.Files {
		s.Rows = append(s.Rows, Row{Mark: MarkAdded, Cells: []Text{{Name(name)}}})
	}
	closing := Text{Words("Wrote "), Count(len(t.Files), "file"), Words(" of "), Name(t.Source), Words(" into "), Name(t.Destination), Words(".")}
	s.Closing = []Text{closing}
	for _, root := range t.Roots {
		s.Closing = append(s.Closing, Text{Words("Digest: "), {Nature: NatureWholeDigest, Text: string(root.Descriptor.Digest)}})
	}
	return &Report{Sections: []Section{s}}
}
