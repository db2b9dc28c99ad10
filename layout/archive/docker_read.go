package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/layout/layer"
)

// Layout gives the layout in an archive. For a tar of docker save that holds none, it is
// the one that its manifest.json amounts to: each image gets a manifest, under the names
// that it has there; configs and layers are byte for byte what is in the tar. The error
// says what is wrong with a manifest.json.
func Layout(ctx context.Context, a *Archive) (layout.Tree, error) {
	_, noLayout := a.Stat(ocispec.ImageLayoutFile)
	if _, noDocker := a.Stat(dockerFile); noLayout == nil || noDocker != nil {
		return a, nil
	}
	t := &dockerTree{archive: a, files: map[string]content{}, folders: map[string]map[string]bool{}, hashed: map[int64]digest.Digest{}}
	if err := t.read(ctx); err != nil {
		return nil, fmt.Errorf("its %s, as docker save writes it, cannot be used: %w", dockerFile, err)
	}
	return t, nil
}

// dockerTree is the layout that a tar of docker save amounts to.
type dockerTree struct {
	archive *Archive
	files   map[string]content
	// folders are the names in each directory.
	folders map[string]map[string]bool
	// hashed are the digests of compressed layers, by their places in the tar.
	hashed map[int64]digest.Digest
	// configs is how much of configs was read.
	configs int64
}

// maxNames is how many images and names of images a tar may list, and maxLayers how many
// layers all images may have together.
const maxNames, maxLayers = 10_000, 20_000

// maxConfigs is how many bytes the configs of all images of a tar may have together.
const maxConfigs = 16 * imagespec.MaxDocument

// content is that of a file: bytes in memory, or a part of the archive.
type content struct {
	data         []byte
	in           io.ReaderAt
	offset, size int64
}

func (c content) section() *io.SectionReader {
	if c.in == nil {
		return io.NewSectionReader(bytes.NewReader(c.data), 0, int64(len(c.data)))
	}
	return io.NewSectionReader(c.in, c.offset, c.size)
}

// read makes a layout of manifest.json.
func (t *dockerTree) read(ctx context.Context) error {
	data, err := t.document(dockerFile)
	if err != nil {
		return err
	}
	var images []dockerImage
	if err := jsondoc.Decode(data, jsondoc.Limits{}, &images); err != nil {
		return err
	}
	names, layers := 0, 0
	for _, image := range images {
		names += max(1, len(image.RepoTags))
		layers += len(image.Layers)
	}
	switch {
	case names > maxNames:
		return fmt.Errorf("it lists more than %d names of images", maxNames)
	case layers > maxLayers:
		return fmt.Errorf("its images have more than %d layers", maxLayers)
	}
	index := layout.NewIndex()
	for i, image := range images {
		desc, err := t.image(ctx, image)
		if err != nil {
			return fmt.Errorf("image %d: %w", i+1, err)
		}
		for _, name := range image.RepoTags {
			if err := imagespec.CheckRefName(name); err != nil {
				return fmt.Errorf("image %d: the name %q %w", i+1, name, err)
			}
			tagged := desc
			tagged.Annotations = map[string]string{ocispec.AnnotationRefName: name}
			if err := index.Set(tagged); err != nil {
				return err
			}
		}
		if len(image.RepoTags) == 0 {
			if err := index.Set(desc); err != nil {
				return err
			}
		}
	}
	t.put(ocispec.ImageIndexFile, content{data: index.Encode()})
	t.put(ocispec.ImageLayoutFile, content{data: layout.Marker()})
	return nil
}

// image makes the manifest of an image.
func (t *dockerTree) image(ctx context.Context, image dockerImage) (ocispec.Descriptor, error) {
	var none ocispec.Descriptor
	data, err := t.document(image.Config)
	if err != nil {
		return none, err
	}
	if t.configs += int64(len(data)); t.configs > maxConfigs {
		return none, fmt.Errorf("the configs of the images have more than %d bytes", maxConfigs)
	}
	var config struct {
		RootFS struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := jsondoc.Decode(data, jsondoc.Limits{}, &config); err != nil {
		return none, fmt.Errorf("the config %s cannot be understood: %w", image.Config, err)
	}
	if len(config.RootFS.DiffIDs) != len(image.Layers) {
		return none, fmt.Errorf("it has %d layers, and its config %s says %d", len(image.Layers), image.Config, len(config.RootFS.DiffIDs))
	}
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: t.blob(ocispec.MediaTypeImageConfig, data), Layers: []ocispec.Descriptor{},
	}
	for i, name := range image.Layers {
		l, err := t.layer(ctx, name, config.RootFS.DiffIDs[i])
		if err != nil {
			return none, fmt.Errorf("layer %s: %w", name, err)
		}
		m.Layers = append(m.Layers, l)
	}
	encoded, err := jsondoc.Encode(m)
	if err != nil {
		return none, err
	}
	return t.blob(ocispec.MediaTypeImageManifest, encoded), nil
}

// layer describes a layer by its content. One that is not compressed has the digest
// that its config says, which whoever reads it to the end checks.
func (t *dockerTree) layer(ctx context.Context, name string, diffID digest.Digest) (ocispec.Descriptor, error) {
	n, err := t.find(name)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	c := content{in: t.archive.in, offset: n.offset, size: n.size}
	_, algorithm, err := layer.Detect(c.section())
	if err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("it is no layer: %w", err)
	}
	desc := ocispec.Descriptor{MediaType: algorithm.MediaType(), Digest: diffID, Size: n.size}
	if algorithm != imagespec.Uncompressed {
		if desc.Digest = t.hashed[n.offset]; desc.Digest == "" {
			if desc.Digest, err = digest.FromReader(layer.ContextReader(ctx, c.section())); err != nil {
				return desc, err
			}
			t.hashed[n.offset] = desc.Digest
		}
	}
	if err := imagespec.CheckDigest(desc.Digest); err != nil {
		return desc, fmt.Errorf("its diffID %q: %w", desc.Digest, err)
	}
	t.put(imagespec.BlobPath(desc.Digest), c)
	return desc, nil
}

// document reads a small file of the tar.
func (t *dockerTree) document(name string) ([]byte, error) {
	n, err := t.find(name)
	if err != nil {
		return nil, err
	}
	if n.size > imagespec.MaxDocument {
		return nil, fmt.Errorf("%s has %d bytes; %w is %d", name, n.size, disk.ErrLimit, imagespec.MaxDocument)
	}
	return io.ReadAll(io.NewSectionReader(t.archive.in, n.offset, n.size))
}

// find finds a file of the tar, over one symbolic link: docker save has them where
// images share a layer.
func (t *dockerTree) find(name string) (node, error) {
	at := path.Clean(name)
	n, ok := t.archive.nodes[at]
	if ok && n.link != "" && !path.IsAbs(n.link) {
		at = path.Join(path.Dir(at), n.link)
		n, ok = t.archive.nodes[at]
	}
	switch {
	case !ok:
		return node{}, fmt.Errorf("%s is not in the archive", name)
	case !n.mode.IsRegular():
		return node{}, disk.NotPlain(name, "a regular file", n.mode)
	}
	return n, nil
}

// blob puts a blob into the tree.
func (t *dockerTree) blob(mediaType string, data []byte) ocispec.Descriptor {
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	t.put(imagespec.BlobPath(desc.Digest), content{data: data})
	return desc
}

// put puts a file into the tree, and the folders that it is in.
func (t *dockerTree) put(name string, c content) {
	c.size = max(c.size, int64(len(c.data)))
	t.files[name] = c
	for name != "." {
		folder := path.Dir(name)
		if t.folders[folder] == nil {
			t.folders[folder] = map[string]bool{}
		}
		t.folders[folder][path.Base(name)] = true
		name = folder
	}
}

// List gives the entries of a directory.
func (t *dockerTree) List(dir string) ([]fs.DirEntry, error) {
	names, ok := t.folders[dir]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
	}
	var entries []fs.DirEntry
	for name := range names {
		n := node{mode: fs.ModeDir}
		if c, ok := t.files[path.Join(dir, name)]; ok {
			n = node{size: c.size}
		}
		entries = append(entries, fs.FileInfoToDirEntry(info{name, n}))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// Stat describes a file.
func (t *dockerTree) Stat(name string) (fs.FileInfo, error) {
	if c, ok := t.files[name]; ok {
		return info{path.Base(name), node{size: c.size}}, nil
	}
	if t.folders[name] != nil {
		return nil, disk.NotPlain(name, "a regular file", fs.ModeDir)
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Open opens a file.
func (t *dockerTree) Open(name string) (layout.File, error) {
	is, err := t.Stat(name)
	if err != nil {
		return nil, err
	}
	return &openFile{SectionReader: t.files[name].section(), info: is}, nil
}
