package view

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/layout/repair"
	"github.com/layform/layform/layout/validate"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// FormatVersion is the version of Document. Members may be added without
// changing it; readers ignore those that they do not know.
const FormatVersion = 1

// Type says which of a Document's members is its result.
type Type string

// The types of documents. One of type TypeDiagnostics has no result: the
// command went wrong, or its result is its diagnostics, as for validate.
const (
	TypePlan         Type = "plan"
	TypeApply        Type = "apply"
	TypeState        Type = "state"
	TypeOutputs      Type = "outputs"
	TypeLayout       Type = "layout"
	TypeFindings     Type = "findings"
	TypeContents     Type = "contents"
	TypeGC           Type = "gc"
	TypeRepair       Type = "repair"
	TypeFiles        Type = "files"
	TypeDiff         Type = "diff"
	TypeImport       Type = "import"
	TypeTransfer     Type = "transfer"
	TypeLock         Type = "lock"
	TypeExport       Type = "export"
	TypeTags         Type = "tags"
	TypeRepositories Type = "repositories"
	TypeReferrers    Type = "referrers"
	TypeDescriptor   Type = "descriptor"
	TypeEdit         Type = "edit"
	TypeSpecEdit     Type = "spec_edit"
	TypeServing      Type = "serving"
	TypeVersion      Type = "version"
	TypeDiagnostics  Type = "diagnostics"
)

// Document is the output of a command with --json: exactly one, on standard output,
// whether the command succeeds or not.
type Document struct {
	FormatVersion int  `json:"format_version"`
	Type          Type `json:"type"`
	// OK is false when the command exits with 1.
	OK bool `json:"ok"`
	// Diagnostics are errors and warnings.
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`

	// Plan is the plan of plan, show FILE and apply, and that which an import leaves to apply.
	Plan *planner.Plan `json:"plan,omitempty"`
	// Apply is the result of apply and destroy.
	Apply *Done `json:"apply,omitempty"`
	// State is a spec's part of the layout, from show and status.
	State *State `json:"state,omitempty"`
	// Outputs are output values, from output.
	Outputs []Output `json:"outputs,omitempty"`
	// Layout is the result of layout show.
	Layout *Layout `json:"layout,omitempty"`
	// Findings are the result of layout validate.
	Findings []validate.Finding `json:"findings,omitempty"`
	// Contents are the files of an image, from layout ls.
	Contents []File `json:"contents,omitempty"`
	// GC is the result of layout gc, or with --dry-run its plan.
	GC *layout.GCResult `json:"gc,omitempty"`
	// Repair is the result of layout repair, or with --dry-run its plan.
	Repair []repair.Mended `json:"repair,omitempty"`
	// Files are the spec files that fmt changed or would change, and the file
	// that init wrote.
	Files []string `json:"files,omitempty"`
	// Diff is the result of layout diff.
	Diff *ImageDiff `json:"diff,omitempty"`
	// Import is the result of import, or with --dry-run what it would be.
	Import *Import `json:"import,omitempty"`
	// Transfer is the result of push, pull and copy, or with --dry-run their plan.
	Transfer *Transfer `json:"transfer,omitempty"`
	// Export is the tar that layout export wrote.
	Export *Export `json:"export,omitempty"`
	// Tags are the result of layout tags.
	Tags []LayoutTag `json:"tags,omitempty"`
	// Repositories are the result of layout repos.
	Repositories []Repository `json:"repositories,omitempty"`
	// Referrers are the result of layout referrers.
	Referrers []ocispec.Descriptor `json:"referrers,omitempty"`
	// Descriptor is the result of layout resolve.
	Descriptor *ocispec.Descriptor `json:"descriptor,omitempty"`
	// Edit is the result of layout tag, untag and rm, and the entries that layout gc
	// --untagged has removed or, with --dry-run, would remove.
	Edit *Edit `json:"edit,omitempty"`
	// SpecEdit is what a command that edits the spec changes.
	SpecEdit *SpecEdit `json:"spec_edit,omitempty"`
	// Lock is the result of lock and outdated.
	Lock *Lock `json:"lock,omitempty"`
	// Serving is what serve serves, once it listens.
	Serving *Serving `json:"serving,omitempty"`
	// Version is the result of version.
	Version *Version `json:"version,omitempty"`
}

// JSON writes the document with indentation and a line feed at its end. Lists
// without elements are [], never null. What a terminal could act on is written as
// \u escapes, beyond those that JSON asks for.
func JSON(w io.Writer, d Document) error {
	d.FormatVersion = FormatVersion
	return printTo(w, d)
}

// printTo writes JSON as it is encoded, for a document may have hundreds of thousands
// of lines.
func printTo(w io.Writer, v any) error {
	out := bufio.NewWriter(w)
	return errors.Join(jsondoc.Print(printable.JSON(out), v), out.Flush())
}

// Done is the result of an apply; after an error, as far as it got.
type Done struct {
	Added     int `json:"added"`
	Changed   int `json:"changed"`
	Destroyed int `json:"destroyed"`
	Imported  int `json:"imported,omitempty"`
	// Entries counts the entries of index.json that were added, changed and removed.
	Entries planner.Counts `json:"entries"`
	// WrittenBlobs are the blobs that were put into the layout, DeletedBlobs
	// those that were removed from it.
	WrittenBlobs int   `json:"written_blobs"`
	WrittenBytes int64 `json:"written_bytes"`
	DeletedBlobs int   `json:"deleted_blobs"`
	DeletedBytes int64 `json:"deleted_bytes"`
	// Archive is the tar of the layout that was written.
	Archive *executor.Archive `json:"archive,omitempty"`
	// Unswept is set when another tool wrote index.json meanwhile, so that the blobs
	// that nothing refers to any more stay until the next apply.
	Unswept bool `json:"unswept,omitempty"`
	// KeptBlobs are the blobs that were to be deleted and stay, since a document of
	// the layout is lost or damaged and may need them.
	KeptBlobs int                `json:"kept_blobs,omitempty"`
	Layers    executor.LayerWork `json:"layers"`
	// Objects are the objects that were created, changed or replaced, in the order
	// of the plan; none before index.json was written.
	Objects []Built  `json:"objects"`
	Outputs []Output `json:"outputs,omitempty"`
}

// Built is an object that an apply has brought into the layout.
type Built struct {
	// Key is as in Object.
	Key       string         `json:"key"`
	Action    planner.Action `json:"action"`
	MediaType string         `json:"media_type"`
	Digest    digest.Digest  `json:"digest"`
	Size      int64          `json:"size"`
	DiffID    digest.Digest  `json:"diff_id,omitempty"`
}

// NewDone describes the result of an apply.
func NewDone(r *executor.Result) *Done {
	if r == nil {
		return nil
	}
	a := &Done{
		Added: r.Add, Changed: r.Change, Destroyed: r.Destroy, Imported: r.Import, Entries: r.Entries,
		WrittenBlobs: r.WrittenBlobs, WrittenBytes: r.WrittenBytes,
		DeletedBlobs: r.DeletedBlobs, DeletedBytes: r.DeletedBytes,
		Archive: r.Archive, Unswept: r.Unswept, KeptBlobs: r.Kept, Layers: r.Layers,
	}
	for _, o := range r.Objects {
		a.Objects = append(a.Objects, Built{
			Key: o.Key, Action: o.Action, MediaType: o.Descriptor.MediaType,
			Digest: o.Descriptor.Digest, Size: o.Descriptor.Size, DiffID: o.DiffID,
		})
	}
	for _, o := range r.Outputs {
		a.Outputs = append(a.Outputs, outputOf(o))
	}
	return a
}

// Output is one output value.
type Output struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Value is absent when it is sensitive: no file of the layout holds it.
	Value     json.RawMessage `json:"value,omitempty"`
	Sensitive bool            `json:"sensitive,omitempty"`
}

func outputOf(o spec.Output) Output {
	out := Output{Name: o.Name, Description: o.Description, Sensitive: o.Sensitive}
	if !o.Sensitive && !o.Unknown {
		out.Value = json.RawMessage(o.Value)
	}
	return out
}

// State is a spec's part of a layout.
type State struct {
	// Layout is the way to the layout from the working directory.
	Layout string `json:"layout"`
	// Exists is false when nothing was ever written to the layout.
	Exists bool   `json:"exists"`
	Spec   string `json:"spec"`
	// Serial is the number of times that the staging state was written.
	Serial int64 `json:"serial"`
	// Index is the digest of index.json.
	Index   digest.Digest `json:"index,omitempty"`
	Objects []Object      `json:"objects"`
	Tags    []Tag         `json:"tags,omitempty"`
	// Archive is the tar of the layout that the last apply wrote.
	Archive *Archive `json:"archive,omitempty"`
	Outputs []Output `json:"outputs,omitempty"`
}

// Standing is the condition of an object or a tag in the layout.
type Standing string

// The conditions of objects and tags.
const (
	// Intact: it is there as the last apply left it.
	Intact Standing = "intact"
	// Missing: it is not there any more. Torn: its bytes are not what its name says.
	Missing Standing = "missing"
	Torn    Standing = "torn"
	// Moved: the tag leads elsewhere.
	Moved Standing = "moved"
	// Edited: the tag leads where it did, but its entry in index.json says
	// something else besides.
	Edited Standing = "edited"
	// NotBuilt: the spec describes it, but no apply has built it.
	NotBuilt Standing = "not built yet"
	// Unchecked: it was not looked at.
	Unchecked Standing = "unchecked"
)

// Object is one object of a spec as the staging state has it.
type Object struct {
	// Key is the object's address; for a config that manifests with different
	// layers share, with " for " and the address of the manifest.
	Key       string        `json:"key"`
	Kind      spec.Kind     `json:"kind"`
	Standing  Standing      `json:"standing"`
	MediaType string        `json:"media_type,omitempty"`
	Digest    digest.Digest `json:"digest,omitempty"`
	Size      int64         `json:"size,omitempty"`
	DiffID    digest.Digest `json:"diff_id,omitempty"`
	// Fields are the values that the object was made of.
	Fields []spec.Field `json:"fields,omitempty"`
	Needs  []string     `json:"needs,omitempty"`
}

// Tag is one entry of index.json that the spec owns.
type Tag struct {
	// Ref is empty for an entry without a ref name.
	Ref      string        `json:"ref,omitempty"`
	Key      string        `json:"key,omitempty"`
	Standing Standing      `json:"standing"`
	Digest   digest.Digest `json:"digest"`
	// Is is where a moved tag leads.
	Is digest.Digest `json:"is,omitempty"`
}

// Layout is the content of any layout.
type Layout struct {
	Path    string        `json:"path"`
	Index   digest.Digest `json:"index,omitempty"`
	Entries []Node        `json:"entries"`
}

// Node is one descriptor of a layout, with what its blob refers to.
type Node struct {
	// Role is the role of the descriptor in the document that holds it.
	Role       Role               `json:"role"`
	Ref        string             `json:"ref,omitempty"`
	Descriptor ocispec.Descriptor `json:"descriptor"`
	// Missing is set when the blob is not in the layout.
	Missing bool `json:"missing,omitempty"`
	// Problem says why the blob of a manifest or index cannot be read; it has no
	// children then.
	Problem  string `json:"problem,omitempty"`
	Children []Node `json:"children,omitempty"`
}

// Role is the role of a descriptor in the document that holds it.
type Role string

// The roles of descriptors.
const (
	RoleEntry    Role = "entry"
	RoleConfig   Role = "config"
	RoleLayer    Role = "layer"
	RoleManifest Role = "manifest"
	RoleSubject  Role = "subject"
)

// Serving is a registry that listens.
type Serving struct {
	// URL is its address, HTTP or HTTPS.
	URL string `json:"url"`
	// Writable is false where clients may read alone.
	Writable bool `json:"writable"`
	// Layouts are the arguments of the command.
	Layouts []string `json:"layouts"`
}

// Version is the build of layform.
type Version struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	// Encoding names the rule that turns files into the bytes of layers.
	Encoding string `json:"encoding"`
	Platform string `json:"platform"`
}
