package layout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// ReadFunc reads the verified bytes of a manifest, an index or a config.
type ReadFunc func(ctx context.Context, desc ocispec.Descriptor) ([]byte, error)

// PlatformError says that an index or a manifest has no image for a platform.
type PlatformError struct {
	Digest digest.Digest
	Want   ocispec.Platform
	// Have are the platforms that it has images for, in words.
	Have []string
}

// Error names the platform that is wanted and those that there are.
func (e *PlatformError) Error() string {
	have := "it names no platform"
	if len(e.Have) > 0 {
		have = "it has " + strings.Join(e.Have, ", ")
	}
	return fmt.Sprintf("%s has no image for %s; %s", e.Digest, imagespec.PlatformText(e.Want), have)
}

// ChooseImage finds the manifest for a platform: desc itself, or the one that
// ChooseEntries finds first, through indexes in the index as well. A manifest is for
// the platform that its config says. The error is a *PlatformError where there is none.
func ChooseImage(ctx context.Context, read ReadFunc, desc ocispec.Descriptor, want ocispec.Platform) (ocispec.Descriptor, error) {
	c := &chooser{read: read, want: want, seen: map[digest.Digest]bool{}}
	return c.image(ctx, desc, false, 0)
}

// ChooseImage is the function ChooseImage for a manifest or index of the layout.
func (r *Reader) ChooseImage(ctx context.Context, desc ocispec.Descriptor, want ocispec.Platform) (ocispec.Descriptor, error) {
	return ChooseImage(ctx, func(ctx context.Context, desc ocispec.Descriptor) ([]byte, error) { return r.ReadBlob(ctx, desc, 0) }, desc, want)
}

// ChooseEntries gives the positions of the entries of an index that are for a platform,
// by imagespec.ChoosePlatform; two where one platform has two images. Entries that say
// no platform count only where none of the others suits: then their images tell, and
// where no entry and no image says any, the first is taken. The error is a
// *PlatformError where there is none.
func ChooseEntries(ctx context.Context, read ReadFunc, desc ocispec.Descriptor, index *Document, want ocispec.Platform) ([]int, error) {
	c := &chooser{read: read, want: want, seen: map[digest.Digest]bool{}}
	at, _, err := c.entries(ctx, desc, index, 0)
	return at, err
}

// chooser is one choice.
type chooser struct {
	read ReadFunc
	want ocispec.Platform
	// seen are the documents that were tried in vain.
	seen map[digest.Digest]bool
}

// image finds the manifest below desc. With unsaid set it may be for no platform.
func (c *chooser) image(ctx context.Context, desc ocispec.Descriptor, unsaid bool, depth int) (ocispec.Descriptor, error) {
	if !imagespec.IsManifest(desc.MediaType) {
		return desc, fmt.Errorf("%s is a %s, not a manifest or an index", desc.Digest, desc.MediaType)
	}
	if depth > imagespec.MaxGraphDepth {
		return desc, fmt.Errorf("indexes are nested more than %d deep", imagespec.MaxGraphDepth)
	}
	if c.seen[desc.Digest] {
		return desc, &PlatformError{Digest: desc.Digest, Want: c.want}
	}
	c.seen[desc.Digest] = true
	data, err := c.read(ctx, desc)
	if err != nil {
		return desc, err
	}
	doc, err := ParseDocument(data, desc.MediaType, jsondoc.Limits{})
	if err != nil {
		return desc, &BlobError{Digest: desc.Digest, Problem: "cannot be understood: " + err.Error(), Err: err}
	}
	if !imagespec.IsIndex(desc.MediaType) {
		return desc, c.manifest(ctx, desc, doc, unsaid)
	}
	at, found, err := c.entries(ctx, desc, doc, depth)
	if err != nil || found.Digest != "" {
		return found, err
	}
	if found = doc.Manifests[at[0]]; !imagespec.IsIndex(found.MediaType) {
		return found, nil
	}
	return c.image(ctx, found, true, depth+1)
}

// manifest checks that an image is for the platform.
func (c *chooser) manifest(ctx context.Context, desc ocispec.Descriptor, doc *Document, unsaid bool) error {
	var is ocispec.Platform
	if doc.Config != nil && imagespec.IsImageConfig(doc.Config.MediaType) {
		data, err := c.read(ctx, *doc.Config)
		if err != nil {
			return err
		}
		if err := jsondoc.Decode(data, jsondoc.Limits{}, &is); err != nil {
			return &BlobError{Digest: doc.Config.Digest, Problem: "cannot be understood: " + err.Error(), Err: err}
		}
	}
	missing := &PlatformError{Digest: desc.Digest, Want: c.want}
	switch {
	case is.OS == "" && is.Architecture == "" && unsaid:
		return nil
	case is.OS != "" || is.Architecture != "":
		missing.Have = []string{imagespec.PlatformText(is)}
	}
	if imagespec.ChoosePlatform(c.want, []ocispec.Platform{is}) == nil {
		return missing
	}
	return nil
}

// entries chooses among the entries of an index. found is the image below the chosen
// one where it had to be looked for.
func (c *chooser) entries(ctx context.Context, desc ocispec.Descriptor, index *Document, depth int) (at []int, found ocispec.Descriptor, err error) {
	missing := &PlatformError{Digest: desc.Digest, Want: c.want}
	said := make([]ocispec.Platform, len(index.Manifests))
	for i, e := range index.Manifests {
		if e.Platform == nil {
			continue
		}
		if said[i] = *e.Platform; e.Platform.OS != imagespec.Unknown {
			missing.add(imagespec.PlatformText(*e.Platform))
		}
	}
	if at = imagespec.ChoosePlatform(c.want, said); at != nil {
		return at, found, nil
	}
	unsaid := len(missing.Have) == 0
	for i, e := range index.Manifests {
		if e.Platform != nil || !imagespec.IsManifest(e.MediaType) {
			continue
		}
		found, err = c.image(ctx, e, unsaid, depth+1)
		var none *PlatformError
		if !errors.As(err, &none) {
			return []int{i}, found, err
		}
		missing.add(none.Have...)
	}
	return nil, ocispec.Descriptor{}, missing
}

// add notes platforms that there are.
func (e *PlatformError) add(names ...string) {
	for _, name := range names {
		if !slices.Contains(e.Have, name) {
			e.Have = append(e.Have, name)
		}
	}
}
