package validate

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
)

// descriptor checks what one descriptor says, and that its blob is there.
func (a *validator) descriptor(e edge) {
	d := e.desc
	if !imagespec.IsMediaType(d.MediaType) {
		a.breach(RuleDescriptorMediaType, e.object, e.place+".mediaType", fmt.Sprintf("%q is no media type", d.MediaType))
	}
	for i, u := range d.URLs {
		if err := imagespec.CheckURL(u); err != nil {
			a.breach(RuleDescriptorURL, e.object, fmt.Sprintf("%s.urls[%d]", e.place, i), fmt.Sprintf("%q %v", u, err))
		}
	}
	if d.ArtifactType != "" && !imagespec.IsMediaType(d.ArtifactType) {
		a.breach(RuleArtifactType, e.object, e.place+".artifactType", fmt.Sprintf("%q is no media type", d.ArtifactType))
	}
	if d.MediaType == ocispec.MediaTypeEmptyJSON && (d.Digest != ocispec.DescriptorEmptyJSON.Digest || d.Size != ocispec.DescriptorEmptyJSON.Size) {
		a.breach(RuleEmptyDescriptor, e.object, e.place, fmt.Sprintf("the empty media type describes %s of %d bytes", d.Digest, d.Size))
	}
	if e.role == roleSubject && !imagespec.IsManifest(d.MediaType) {
		a.breach(RuleSubjectType, e.object, e.place+".mediaType", fmt.Sprintf("%q is not the media type of a manifest", d.MediaType))
	}
	if _, ok := d.Annotations[ocispec.AnnotationRefName]; ok && e.role != roleEntry {
		a.breach(RuleRefNameNested, e.object, e.place+".annotations", "a ref name has a meaning in index.json alone")
	}
	a.annotations(e.object, e.place+".annotations", d.Annotations)
	if d.Platform != nil {
		a.platform(e.object, e.place+".platform", *d.Platform)
		if imagespec.IsManifest(d.MediaType) { // no other says its platform itself
			a.withPlatform = append(a.withPlatform, e)
		}
	}
	a.digestAndSize(e)
}

// digestAndSize checks a descriptor against its blob, as far as that can be
// done without reading it.
func (a *validator) digestAndSize(e edge) {
	d := e.desc
	if d.Size < 0 {
		a.breach(RuleDescriptorSize, e.object, e.place+".size", fmt.Sprintf("the size %d is negative", d.Size))
	}
	err := d.Digest.Validate()
	switch {
	case errors.Is(err, digest.ErrDigestUnsupported):
		a.breach(RuleDescriptorAlgorithm, e.object, e.place+".digest", fmt.Sprintf("the algorithm of %q is not known; the blob was not checked", string(d.Digest)))
		return
	case err != nil:
		a.breach(RuleDescriptorDigest, e.object, e.place+".digest", fmt.Sprintf("%q is no digest", string(d.Digest)))
		return
	}
	if d.Data != nil && (int64(len(d.Data)) != d.Size || d.Digest.Algorithm().FromBytes(d.Data) != d.Digest) {
		a.breach(RuleDescriptorData, e.object, e.place+".data", "the embedded content is not that of the blob")
	}
	name, ok := a.blobName(d.Digest)
	if !ok {
		return
	}
	size, ok := a.blobs[d.Digest]
	switch {
	case !ok:
		// Content that comes with its descriptor must be a blob as well.
		a.missing(e, name)
	case size != d.Size && d.Size >= 0:
		a.breach(RuleDescriptorSize, e.object, e.place+".size", fmt.Sprintf("the blob %s has %d bytes, not %d", d.Digest, size, d.Size))
	}
}

// annotations checks a map of annotations.
func (a *validator) annotations(object, place string, annotations map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if key == "" {
			a.breach(RuleAnnotationKey, object, place, "an annotation has an empty key")
		}
		if key != ocispec.AnnotationCreated {
			continue
		}
		if err := imagespec.CheckAnnotation(key, annotations[key]); err != nil {
			a.breach(RuleAnnotationCreated, object, place, fmt.Sprintf("%s is %q, which %v", key, annotations[key], err))
		}
	}
}

// platform checks the form of a platform.
func (a *validator) platform(object, place string, p ocispec.Platform) {
	if p.OS == "" || p.Architecture == "" {
		return // reported with the shape of the document
	}
	// Build attestations are marked as of an unknown platform.
	if p.OS == imagespec.Unknown && p.Architecture == imagespec.Unknown {
		return
	}
	if !imagespec.KnownSystem(p.OS) {
		a.breach(RulePlatformValue, object, place+".os", fmt.Sprintf("%q is no operating system that Go knows", p.OS))
	}
	if !imagespec.KnownArchitecture(p.Architecture) {
		a.breach(RulePlatformValue, object, place+".architecture", fmt.Sprintf("%q is no architecture that Go knows", p.Architecture))
	}
}

// platforms checks that the manifests of an index are for different platforms.
func (a *validator) platforms(doc *layout.Document, object string) {
	// choice is what readers choose by.
	type choice struct {
		platform, artifactType string
	}
	first := map[choice]int{}
	for i, d := range doc.Manifests {
		if d.Platform == nil || d.Platform.OS == imagespec.Unknown {
			continue
		}
		c := choice{platformKey(*d.Platform), d.ArtifactType}
		j, twice := first[c]
		if !twice {
			first[c] = i
			continue
		}
		a.breach(RulePlatformDuplicate, object, fmt.Sprintf("manifests[%d].platform", i), fmt.Sprintf("manifests[%d] is for the same platform", j))
	}
}

// platformKey is a text that two platforms share if they are the same.
func platformKey(p ocispec.Platform) string {
	p = imagespec.NormalPlatform(p)
	return fmt.Sprintf("%q", append([]string{p.OS, p.Architecture, p.Variant, p.OSVersion}, p.OSFeatures...))
}

// samePlatform reports whether two entries are for one platform; nil means any.
func samePlatform(a, b *ocispec.Platform) bool {
	if a == nil || b == nil {
		return a == b
	}
	return imagespec.SamePlatform(*a, *b)
}

// isEmptyJSON reports whether a descriptor is the empty descriptor, of the content {}.
func isEmptyJSON(d ocispec.Descriptor) bool {
	return d.MediaType == ocispec.MediaTypeEmptyJSON || d.Digest == ocispec.DescriptorEmptyJSON.Digest && bytes.Equal(d.Data, []byte("{}"))
}
