package view

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// LayoutTag is a ref name of index.json, from layout tags.
type LayoutTag struct {
	// Name is the ref name, or with a repository asked for the tag in it.
	Name      string        `json:"name"`
	MediaType string        `json:"media_type"`
	Digest    digest.Digest `json:"digest"`
	Size      int64         `json:"size"`
}

// Repository is a repository in a layout, from layout repos.
type Repository struct {
	Name string `json:"name"`
	Tags int    `json:"tags"`
	// Manifests is the number of entries of index.json that belong to it.
	Manifests int `json:"manifests"`
}

// EntryChange is an entry of index.json that layout tag, untag or rm has changed.
type EntryChange struct {
	// Name is the ref name; empty for an entry that has none.
	Name string `json:"name"`
	// Before is empty for an entry that is new, and After for one that went.
	Before digest.Digest `json:"before,omitempty"`
	After  digest.Digest `json:"after,omitempty"`
	// Spec is the name of the spec that owns the entry, whose next apply brings it back.
	Spec string `json:"spec,omitempty"`
}

// Edit is the result of layout tag, untag and rm.
type Edit struct {
	// Entries are the entries of index.json that are others now.
	Entries []EntryChange `json:"entries"`
	// Referrers is the number of manifests that refer to what was removed, and stay.
	Referrers int `json:"referrers,omitempty"`
}

// TagsReport lists tags.
func TagsReport(tags []LayoutTag) *Report {
	s := Section{Kind: KindTags}
	for _, t := range tags {
		s.Rows = append(s.Rows, Row{Cells: []Text{{{Nature: NatureSubject, Text: t.Name}}, {{Nature: NatureWholeDigest, Text: string(t.Digest)}}, {Size(t.Size)}, {Name(t.MediaType)}}})
	}
	return &Report{Sections: []Section{s}}
}

// RepositoriesReport lists repositories, and counts the entries that belong to none.
func RepositoriesReport(repos []Repository, others int) *Report {
	s := Section{Kind: KindTags}
	for _, r := range repos {
		s.Rows = append(s.Rows, Row{Cells: []Text{{{Nature: NatureSubject, Text: r.Name}}, {Count(r.Tags, "tag")}, {Count(r.Manifests, "manifest")}}})
	}
	if others > 0 {
		s.Closing = []Text{{entries(others), Words(" of index.json without a repository in the name; --default-repo gives them one.")}}
	}
	return &Report{Sections: []Section{s}}
}

// ReferrersReport lists the manifests that refer to another one.
func ReferrersReport(list []ocispec.Descriptor) *Report {
	s := Section{Kind: KindTags}
	for _, d := range list {
		s.Rows = append(s.Rows, Row{Cells: []Text{{{Nature: NatureWholeDigest, Text: string(d.Digest)}}, {Size(d.Size)}, {Name(d.ArtifactType)}}})
	}
	return &Report{Sections: []Section{s}}
}

// ResolvedReport is the digest of an image alone, for other commands to take.
func ResolvedReport(d *ocispec.Descriptor) *Report {
	return &Report{Sections: []Section{{Kind: KindTags, Closing: []Text{{{Nature: NatureWholeDigest, Text: string(d.Digest)}}}}}}
}

// EditReport reports which entries of index.json are others now.
func EditReport(e *Edit) *Report {
	s := Section{Kind: KindTags}
	for _, c := range e.Entries {
		row := Row{Mark: MarkChanged, Cells: []Text{{{Nature: NatureSubject, Text: refName(c.Name).Text}}}}
		after := Text{{Nature: NatureWholeDigest, Text: string(c.After)}}
		switch {
		case c.Before == "":
			row.Mark = MarkAdded
		case c.After == "":
			row.Mark, after = MarkRemoved, Text{{Nature: NatureWholeDigest, Text: string(c.Before)}}
		default:
			row.Notes = []Text{{Words("before: "), {Nature: NatureWholeDigest, Text: string(c.Before)}}}
		}
		row.Cells = append(row.Cells, after)
		if c.Spec != "" {
			row.Notes = append(row.Notes, Text{{Nature: NatureCaution, Text: "note:"}, Words(" it belongs to the spec "), Name(c.Spec), Words(", whose next apply brings it back")})
		}
		s.Rows = append(s.Rows, row)
	}
	if len(e.Entries) == 0 {
		s.Closing = []Text{{Words("Nothing to change.")}}
	}
	if e.Referrers > 0 {
		s.Closing = []Text{{Words("What refers to it stays ("), Count(e.Referrers, "manifest"), Words("), and keeps its blobs; --referrers removes that as well.")}}
	}
	return &Report{Sections: []Section{s}}
}
