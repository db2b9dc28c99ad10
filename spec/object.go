package spec

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

// Built is the identity of an object that was built into a layout.
type Built struct {
	// Descriptor holds media type, digest and size of the object's blob.
	Descriptor ocispec.Descriptor
	// DiffID is the digest of the uncompressed tar; layers alone have one.
	DiffID digest.Digest
}

// Known looks up the build of the object at an address; false where it is not built
// yet. An expression over an object for which it answers false is unknown. It is asked
// by one goroutine at a time, which need not be the caller's, and not after the method
// that it was given to has returned.
type Known func(Address) (Built, bool)

// Object is one evaluated block instance. It is plain data.
type Object struct {
	Address Address
	// Range is the place of the block's header.
	Range hcl.Range
	// Refs are the objects that this one needs: sorted, without duplicates.
	Refs []Address
	// Body is a *Base, *Layer, *Config, *Manifest or *Index. A value that is not
	// known yet is the zero value there: ask Known before building from it.
	Body Body
	// Fields are all values that were set, flattened and sorted by path. For a
	// layer they leave out what its tree is made of (copy, file, …), for which
	// planner/source stands.
	Fields []Field
}

// Known reports whether every value of the object is known.
func (o Object) Known() bool {
	for _, f := range o.Fields {
		if f.Unknown {
			return false
		}
	}
	if l, ok := o.Body.(*Layer); ok {
		for _, n := range l.Tree {
			if n.ContentUnknown {
				return false
			}
		}
	}
	return true
}

// Field is one value of an object.
type Field struct {
	// Path is the attribute path in the spec's words: labels["version"], tags[0].
	Path string `json:"path"`
	// Value is empty when Unknown, and a digest of the value when Sensitive.
	Value     JSON `json:"value,omitempty"`
	Unknown   bool `json:"unknown,omitempty"`
	Sensitive bool `json:"sensitive,omitempty"`
}

// Body is the typed content of an Object.
type Body interface{ body() }

// Layer describes a layer: exactly one of Archive, Blob, Digest and Tree is set.
type Layer struct {
	// Archive is the path of a tar, plain or compressed; Blob that of any file.
	// Both are relative to the spec's directory, with slashes.
	Archive, Blob string
	// Digest is that of a blob in the layout, which is the layer as it is.
	Digest digest.Digest
	// Tree are the blocks that the layer's tar is made of, in the order of the spec.
	Tree []FileOp
	// Compression is the compression of a plain tar or a tree.
	Compression imagespec.Compression
	// Convert is set where an archive must come out with Compression, though it is
	// compressed already: the spec sets the compression, or a media type that
	// names one. Otherwise such an archive stays as it is.
	Convert bool
	// OnDuplicate says which entry of an archive counts where several have one path;
	// empty where there may be only one.
	OnDuplicate Duplicates
	// OnSymlinkParent says what becomes of a symbolic link of lower layers where the
	// tree has a directory that no block declares. Empty is SymlinkFollow.
	OnSymlinkParent SymlinkParent
	// MediaType is set for Blob and Digest, and where the spec overrides the type that the
	// compression gives.
	MediaType string
	// CreatedBy, Author and Comment go into the history entry of the layer.
	CreatedBy, Author, Comment string
	// Created is the history entry's time, nil when the spec sets none.
	Created *time.Time
	// Annotations and URLs go into the layer's descriptor in manifests.
	Annotations map[string]string
	URLs        []string
}

// ContentSensitive reports whether a file of the layer has sensitive content.
func (l *Layer) ContentSensitive() bool {
	return slices.ContainsFunc(l.Tree, func(n FileOp) bool { return n.ContentSensitive })
}

// Duplicates says which of several entries for one path counts.
type Duplicates string

// DuplicatesFirst takes the first entry, and DuplicatesLast the last one, as
// programs that unpack archives do.
const (
	DuplicatesFirst Duplicates = "first"
	DuplicatesLast  Duplicates = "last"
)

// SymlinkParent says what becomes of a symbolic link that lies below a layer in the
// place of one of its directories.
type SymlinkParent string

// SymlinkFollow puts what the directory holds where the link leads to, SymlinkReplace
// puts the directory in the place of the link, and SymlinkError refuses either.
const (
	SymlinkFollow  SymlinkParent = "follow"
	SymlinkReplace SymlinkParent = "replace"
	SymlinkError   SymlinkParent = "error"
)

// OpKind is the block type of a FileOp.
type OpKind string

// The blocks that a layer's tree is made of.
const (
	OpCopy      OpKind = "copy"
	OpFile      OpKind = "file"
	OpDirectory OpKind = "directory"
	OpSymlink   OpKind = "symlink"
	OpHardlink  OpKind = "hardlink"
	OpWhiteout  OpKind = "whiteout"
)

// Metadata chooses the metadata that a copy preserves from the file system.
type Metadata string

// Normalize takes over nothing but the executable bit; Preserve takes over
// owner, mode, time, hard links, device numbers, and of the xattrs those that mean
// the same on any machine: user.*, access control lists and capabilities.
const (
	Normalize Metadata = "normalize"
	Preserve  Metadata = "preserve"
)

// FileOp is one operation that makes entries of a layer: a block of its tree.
type FileOp struct {
	Kind OpKind
	// Range is the place of the block, for messages.
	Range hcl.Range
	// To is the path in the image: cleaned, without a leading slash. "" is the root.
	To string
	// Into is set for a copy whose to ends with a slash or is not given: a file
	// that is copied keeps its own name and goes into the directory To. Otherwise
	// To is the path of the copied file itself. A directory's content always goes
	// into To.
	Into bool
	// From is the source of a copy, and Source the file with a file's content: cleaned
	// paths relative to the spec's directory, with slashes.
	From, Source string
	// Include and Exclude are doublestar globs over paths below From, those that
	// choose the other way round with "!" before them; see Selection.
	Include, Exclude []string
	// IgnoreFile is the path of a file like .dockerignore, relative to the spec's
	// directory, and Ignore are its lines.
	IgnoreFile string
	Ignore     []string
	// Written are the paths below From of what an apply writes, the layout and its
	// archive. Directories that lead there are copied only for what else is in them,
	// for an apply may have made them.
	Written []string
	// Mode is the mode of files (and of the entry itself for all but copy),
	// DirMode that of a copy's directories; nil where the spec sets none.
	// Permission bits with setuid (04000), setgid (02000) and sticky (01000).
	Mode, DirMode *uint32
	UID, GID      *int
	// Mtime is nil where the spec sets none.
	Mtime    *time.Time
	Metadata Metadata
	// Content is a file's content when HasContent is set and ContentUnknown is
	// not; otherwise Source names it.
	Content          string
	HasContent       bool
	ContentUnknown   bool
	ContentSensitive bool
	// Target is where a symlink points, verbatim, or the path of the entry that
	// a hard link shares, cleaned like To.
	Target string
	// Opaque makes a whiteout hide all that lower layers have in the directory To, and
	// Expand an explicit whiteout of each of their names of that.
	Opaque, Expand bool
	// Xattrs are extended attributes by name, with raw values.
	Xattrs map[string]string
	// Capabilities are file capabilities in the text form of cap_from_text(3).
	Capabilities string
}

// Config describes a config blob: Digest is set, or else, for an image config, Image,
// and for any other media type Content.
type Config struct {
	// MediaType is application/vnd.oci.image.config.v1+json unless set.
	MediaType string
	// Digest is that of a blob in the layout, which is the config as it is.
	Digest digest.Digest
	Image  *Image
	// Content is the blob of a config of another media type.
	Content []byte
	// Extra are further members, by JSON name, of the document; ConfigExtra of
	// its "config" member.
	Extra, ConfigExtra map[string]json.RawMessage
	// History are the entries of the history in the place of those that follow from the
	// layers, over those of a base; nil where these do.
	History []ocispec.History
	// Unset are the values of a base's config that are not inherited.
	Unset []Unset
	// Annotations go into the config's descriptor in manifests.
	Annotations map[string]string
}

// Image is the image config without rootfs, which follows from the layers of the
// manifest that uses it. A value that is nil is not set, and one that is empty is
// set to nothing.
type Image struct {
	Platform *ocispec.Platform
	// Created is the zero time where the config is to have none.
	Created *time.Time
	Author  *string
	User    *string
	// ExposedPorts, Volumes and Labels have the form of the image spec.
	ExposedPorts map[string]struct{}
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Volumes      map[string]struct{}
	WorkingDir   *string
	Labels       map[string]string
	StopSignal   *string
	ArgsEscaped  *bool
}

// Manifest describes an image manifest or an artifact.
type Manifest struct {
	// Base is the base of the image; nil for none.
	Base *Address
	// Config is nil for the empty config.
	Config *Address
	// Layers are in stack order, bottom first.
	Layers       []Address
	ArtifactType string
	Subject      *Address
	Annotations  map[string]string
	// EmbedConfig is set where the config's descriptor has its content as data.
	EmbedConfig bool
	// Docker is set for an image with Docker's media types.
	Docker bool
	// Entry is how indexes and index.json describe this object.
	Entry Entry
	Extra map[string]json.RawMessage
}

// Index describes an image index.
type Index struct {
	// Manifests are manifests and indexes, in order.
	Manifests    []Address
	ArtifactType string
	Subject      *Address
	Annotations  map[string]string
	// EmbedManifests is set where the descriptors of the members have their content as
	// data.
	EmbedManifests bool
	// Docker is set for a list with Docker's media types.
	Docker bool
	// Entry is how indexes and index.json describe this object.
	Entry Entry
	Extra map[string]json.RawMessage
}

// Entry are the members of a manifest's or index's descriptor beyond type, digest and
// size.
type Entry struct {
	// Tags are the ref names in index.json, as far as they are known: sorted, without
	// duplicates.
	Tags []string
	// TagsUnknown is set when there are ref names that are known after apply.
	TagsUnknown bool
	// Annotations go into every descriptor of the object, in indexes and in index.json.
	Annotations map[string]string
	// Platform overrides the platform that follows from the config; nil otherwise.
	Platform *ocispec.Platform
}

func (*Base) body()     {}
func (*Layer) body()    {}
func (*Config) body()   {}
func (*Manifest) body() {}
func (*Index) body()    {}
