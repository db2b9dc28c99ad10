// Package stage keeps what layform remembers beside a layout, in its folder
// .layform: the staging state of each spec, the tables of contents of layers,
// and the stat cache. Losing any of it costs time, never correctness.
package stage

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Stage is the staging state of one spec in one layout.
type Stage struct {
	Version int    `json:"version"`
	Spec    string `json:"spec"`
	// Dir is where the spec lies, as Place gives it; empty in a state of a version
	// that did not know it.
	Dir string `json:"dir,omitempty"`
	// Salt is a random text under which sensitive values are sealed; see Seal. Empty
	// in a state that keeps none, or of a version that knew no salt.
	Salt string `json:"salt,omitempty"`
	// Serial grows by one with every write.
	Serial int64 `json:"serial"`
	// State is Pending around the swap of index.json and Done after it.
	State State `json:"state"`
	// Before and After are the digests of index.json before and after the swap;
	// empty for a layout that had none.
	Before digest.Digest `json:"index_before,omitempty"`
	After  digest.Digest `json:"index_after,omitempty"`
	// Objects are the objects that the layout holds for the spec, by the key of
	// their change in the plan.
	Objects map[string]Object `json:"objects"`
	// Tags are the ref names of index.json that the spec owns, with the
	// descriptor that each was given.
	Tags map[string]ocispec.Descriptor `json:"tags,omitempty"`
	// Untagged are the owned descriptors of index.json without a ref name.
	Untagged []ocispec.Descriptor `json:"untagged,omitempty"`
	// Blobs are the blobs that layform itself put into the layout for the spec.
	// A blob that was there before is never owned. Sorted.
	Blobs []digest.Digest `json:"blobs,omitempty"`
	// Outputs are the spec's output values as of the last apply.
	Outputs map[string]Output `json:"outputs,omitempty"`
	// Archive is the tar of the layout that the last apply wrote; nil for none.
	Archive *Archive `json:"archive,omitempty"`
	// From is the name of the spec whose state this one was, which goes once the swap
	// has happened: see Claim.
	From string `json:"from,omitempty"`
	// Was is the state before a swap that has not been confirmed, set while
	// State is Pending. A spec that takes over the state of another one has none.
	Was *Stage `json:"was,omitempty"`
}

// Archive is a tar of the layout that an apply wrote.
type Archive struct {
	// Path is relative to the layout and slash-separated; see ArchivePlace.
	Path   string        `json:"path"`
	Digest digest.Digest `json:"digest"`
	Size   int64         `json:"size"`
	// Index is the digest of the index.json that it holds, as layout.Index gives it.
	Index digest.Digest `json:"index,omitempty"`
}

// State says on which side of the swap of index.json a Stage was written.
type State string

// A stage is written as Pending before the swap and as Done after it.
const (
	Pending State = "pending"
	Done    State = "done"
)

// Object is the record of the last build of one address.
type Object struct {
	// Fingerprint covers everything that decides the object's bytes.
	Fingerprint digest.Digest      `json:"fingerprint"`
	Descriptor  ocispec.Descriptor `json:"descriptor"`
	// DiffID is the digest of the uncompressed tar; layers alone have one.
	DiffID digest.Digest `json:"diff_id,omitempty"`
	// Raw is what Fingerprint would be with nothing below the layer, and Below
	// identifies what is; empty for all but layers that are made of blocks and have
	// others below them.
	Raw   digest.Digest `json:"raw,omitempty"`
	Below digest.Digest `json:"below,omitempty"`
	// Encoding names the rule that turned a layer's entries into bytes, with
	// algorithm and level: layform/1 gzip-6.
	Encoding string `json:"encoding,omitempty"`
	// Content is the number of bytes that went into a layer: of the tar, or of the
	// file that is used as it is. Entries is the number of entries of a tree.
	Content int64 `json:"content,omitempty"`
	Entries int   `json:"entries,omitempty"`
	// Fields are the values that the object was made of, by path, as canonical
	// JSON. A sensitive one is left out and stands in Sensitive as Seal gives it.
	Fields    map[string]string `json:"fields,omitempty"`
	Sensitive map[string]string `json:"sensitive,omitempty"`
	// ContentSensitive is set for a layer of which a file has sensitive content: its
	// digest is shown to nobody, for a short content could be guessed by it.
	ContentSensitive bool `json:"content_sensitive,omitempty"`
	// Imported is set for a document that was in the layout, and stays as somebody else
	// wrote it.
	Imported bool `json:"imported,omitempty"`
	// Needs are the keys of the objects that this one was built from.
	Needs []string `json:"needs,omitempty"`
	// Implied are the blobs that the object refers to without an object being
	// behind them: the content of the empty descriptor.
	Implied []ocispec.Descriptor `json:"implied,omitempty"`
	// Remote are the blobs that the object refers to and that stay in registries, with
	// their repositories, HOST/REPOSITORY.
	Remote map[digest.Digest]string `json:"remote,omitempty"`
}

// Output is one output value.
type Output struct {
	// Value is JSON. Of a sensitive value it is what Seal gives.
	Value       string `json:"value"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Description string `json:"description,omitempty"`
}

// Nothing reports whether the staging state keeps nothing that is in the layout.
func (s *Stage) Nothing() bool {
	return len(s.Objects) == 0 && len(s.Blobs) == 0 && len(s.Tags) == 0 && len(s.Untagged) == 0 && len(s.Outputs) == 0 && s.Archive == nil
}
