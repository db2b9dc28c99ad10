package validate

import (
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// layerUse is one place where a blob is used as a layer.
type layerUse struct {
	object, place string
	// algorithm is the compression that the media type names.
	algorithm imagespec.Algorithm
	// diffID is the layer's diffID in the config, empty when there is none.
	diffID digest.Digest
	config string
}

// manifest checks an image manifest or artifact.
func (a *validator) manifest(doc *layout.Document, object string, desc ocispec.Descriptor) {
	if desc.MediaType == imagespec.MediaTypeArtifactManifest {
		return
	}
	if doc.Config == nil {
		return // reported as a missing member, or as null
	}
	if isEmptyJSON(*doc.Config) && doc.ArtifactType == "" && desc.MediaType == ocispec.MediaTypeImageManifest {
		a.breach(RuleArtifactTypeMissing, object, "artifactType", "the config is empty and there is no artifactType")
	}
	if len(doc.Layers) == 0 {
		a.breach(RuleLayersEmpty, object, "layers", "there is no layer")
	}
	isImage := imagespec.IsImageConfig(doc.Config.MediaType)
	uses := make([]layerUse, len(doc.Layers))
	for i, l := range doc.Layers {
		place := fmt.Sprintf("layers[%d]", i)
		c, ok := imagespec.LayerCompression(l.MediaType)
		uses[i] = layerUse{object: object, place: place, algorithm: c}
		switch {
		case !ok && isImage:
			a.breach(RuleLayerMediaType, object, place+".mediaType", fmt.Sprintf("%q is not a layer that every reader knows", l.MediaType))
		case imagespec.IsNondistributable(l.MediaType):
			a.breach(RuleLayerNondistributed, object, place+".mediaType", "nondistributable layers should not be used any more")
		}
	}
	if isImage {
		a.config(*doc.Config, object, uses, desc)
	}
	for i, l := range doc.Layers {
		if _, ok := imagespec.LayerCompression(l.MediaType); ok {
			a.addUse(l.Digest, uses[i])
		}
	}
}

// sameUse is what uses of a blob as a layer say of it.
type sameUse struct {
	layer, diffID digest.Digest
	algorithm     imagespec.Algorithm
}

// addUse keeps a use of a blob as a layer: of those that say the same of it, as many as
// are reported.
func (a *validator) addUse(layer digest.Digest, use layerUse) {
	same := sameUse{layer, use.diffID, use.algorithm}
	if a.sameUses[same]++; a.sameUses[same] <= sameRule {
		a.layers[layer] = append(a.layers[layer], use)
	}
}

// config checks the config of an image and takes from it what its layers are.
func (a *validator) config(desc ocispec.Descriptor, manifest string, uses []layerUse, image ocispec.Descriptor) {
	name, data := a.content(desc)
	if data == nil {
		return
	}
	var img ocispec.Image
	if err := jsondoc.Decode(data, a.limits.Document(), &img); err != nil {
		a.breach(RuleConfigUnreadable, name, "", err.Error())
		return
	}
	a.shape(name, data, configShape)
	a.configFields(name, img)
	if n := len(img.RootFS.DiffIDs); n != len(uses) {
		a.breach(RuleConfigDiffIDCount, name, "rootfs.diff_ids", fmt.Sprintf("there are %d diffIDs for the %d layers of %s", n, len(uses), manifest))
	} else {
		for i, id := range img.RootFS.DiffIDs {
			uses[i].config = name
			if id.Validate() == nil {
				uses[i].diffID = id
			}
		}
	}
	history := 0
	for _, h := range img.History {
		if !h.EmptyLayer {
			history++
		}
	}
	if len(img.History) > 0 && history != len(uses) {
		a.breach(RuleConfigHistoryCount, name, "history", fmt.Sprintf("%d entries stand for layers, of which %s has %d", history, manifest, len(uses)))
	}
	a.images[image.Digest] = img.Platform
}

// configFields checks the fields of a config.
func (a *validator) configFields(name string, img ocispec.Image) {
	a.platform(name, "", img.Platform)
	if img.RootFS.Type != "layers" {
		a.breach(RuleConfigRootFS, name, "rootfs.type", fmt.Sprintf("the type is %q", img.RootFS.Type))
	}
	for i, id := range img.RootFS.DiffIDs {
		if id.Validate() != nil {
			a.breach(RuleConfigDiffIDForm, name, fmt.Sprintf("rootfs.diff_ids[%d]", i), fmt.Sprintf("%q is no digest", string(id)))
		}
	}
	ports := make([]string, 0, len(img.Config.ExposedPorts))
	for p := range img.Config.ExposedPorts {
		ports = append(ports, p)
	}
	slices.Sort(ports)
	for _, p := range ports {
		if err := imagespec.CheckPort(p); err != nil {
			a.breach(RuleConfigPort, name, "config.ExposedPorts", fmt.Sprintf("%q %v", p, err))
		}
	}
	for i, v := range img.Config.Env {
		if err := imagespec.CheckVariable(v); err != nil {
			a.breach(RuleConfigEnv, name, fmt.Sprintf("config.Env[%d]", i), fmt.Sprintf("%q %v", v, err))
		}
	}
}

// platformsOfImages compares the platforms of entries with those of configs.
func (a *validator) platformsOfImages() {
	for _, e := range a.withPlatform {
		img, ok := a.images[e.desc.Digest]
		p := *e.desc.Platform
		if !ok || img.OS == "" || img.Architecture == "" || p.OS == "" || p.Architecture == "" {
			continue // what is missing is reported elsewhere
		}
		// What one of them leaves open is no difference.
		if p.Variant == "" || img.Variant == "" {
			p.Variant, img.Variant = "", ""
		}
		if p.OSVersion == "" || img.OSVersion == "" {
			p.OSVersion, img.OSVersion = "", ""
		}
		p.OSFeatures, img.OSFeatures = nil, nil
		if !imagespec.SamePlatform(p, img) {
			a.breach(RulePlatformMismatch, e.object, e.place+".platform", fmt.Sprintf("it says %q, but the config of the image says %q", imagespec.PlatformText(*e.desc.Platform), imagespec.PlatformText(a.images[e.desc.Digest])))
		}
	}
}
