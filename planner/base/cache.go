package base

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/durable"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// Cached is a Source whose manifests, indexes and configs are kept in a directory, by
// digest: what is there is not asked for again, nor is a digest looked up that leads
// there. It is used by several processes at once. What is wrong in the directory is
// read anew, and a directory that cannot be written costs requests alone.
type Cached struct {
	Source
	Root *os.Root
}

// Resolve finds the descriptor of a name or a digest.
func (c Cached) Resolve(ctx context.Context, reference string) (ocispec.Descriptor, error) {
	dgst := digest.Digest(reference)
	if imagespec.CheckDigest(dgst) == nil {
		data, ok := c.read(dgst)
		if mediaType := documentType(data); ok && mediaType != "" {
			return ocispec.Descriptor{MediaType: mediaType, Digest: dgst, Size: int64(len(data)), Data: data}, nil
		}
	}
	desc, err := c.Source.Resolve(ctx, reference)
	if err == nil && len(desc.Data) > 0 {
		c.keep(desc.Digest, desc.Data)
	}
	return desc, err
}

// documentType is the media type of a manifest or index. One that does not say it, as
// those of many tools, has that of the image spec by its members, as when a registry says
// nothing of it either. It is empty where the members are none of that, or name what is
// Docker's, whose type the registry may have said.
func documentType(data []byte) string {
	var doc struct {
		SchemaVersion int                   `json:"schemaVersion"`
		MediaType     string                `json:"mediaType"`
		Manifests     *[]ocispec.Descriptor `json:"manifests"`
		Config        *ocispec.Descriptor   `json:"config"`
		Layers        *[]ocispec.Descriptor `json:"layers"`
	}
	if len(data) == 0 || jsondoc.Decode(data, jsondoc.Limits{}, &doc) != nil {
		return ""
	}
	docker := func(d ocispec.Descriptor) bool { return strings.HasPrefix(d.MediaType, "application/vnd.docker.") }
	index, image := doc.Manifests != nil, doc.Config != nil && doc.Layers != nil
	switch {
	case imagespec.IsManifest(doc.MediaType):
		return doc.MediaType
	case doc.MediaType != "" || doc.SchemaVersion != 2:
		return ""
	case index && doc.Config == nil && doc.Layers == nil && !slices.ContainsFunc(*doc.Manifests, docker):
		return ocispec.MediaTypeImageIndex
	case image && !index && !docker(*doc.Config) && !slices.ContainsFunc(*doc.Layers, docker):
		return ocispec.MediaTypeImageManifest
	}
	return ""
}

// Fetch reads content.
func (c Cached) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	if desc.Size > imagespec.MaxDocument || !imagespec.IsManifest(desc.MediaType) && !imagespec.IsImageConfig(desc.MediaType) {
		return c.Source.Fetch(ctx, desc)
	}
	data, ok := c.read(desc.Digest)
	if !ok || int64(len(data)) != desc.Size {
		in, err := c.Source.Fetch(ctx, desc)
		if err != nil {
			return nil, err
		}
		data, err = io.ReadAll(io.LimitReader(in, imagespec.MaxDocument+1))
		if err = errors.Join(err, in.Close()); err != nil {
			return nil, err
		}
		c.keep(desc.Digest, data)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

// keep writes a document to the directory, if it is what it should be.
func (c Cached) keep(dgst digest.Digest, data []byte) {
	if imagespec.CheckDigest(dgst) == nil && dgst.Algorithm().FromBytes(data) == dgst {
		_ = durable.WriteFile(c.Root, fileName(dgst), data, 0o600) // which costs a request another time
	}
}

// fileName is the name of a document in the directory.
func fileName(dgst digest.Digest) string { return dgst.Algorithm().String() + "-" + dgst.Encoded() }

// read gives what is kept under a digest, if it is what it should be.
func (c Cached) read(dgst digest.Digest) ([]byte, bool) {
	if imagespec.CheckDigest(dgst) != nil {
		return nil, false
	}
	info, err := c.Root.Lstat(fileName(dgst))
	if err != nil || !info.Mode().IsRegular() || info.Size() > imagespec.MaxDocument {
		return nil, false
	}
	data, err := c.Root.ReadFile(fileName(dgst))
	if err != nil || dgst.Algorithm().FromBytes(data) != dgst {
		return nil, false
	}
	if now := time.Now(); now.Sub(info.ModTime()) > usedStep {
		_ = c.Root.Chtimes(fileName(dgst), now, now) // or Prune takes it for older than it is
	}
	return data, true
}

// usedStep is how exactly the directory knows when a document was last used.
const usedStep = 24 * time.Hour

// Prune removes files from the directory of a Cached, those first that were not used for
// the longest time, until at most limit bytes are left. What cannot be removed stays.
func Prune(root *os.Root, limit int64) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	var files []fs.FileInfo
	var total int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
			total += info.Size()
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range files {
		if total <= limit {
			return
		}
		if root.Remove(info.Name()) == nil {
			total -= info.Size()
		}
	}
}
