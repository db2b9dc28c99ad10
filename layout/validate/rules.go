package validate

import (
	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
)

// Severity is the strength of the sentence of the image spec that a finding is based
// on.
type Severity string

// The severities of findings: what the image spec says with MUST, and what with
// SHOULD. A layout is valid when it has no finding of severity Must.
const (
	Must   Severity = "MUST"
	Should Severity = "SHOULD"
)

// Rule is the id of a rule that is checked. Ids do not change.
type Rule string

// The rules about the layout's files.
const (
	RuleLayoutMissing      Rule = "layout-missing"
	RuleLayoutUnreadable   Rule = "layout-unreadable"
	RuleLayoutVersion      Rule = "layout-version"
	RuleIndexMissing       Rule = "index-missing"
	RuleBlobsMissing       Rule = "blobs-missing"
	RuleAlgorithmDirectory Rule = "algorithm-directory"
	RuleBlobName           Rule = "blob-name"
	RuleBlobNotRegular     Rule = "blob-not-regular"
	RuleBlobLink           Rule = "blob-symlink"
	RuleBlobDigest         Rule = "blob-digest"
	RuleBlobMissing        Rule = "blob-missing"
	RuleBlobElsewhere      Rule = "blob-elsewhere"
	RuleArchivePath        Rule = "archive-path"
	RuleArchiveDuplicate   Rule = "archive-duplicate"
	RuleArchiveUnreadable  Rule = "archive-unreadable"
)

// The rules about indexes, manifests and the descriptors in them.
const (
	RuleDocumentUnreadable  Rule = "document-unreadable"
	RuleSchemaVersion       Rule = Rule(layout.RuleSchemaVersion)
	RuleMediaTypeMismatch   Rule = Rule(layout.RuleMediaTypeMismatch)
	RuleMediaTypeAbsent     Rule = "media-type-absent"
	RuleMemberMissing       Rule = Rule(layout.RuleMemberMissing)
	RuleMemberNull          Rule = Rule(layout.RuleMemberNull)
	RuleMemberForeign       Rule = Rule(layout.RuleMemberForeign)
	RuleElementNull         Rule = "element-null"
	RuleOptionalNull        Rule = "optional-null"
	RuleDescriptorMediaType Rule = "descriptor-media-type"
	RuleDescriptorDigest    Rule = "descriptor-digest"
	RuleDescriptorAlgorithm Rule = "descriptor-algorithm"
	RuleDescriptorSize      Rule = "descriptor-size"
	RuleDescriptorData      Rule = "descriptor-data"
	RuleDescriptorURL       Rule = "descriptor-url"
	RuleArtifactType        Rule = "artifact-type"
	RuleArtifactTypeMissing Rule = "artifact-type-missing"
	RuleEmptyDescriptor     Rule = "empty-descriptor"
	RuleSubjectType         Rule = "subject-type"
	RuleAnnotationCreated   Rule = "annotation-created"
	RuleAnnotationKey       Rule = "annotation-key"
	RuleRefNameGrammar      Rule = "ref-name-grammar"
	RuleRefNameDuplicate    Rule = "ref-name-duplicate"
	RuleRefNameNested       Rule = "ref-name-nested"
	RulePlatformIncomplete  Rule = "platform-incomplete"
	RulePlatformValue       Rule = "platform-value"
	RulePlatformDuplicate   Rule = "platform-duplicate"
	RulePlatformMismatch    Rule = "platform-mismatch"
	RuleGraphDepth          Rule = "graph-depth"
	RuleGraphSize           Rule = "graph-size"
)

// The rules about images: configs and layers.
const (
	RuleLayersEmpty         Rule = "layers-empty"
	RuleLayerMediaType      Rule = "layer-media-type"
	RuleLayerNondistributed Rule = "layer-nondistributable"
	RuleConfigUnreadable    Rule = "config-unreadable"
	RuleConfigPlatform      Rule = "config-platform"
	RuleConfigRootFS        Rule = "config-rootfs"
	RuleConfigDiffIDForm    Rule = "config-diffid-form"
	RuleConfigDiffIDCount   Rule = "config-diffid-count"
	RuleConfigHistoryCount  Rule = "config-history-count"
	RuleConfigPort          Rule = "config-exposed-port"
	RuleConfigEnv           Rule = "config-env"
	RuleDiffID              Rule = "diffid"
	RuleLayerCompression    Rule = "layer-compression"
	RuleLayerUnreadable     Rule = Rule(layer.RuleUnreadable)
	RuleLayerTrailing       Rule = Rule(layer.RuleTrailing)
	RuleLayerRatio          Rule = Rule(layer.RuleRatio)
	RuleLayerHeader         Rule = Rule(layer.RuleHeader)
	RuleLayerName           Rule = Rule(layer.RuleName)
	RuleLayerPath           Rule = Rule(layer.RulePath)
	RuleLayerAbsolute       Rule = Rule(layer.RuleAbsolute)
	RuleLayerRoot           Rule = Rule(layer.RuleRoot)
	RuleLayerDuplicate      Rule = Rule(layer.RuleDuplicate)
	RuleLayerEntryType      Rule = Rule(layer.RuleEntryType)
	RuleLayerSparse         Rule = Rule(layer.RuleSparse)
	RuleLayerEntrySize      Rule = Rule(layer.RuleEntrySize)
	RuleLayerHardlink       Rule = Rule(layer.RuleHardlink)
	RuleLayerHardlinkLower  Rule = Rule(layer.RuleHardlinkLower)
	RuleLayerBelowFile      Rule = Rule(layer.RuleBelowFile)
	RuleLayerThroughLink    Rule = Rule(layer.RuleThroughLink)
	RuleWhiteoutForm        Rule = Rule(layer.RuleWhiteoutForm)
	RuleWhiteoutName        Rule = Rule(layer.RuleWhiteoutName)
	RuleWhiteoutReserved    Rule = Rule(layer.RuleWhiteoutReserved)
	RuleWhiteoutOwn         Rule = Rule(layer.RuleWhiteoutOwn)
	RuleWhiteoutOrder       Rule = Rule(layer.RuleWhiteoutOrder)
)

// RuleText is the documentation of a rule.
type RuleText struct {
	Rule     Rule     `json:"rule"`
	Severity Severity `json:"severity"`
	// Advice is the remedy when the rule is broken.
	Advice string `json:"advice"`
}

// Rules lists all rules.
func Rules() []RuleText {
	return append(append(fileRules(), documentRules()...), imageRules()...)
}

const (
	copyAgain = "copy the image again from where it came from"
	makeAgain = "make it again with a tool that follows the image spec"
)

func fileRules() []RuleText {
	return []RuleText{
		{RuleLayoutMissing, Must, `write the file oci-layout with {"imageLayoutVersion":"1.0.0"}`},
		{RuleLayoutUnreadable, Must, `replace the file by one with {"imageLayoutVersion":"1.0.0"}`},
		{RuleLayoutVersion, Must, "use a tool that knows this version, or copy the images into a new layout"},
		{RuleIndexMissing, Must, "restore index.json, or tag the images again"},
		{RuleBlobsMissing, Must, "make it a directory, which is no link to one, and put the blobs there"},
		{RuleAlgorithmDirectory, Should, "move it out of blobs, which holds one directory for each digest algorithm"},
		{RuleBlobName, Must, "move it out of the directory, which holds blobs under their digests alone"},
		{RuleBlobNotRegular, Must, "put the content itself there, as a regular file"},
		{RuleBlobLink, Should, "put the content itself there: not every reader follows links"},
		{RuleBlobDigest, Must, "remove the blob and build or copy it again"},
		{RuleBlobMissing, Must, "build or copy it again; a layout whose blobs are kept elsewhere is validated with --sparse"},
		{RuleBlobElsewhere, Should, "layform layout complete fetches it; until then the layout can be pushed, and not unpacked"},
		{RuleArchivePath, Must, "make the archive again from within the layout's directory"},
		{RuleArchiveDuplicate, Must, "make the archive again; each file belongs into it once"},
		{RuleArchiveUnreadable, Must, "make the archive again, as a tar, plain or compressed with gzip or zstd"},
	}
}

func documentRules() []RuleText {
	return []RuleText{
		{RuleDocumentUnreadable, Must, makeAgain},
		{RuleSchemaVersion, Must, "set schemaVersion to 2"},
		{RuleMediaTypeMismatch, Must, "let document and descriptor have the same media type"},
		{RuleMediaTypeAbsent, Should, "set mediaType in the document"},
		{RuleMemberMissing, Must, makeAgain},
		{RuleMemberNull, Must, "write an empty array, not null"},
		{RuleMemberForeign, Must, "remove the member: other readers take the document for one of another kind"},
		{RuleElementNull, Must, "give it a value, or leave it out"},
		{RuleOptionalNull, Should, "leave the member out: not every reader takes null for that"},
		{RuleDescriptorMediaType, Must, "give the descriptor a media type of the form type/subtype (RFC 6838)"},
		{RuleDescriptorDigest, Must, "give the descriptor a digest of the form algorithm:encoded"},
		{RuleDescriptorAlgorithm, Should, "use sha256 or sha512; what another algorithm stands for cannot be verified"},
		{RuleDescriptorSize, Must, "correct the size, or build or copy the blob again"},
		{RuleDescriptorData, Must, "remove data, or make it the content of the blob"},
		{RuleDescriptorURL, Must, "correct the URL (RFC 3986) or remove it"},
		{RuleArtifactType, Must, "give the artifact a type of the form type/subtype (RFC 6838)"},
		{RuleArtifactTypeMissing, Must, "set artifactType: the config is empty and does not say what this is"},
		{RuleEmptyDescriptor, Must, "let it describe {}, which has 2 bytes"},
		{RuleSubjectType, Should, "let the subject be a manifest or an index"},
		{RuleAnnotationCreated, Must, "write the time as RFC 3339 has it"},
		{RuleAnnotationKey, Must, "give the annotation a key"},
		{RuleRefNameGrammar, Should, "rename the tag: letters, digits and single separators -._:@+/ between them"},
		{RuleRefNameDuplicate, Should, "remove all but one of the entries: readers choose differently"},
		{RuleRefNameNested, Should, "move the ref name to the entry in index.json"},
		{RulePlatformIncomplete, Should, "set os and architecture, or leave out the platform"},
		{RulePlatformValue, Should, "use the names that Go has for systems and architectures: linux, amd64, …"},
		{RulePlatformDuplicate, Should, "keep one manifest for each platform: readers choose differently"},
		{RulePlatformMismatch, Should, "let platform say what the image's config says"},
		{RuleGraphDepth, Must, "flatten the indexes"},
		{RuleGraphSize, Must, "split the layout"},
	}
}

func imageRules() []RuleText {
	rules := []RuleText{
		{RuleLayersEmpty, Should, "add a layer, or the empty descriptor for an artifact without content"},
		{RuleLayerMediaType, Should, "use application/vnd.oci.image.layer.v1.tar, +gzip or +zstd"},
		{RuleLayerNondistributed, Should, "use a distributable layer media type"},
		{RuleConfigUnreadable, Must, makeAgain},
		{RuleConfigPlatform, Should, "set os and architecture in the config"},
		{RuleConfigRootFS, Must, `set rootfs.type to "layers"`},
		{RuleConfigDiffIDForm, Must, "make the image again: diffIDs are digests of the uncompressed layers"},
		{RuleConfigDiffIDCount, Must, "make the image again: there is one diffID for each layer"},
		{RuleConfigHistoryCount, Should, "make the image again: each layer has one history entry, others are marked empty_layer"},
		{RuleConfigPort, Must, "write ports as port, port/tcp or port/udp"},
		{RuleConfigEnv, Must, "write variables as NAME=value"},
		{RuleDiffID, Must, "make the image again: the diffID is the digest of the uncompressed layer"},
		{RuleLayerCompression, Must, "correct the media type, or compress the layer as it says"},
	}
	for _, r := range layer.Rules() {
		if !r.Reported() {
			continue
		}
		severity := Should
		if r.Must() {
			severity = Must
		}
		rules = append(rules, RuleText{Rule(r), severity, layerAdvice(r)})
	}
	return rules
}

// layerAdvice is the remedy for a layer that breaks a rule of package layer.
func layerAdvice(r layer.Rule) string {
	switch r {
	case layer.RuleTrailing:
		return "make the layer again: readers disagree on what follows its end"
	case layer.RuleRatio:
		return "look at the layer before anybody unpacks it: it may be made to fill disks"
	case layer.RuleHeader:
		return "make the layer again: readers unpack different files from it"
	case layer.RuleEntrySize:
		return "make the layer again: some readers take other bytes for the entries that follow"
	case layer.RuleName:
		return "make the layer again with names in UTF-8"
	case layer.RulePath:
		return "make the layer again with relative paths that do not leave the root"
	case layer.RuleAbsolute:
		return "make the layer again with relative paths: not every reader takes them for such below the root"
	case layer.RuleRoot:
		return "make the layer again without the entry: programs that unpack it would replace the root"
	case layer.RuleDuplicate:
		return "make the layer again with one entry for each path"
	case layer.RuleEntryType:
		return "make the layer again with files, directories, links, devices and pipes alone"
	case layer.RuleSparse:
		return "make the layer again with tar without --sparse"
	case layer.RuleHardlink:
		return "make the layer again: a hard link comes after its target, a file in the same layer"
	case layer.RuleHardlinkLower:
		return "make the layer again with the target before the link: not every reader links into lower layers"
	case layer.RuleBelowFile:
		return "make the layer again: only directories have something below them"
	case layer.RuleThroughLink:
		return "make the layer again with the entry's true path"
	case layer.RuleWhiteoutForm:
		return "make the layer again: a whiteout is an empty regular file"
	case layer.RuleWhiteoutName:
		return "make the layer again: .wh. must be followed by a name; some programs delete the directory itself or the one above"
	case layer.RuleWhiteoutReserved:
		return "make the layer again without files of AUFS: of the names with .wh..wh. only .wh..wh..opq has a meaning"
	case layer.RuleWhiteoutOwn:
		return "make the layer again: a whiteout hides lower layers alone"
	case layer.RuleWhiteoutOrder:
		return "make the layer again with whiteouts before their siblings"
	}
	return "make the layer again"
}
