package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
	"github.com/layform/layform/spec/edit"
)

// stagingName is the file in which regshape keeps what it has staged in a layout.
const stagingName = ".regshape-stage.json"

// stagingFile is the content of that file.
type stagingFile struct {
	SchemaVersion int          `json:"schema_version"`
	Layers        []stagedBlob `json:"layers"`
	Config        *stagedBlob  `json:"config"`
	Manifest      *stagedBlob  `json:"manifest"`
}

// stagedBlob is a blob that was staged.
type stagedBlob struct {
	Digest      digest.Digest     `json:"digest"`
	Size        int64             `json:"size"`
	MediaType   string            `json:"media_type"`
	Annotations map[string]string `json:"annotations"`
}

// readStaged reads the staging file of a layout that is imported as a whole.
func (im *importing) readStaged(ctx context.Context) error {
	if im.at.Name+string(im.at.Digest) != "" {
		return nil
	}
	data, err := readStagingFile(im.store.Dir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	name := filepath.Join(im.at.Path, stagingName)
	if err != nil {
		return &failure{message: fmt.Sprintf("%s: %v", name, cause(err)), err: err}
	}
	var file stagingFile
	if err := jsondoc.Decode(data, jsondoc.Limits{Bytes: imagespec.MaxDocument}, &file); err != nil {
		return &failure{message: fmt.Sprintf("%s cannot be understood: %v", name, err), hint: "remove the file to import what index.json leads to", err: err}
	}
	if file.SchemaVersion != 1 {
		return &failure{message: fmt.Sprintf("%s has the version %d, and 1 is known", name, file.SchemaVersion), hint: "remove the file to import what index.json leads to"}
	}
	staged := &edit.Staged{}
	for i, l := range file.Layers {
		d, err := l.descriptor()
		if err != nil {
			return &failure{message: fmt.Sprintf("%s: layers[%d]: %v", name, i, err)}
		}
		staged.Layers = append(staged.Layers, *d)
	}
	for _, b := range []struct {
		blob *stagedBlob
		to   **ocispec.Descriptor
	}{{file.Config, &staged.Config}, {file.Manifest, &staged.Manifest}} {
		if b.blob == nil {
			continue
		}
		if *b.to, err = b.blob.descriptor(); err != nil {
			return &failure{message: fmt.Sprintf("%s: %v", name, err)}
		}
	}
	im.staged = staged
	index, err := im.store.Index(ctx)
	if err == nil {
		im.entries = index.Descriptors()
	}
	return err
}

// readStagingFile reads the staging file in a directory: a regular file of bounded size.
func readStagingFile(dir string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(stagingName)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > imagespec.MaxDocument {
		return nil, fmt.Errorf("it is no regular file of at most %d bytes", imagespec.MaxDocument)
	}
	f, err := root.Open(stagingName)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, imagespec.MaxDocument+1))
}

// descriptor is the blob as an image spec descriptor.
func (b *stagedBlob) descriptor() (*ocispec.Descriptor, error) {
	if err := b.Digest.Validate(); err != nil {
		return nil, fmt.Errorf("%q is no digest: %w", string(b.Digest), err)
	}
	if b.Size < 0 || !imagespec.IsMediaType(b.MediaType) {
		return nil, fmt.Errorf("%s has the size %d and the media type %q", b.Digest, b.Size, b.MediaType)
	}
	return &ocispec.Descriptor{MediaType: b.MediaType, Digest: b.Digest, Size: b.Size, Annotations: b.Annotations}, nil
}

// describeStaged describes what was staged, and plans what finishes it.
func (im *importing) describeStaged(ctx context.Context) error {
	contents, err := im.contents(ctx)
	if err != nil {
		return err
	}
	if im.out, err = edit.DescribeStaged(contents, *im.staged); err != nil {
		return im.damaged(err)
	}
	offered := map[digest.Digest]bool{}
	for _, o := range im.out.Objects {
		for _, dgst := range o.Offers {
			offered[dgst] = true
		}
	}
	for _, e := range im.entries {
		if !offered[e.Digest] {
			im.out.Left = append(im.out.Left, edit.Omission{Ref: e.Annotations[ocispec.AnnotationRefName], Digest: e.Digest, Reason: stagingName + " does not name it"})
		}
	}
	wrong, err := im.plan(ctx)
	if err != nil {
		return err
	}
	im.mends = len(wrong) > 0
	return nil
}
