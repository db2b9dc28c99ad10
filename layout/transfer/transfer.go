package transfer

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Fetcher reads content. A caller that reads it to io.EOF has the bytes that the
// descriptor names; the error is errdef.ErrNotFound where there is none. The caller
// closes the reader.
type Fetcher interface {
	Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error)
}

// ReferrerLister lists the manifests whose subject is the given one. The first
// error ends the list.
type ReferrerLister interface {
	Referrers(ctx context.Context, subject ocispec.Descriptor) iter.Seq2[ocispec.Descriptor, error]
}

// Source is where a graph is read.
type Source interface {
	Fetcher
	ReferrerLister
}

// Writer takes content, in the order in which it is needed.
type Writer interface {
	// Has reports what is there in the place of desc.
	Has(ctx context.Context, desc ocispec.Descriptor) (Presence, error)
	// PutBlob stores a blob, which open gives as often as it takes. Where from names
	// another repository of the same registry, a mount from there is tried first.
	PutBlob(ctx context.Context, desc ocispec.Descriptor, open func() (io.ReadCloser, error), from string) (mounted bool, err error)
	// PutManifest stores a manifest, whose content is there already. The error is a
	// *MissingError if some of that is not.
	PutManifest(ctx context.Context, desc ocispec.Descriptor, data []byte) error
	// Flush makes durable what was put, which may wait for it until then. It is called
	// after the last of it, also when something failed.
	Flush(ctx context.Context) error
}

// Publisher gives names to content.
type Publisher interface {
	// Resolve finds the descriptor of a tag. The error is errdef.ErrNotFound if it does
	// not exist.
	Resolve(ctx context.Context, tag string) (ocispec.Descriptor, error)
	// Commit makes referrers found and tags named, once, after all content.
	Commit(ctx context.Context, c Commit) error
}

// Destination is where a graph is written.
type Destination interface {
	ReferrerLister
	Writer
	Publisher
}

// Presence is whether a destination has content.
type Presence string

// The presences.
const (
	Absent  Presence = "absent"
	Present Presence = "there"
	// Checked: the manifest is there, and the destination took it only because it
	// had the blobs in it.
	Checked Presence = "there with its blobs"
)

// Commit is the last step of a transfer: the roots to tag and the referrers to
// register.
type Commit struct {
	Roots []Root
	// Manifests holds the bytes of the roots.
	Manifests map[digest.Digest][]byte
	Referrers []Referrer
	// Content are the descriptors that the roots and referrers lead to and that have to
	// exist.
	Content []ocispec.Descriptor
}

// Root is an image, index or artifact, with the tags that it gets.
type Root struct {
	Descriptor ocispec.Descriptor `json:"descriptor"`
	// Was is the digest at the source, where a choice of platforms made another root.
	Was  digest.Digest `json:"was,omitempty"`
	Tags []Tag         `json:"tags"`
}

// Tag is a name at the destination. Diff fills in Have and Action.
type Tag struct {
	Name   string        `json:"name"`
	Have   digest.Digest `json:"have,omitempty"`
	Action TagAction     `json:"action"`
}

// TagAction is the change of a tag.
type TagAction string

// The actions: the tag is right already, is made, or is moved from another digest.
const (
	TagKept  TagAction = "there"
	TagMade  TagAction = "new"
	TagMoved TagAction = "moved"
)

// Referrer is a manifest with its subject.
type Referrer struct {
	Descriptor ocispec.Descriptor `json:"descriptor"`
	Subject    ocispec.Descriptor `json:"subject"`
	// Nested: an index of the plan holds it, too.
	Nested bool `json:"nested,omitempty"`
}

// Options choose what Diff plans. The zero value copies the roots alone.
type Options struct {
	// Platforms are the entries that are kept of a root that is an index. A platform
	// without a variant takes every variant.
	Platforms []ocispec.Platform
	// Referrers takes along what refers to the roots, to their manifests, and to
	// these referrers.
	Referrers bool
	// Attached gives the images that belong to a manifest by their tags alone, as
	// signatures do that are older than referrers: they come along as roots, where
	// Referrers is set. It may be nil.
	Attached func(ctx context.Context, manifest digest.Digest) ([]Root, error)
	// NoClobber makes a tag that names something else a *ClobberError.
	NoClobber bool
	// Verify asks for each blob, also those of manifests that the destination has.
	Verify bool
	// MountFrom is a repository of the destination's registry from which blobs are
	// mounted. Empty is none.
	MountFrom string
	// Homes are blobs that other repositories of the destination's registry have, and from
	// which they are mounted.
	Homes map[digest.Digest]string
	// Inspect is how closely blobs that are to be brought are looked at in the source.
	Inspect Inspection
	// Local is asked for manifests before the source is. It may be nil.
	Local Fetcher
	// Parallelism is the number of requests at a time; 0 is 4.
	Parallelism int
}

// Inspection is how closely Diff looks at the blobs that a source is to give. One that
// is missing or torn is an error then, before anything is written.
type Inspection int

// The inspections: none, as for a registry, whose blobs are verified while they come;
// that each can be opened and has its length; that each has its digest.
const (
	NoInspection Inspection = iota
	InspectLength
	InspectContent
)

// ExecuteOptions shape Execute.
type ExecuteOptions struct {
	// Parallelism is the number of blobs or manifests at a time; 0 is 4.
	Parallelism int
	// Event is called by several goroutines at a time. It may be nil.
	Event func(Event)
}

// Event is a report of progress.
type Event struct {
	Kind       EventKind
	Descriptor ocispec.Descriptor
	Action     Action
	// Bytes are those of the content that have been read so far; a blob that is sent
	// again begins at 0 again.
	Bytes int64
}

// EventKind is the type of an Event.
type EventKind string

// The kinds of events.
const (
	EventProgress EventKind = "progress" // some bytes of a blob are on their way
	EventDone     EventKind = "done"     // a blob or manifest is there
)

// parallelism is the default number of requests at a time.
const parallelism = 4

// MissingError says that a destination refused a manifest for want of content.
type MissingError struct {
	Missing []digest.Digest
	Err     error
}

// Error is the message of Err.
func (e *MissingError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *MissingError) Unwrap() error { return e.Err }

// ClobberError says that a tag, which must not be moved, names something else.
type ClobberError struct {
	Tag        string
	Have, Want digest.Digest
}

// Error names the tag and what to do.
func (e *ClobberError) Error() string {
	return fmt.Sprintf("the tag %s is %s already, not %s, and is not to be moved; use another tag, or allow it to move", e.Tag, e.Have, e.Want)
}

// MovedError says that a tag changed between Diff and Execute.
type MovedError struct {
	Tag        string
	Have, Seen digest.Digest
}

// Error names the tag and what to do.
func (e *MovedError) Error() string {
	name := func(d digest.Digest) string {
		if d == "" {
			return "absent"
		}
		return string(d)
	}
	return fmt.Sprintf("the tag %s is %s now and was %s when the copy began; no tag was written. Run the command again", e.Tag, name(e.Have), name(e.Seen))
}
