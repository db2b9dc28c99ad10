package planner

import (
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/spec"
)

// FormatVersion is the version of the plan's JSON form. Readers accept this
// version alone; members may be added without changing it.
const FormatVersion = 1

// Plan is what has to change, why, and all that it was made from.
type Plan struct {
	FormatVersion int `json:"format_version"`
	// Spec is what the plan was made from; applying the plan reads no spec file.
	Spec Record `json:"spec"`
	// Options are the options of Diff that the plan was made with.
	Options Options `json:"options"`
	// Layout is the layout that the plan was made against.
	Layout LayoutRecord `json:"layout"`
	// TakenOver is the place, relative to the layout, from which the spec put there
	// what this one takes over; empty where both have one place.
	TakenOver string `json:"taken_over,omitempty"`
	// Bases are the images that the spec's bases stand for.
	Bases []BaseRecord `json:"bases,omitempty"`
	// Changes has one element for every object, unchanged ones included: in the
	// order in which they are built, then what is deleted.
	Changes []Change `json:"changes"`
	// Tags are the entries of index.json that the spec asks for, unchanged ones
	// included, then those that it no longer asks for.
	Tags []TagChange `json:"tags,omitempty"`
	// Sweep are the blobs that go once index.json has its new entries, sorted by
	// digest. Apply deletes no other, and none that turns out to be in use.
	Sweep []SweptBlob `json:"sweep,omitempty"`
	// Kept is the number of blobs that would go as well, but stay: a document of the
	// layout is lost or damaged, and may need them. A later plan sweeps them.
	Kept int `json:"kept,omitempty"`
	// Drift is what somebody else changed in the layout since the last apply.
	Drift []Drift `json:"drift,omitempty"`
	// Outputs are the output values.
	Outputs []OutputChange `json:"outputs,omitempty"`
	// Archives are the changes of tars of the layout.
	Archives []ArchiveChange `json:"archives,omitempty"`
	// Recover is set when an earlier apply left work behind: blobs that nothing
	// refers to yet, or a sweep that was not finished, because it was interrupted or
	// because another tool wrote index.json during it. Applying the plan finishes
	// it, even where nothing else changes.
	Recover bool `json:"recover,omitempty"`
	// LeftOut is the number of objects, described or still in the layout, that
	// Options.Targets leave out.
	LeftOut int `json:"left_out,omitempty"`
	// Warnings are notes for the reader, one sentence each.
	Warnings []string `json:"warnings,omitempty"`
	Summary  Summary  `json:"summary"`
}

// Record is all that a plan keeps of its spec.
type Record struct {
	// Name is the spec's name, "default" unless the spec says otherwise.
	Name string `json:"name"`
	// Dir is the spec's directory as it was given, relative to the working
	// directory unless it is absolute; empty for the working directory itself. In a
	// plan file it is relative to the directory of that file.
	Dir string `json:"dir,omitempty"`
	// File is the one spec file that was loaded; empty when all spec files of
	// the directory were.
	File string `json:"file,omitempty"`
	// Sources are the spec's files, verbatim.
	Sources []spec.Source `json:"sources"`
	// Variables are the values of the variables.
	Variables []spec.Variable `json:"variables,omitempty"`
	// Inputs are the files that functions read.
	Inputs []spec.Input `json:"inputs,omitempty"`
	// Epoch is SOURCE_DATE_EPOCH in seconds, nil where it was not set.
	Epoch *int64 `json:"source_date_epoch,omitempty"`
	// Encoding is the encoding version of layers.
	Encoding string `json:"encoding"`
}

// LayoutRecord is the state of the layout that a plan was made against.
type LayoutRecord struct {
	// Path is the layout's path as the spec gives it.
	Path string `json:"path"`
	// Index is the digest of index.json, empty where there is none.
	Index digest.Digest `json:"index,omitempty"`
	// Stage is the digest of the spec's staging state, empty where there is none.
	Stage digest.Digest `json:"stage,omitempty"`
}

// Options shape a plan.
type Options struct {
	// Targets limits the plan to these objects and what they need. An address
	// without a key stands for all instances of its block.
	Targets []string `json:"targets,omitempty"`
	// Replace rebuilds these objects even where nothing changed.
	Replace []string `json:"replace,omitempty"`
	// Destroy plans the removal of all that the spec owns.
	Destroy bool `json:"destroy,omitempty"`
	// Adopt takes over tags that the spec names and that stand in the layout
	// without belonging to any spec.
	Adopt bool `json:"adopt,omitempty"`
	// TakeOver takes over what a spec of the same name put into the layout from
	// another directory or file, as when the spec moved.
	TakeOver bool `json:"take_over,omitempty"`
	// TakeOverSpec takes over all that the spec of this name has in the layout, as
	// when the name of the spec changed. Empty for none.
	TakeOverSpec string `json:"take_over_spec,omitempty"`
}

// Action is what happens to an object. Its value is its name in JSON.
type Action string

// The actions of a plan.
const (
	NoOp    Action = "no-op"
	Create  Action = "create"
	Update  Action = "update"
	Replace Action = "replace"
	Delete  Action = "delete"
	// Forget: an entry of index.json is no longer the spec's, and what is there in
	// its place stays.
	Forget Action = "forget"
	// Import: what is in the layout already becomes the spec's, and stays as it is.
	Import Action = "import"
)

// Symbol is the mark that stands before a change in the human view.
func (a Action) Symbol() string {
	switch a {
	case Create:
		return "+"
	case Update:
		return "~"
	case Replace:
		return "-/+"
	case Delete:
		return "-"
	case Forget:
		return "."
	case Import:
		return "="
	}
	return " "
}

// Change is what happens to one object.
type Change struct {
	// Address is the object's address, as String gives it.
	Address string `json:"address"`
	// Use is set for a config that manifests with different layers share: the
	// address of the first manifest of this use.
	Use    string    `json:"use,omitempty"`
	Kind   spec.Kind `json:"kind"`
	Action Action    `json:"action"`
	// Place is the file and line of the object's block; empty for a deletion.
	Place string `json:"place,omitempty"`
	// Before is nil for a creation, After for a deletion.
	Before *State `json:"before,omitempty"`
	After  *State `json:"after,omitempty"`
	// Reasons say why the object changes; empty for a no-op.
	Reasons []Reason `json:"reasons,omitempty"`
	// Fields are the values that change.
	Fields []FieldChange `json:"fields,omitempty"`
	// Files are the files of a layer that change.
	Files []FileChange `json:"files,omitempty"`
	// Needs are the keys of the objects that this one is built from.
	Needs []string `json:"needs,omitempty"`
	// Write is set when the object's blob is built; without it only what leads
	// to the blob changes, or a blob that stands there already is taken.
	Write bool `json:"write,omitempty"`
	// Implied are the blobs beside the object's own that it refers to and that
	// have to be written: the content of the empty descriptor.
	Implied []digest.Digest `json:"implied,omitempty"`
}

// Key names the change in the plan and in the staging state: the text of the
// addr.ID of its address and use.
func (c Change) Key() string {
	if c.Use == "" {
		return c.Address
	}
	return c.Address + " for " + c.Use
}

// State is an object on one side of a change.
type State struct {
	MediaType string `json:"media_type,omitempty"`
	// Digest is empty when it is known after apply; Size and DiffID are then
	// unknown with it, except a DiffID that stays.
	Digest digest.Digest `json:"digest,omitempty"`
	Size   int64         `json:"size,omitempty"`
	DiffID digest.Digest `json:"diff_id,omitempty"`
	// Fingerprint covers everything that decides the object's bytes; empty when
	// something of that is known after apply.
	Fingerprint digest.Digest `json:"fingerprint,omitempty"`
	// Content is the number of bytes that go into a layer, in the form that Form
	// says: those of the tar of a tree, or of the file that is used.
	Content int64 `json:"content,omitempty"`
	// Form says how Content becomes the blob; empty for what is no layer and where
	// it is not known, as for what an earlier apply built.
	Form Form `json:"form,omitempty"`
	// FileBytes is the number of bytes in the files of a layer's tree: its tar has
	// headers and padding besides. 0 where they are not known.
	FileBytes int64 `json:"file_bytes,omitempty"`
	// Entries is the number of entries of a layer's tree.
	Entries int `json:"entries,omitempty"`
	// Unplaced is set on a layer whose base has layers that only apply reads: where
	// its entries come to lie, and what mode and owner their parents have, is known then.
	Unplaced bool `json:"unplaced,omitempty"`
	// Fields are the values that the object is made of.
	Fields []spec.Field `json:"fields,omitempty"`
	// Inherited are the values that a config takes over from its base.
	Inherited []spec.Field `json:"inherited,omitempty"`
}

// Form says how the content of a layer becomes its blob.
type Form string

// The forms of a layer.
const (
	// FormTree: a tar is made of files, and compressed.
	FormTree Form = "tree"
	// FormTar: a tar is made of files, and not compressed.
	FormTar Form = "tar"
	// FormFile: a file is the blob, byte for byte.
	FormFile Form = "file"
	// FormPlain: an archive that is not compressed is compressed.
	FormPlain Form = "plain"
	// FormConverted: a compressed archive is decompressed, and compressed anew
	// unless the layer is not compressed.
	FormConverted Form = "converted"
)

// ReasonKind says of what nature a reason is.
type ReasonKind string

// The reasons for a change.
const (
	// ReasonNew: the layout does not hold the object yet.
	ReasonNew ReasonKind = "new"
	// ReasonImported: the layout has the object without its being the spec's.
	ReasonImported ReasonKind = "imported"
	// ReasonDiffers: a document that an import block names means something else.
	ReasonDiffers ReasonKind = "differs"
	// ReasonGone: the spec no longer describes the object.
	ReasonGone ReasonKind = "gone"
	// ReasonFiles: files of the layer differ; see Change.Files.
	ReasonFiles ReasonKind = "files"
	// ReasonFields: values of the object differ; see Change.Fields.
	ReasonFields ReasonKind = "fields"
	// ReasonCause: an object that this one is built from changes; see Reason.Cause.
	ReasonCause ReasonKind = "cause"
	// ReasonDrift: the layout no longer holds what the last apply put there.
	ReasonDrift ReasonKind = "drift"
	// ReasonRequested: the user asked for a replacement.
	ReasonRequested ReasonKind = "requested"
	// ReasonEncoding: a new encoding version, not the content, changes the bytes.
	ReasonEncoding ReasonKind = "encoding"
	// ReasonUnknown: the content depends on an object that is not built yet.
	ReasonUnknown ReasonKind = "unknown"
)

// Reason is one reason for a change.
type Reason struct {
	Kind ReasonKind `json:"kind"`
	// Cause is the key of the change that this one follows from.
	Cause string `json:"cause,omitempty"`
	// Text says the reason in words.
	Text string `json:"text"`
}

// FieldChange is one value that changes.
type FieldChange struct {
	// Path is the attribute path in the spec's words.
	Path string `json:"path"`
	// Before and After are empty where the value was not or will not be set.
	Before spec.JSON `json:"before,omitempty"`
	After  spec.JSON `json:"after,omitempty"`
	// Unknown is set when After is known after apply.
	Unknown bool `json:"unknown,omitempty"`
	// Sensitive is set when Before and After are withheld.
	Sensitive bool `json:"sensitive,omitempty"`
}

// FileChange is one entry of a layer that changes.
type FileChange struct {
	// Path is absolute and clean, as the entry's is in the image.
	Path   layer.Bytes `json:"path"`
	Action Action      `json:"action"`
	// What lists which properties of an updated entry differ.
	What []layer.Property `json:"what,omitempty"`
	// Before is nil for a created entry, After for a deleted one. Digests of
	// content are given where What has it, unless the content of a file of the layer is sensitive.
	// Changes may share them: they are not to be written to.
	Before *layer.Properties `json:"before,omitempty"`
	After  *layer.Properties `json:"after,omitempty"`
	// Unknown is set when the content is known after apply; After then has
	// neither its size nor its digest.
	Unknown bool `json:"unknown,omitempty"`
}

// OutputChange is one output value.
type OutputChange struct {
	Name   string `json:"name"`
	Action Action `json:"action"`
	// Before and After are withheld when Sensitive.
	Before    spec.JSON `json:"before,omitempty"`
	After     spec.JSON `json:"after,omitempty"`
	Unknown   bool      `json:"unknown,omitempty"`
	Sensitive bool      `json:"sensitive,omitempty"`
}

// Counts are numbers of objects by what happens to them.
type Counts struct {
	Add     int `json:"add"`
	Change  int `json:"change"`
	Destroy int `json:"destroy"`
	// Import counts what is taken over as it is.
	Import int `json:"import,omitempty"`
}

// Count adds one action.
func (c *Counts) Count(a Action) {
	switch a {
	case Create:
		c.Add++
	case Update:
		c.Change++
	case Delete:
		c.Destroy++
	case Import:
		c.Import++
	case Replace:
		c.Add++
		c.Destroy++
	}
}

// Summary counts what a plan does.
type Summary struct {
	Counts
	// WriteBlobs is the number of blobs that come into the layout, and WriteContent
	// the number of bytes that go into those of layers: the sum of State.Content.
	WriteBlobs   int   `json:"write_blobs"`
	WriteContent int64 `json:"write_content"`
	// Entries counts what happens to entries of index.json.
	Entries Counts `json:"entries"`
	// DeleteBlobs and DeleteBytes sum up Plan.Sweep.
	DeleteBlobs int   `json:"delete_blobs"`
	DeleteBytes int64 `json:"delete_bytes"`
}

// Empty reports whether the layout holds what the spec describes.
func (p *Plan) Empty() bool {
	for _, c := range p.Changes {
		if c.Action != NoOp {
			return false
		}
	}
	for _, t := range p.Tags {
		if t.Action != NoOp {
			return false
		}
	}
	for _, o := range p.Outputs {
		if o.Action != NoOp {
			return false
		}
	}
	for _, a := range p.Archives {
		if a.Action != NoOp {
			return false
		}
	}
	for _, d := range p.Drift {
		if d.Kind == DriftNoLayout {
			return false
		}
	}
	return p.TakenOver == "" && p.Options.TakeOverSpec == ""
}
