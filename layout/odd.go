package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

// ErrOdd is in the tree of errors about an intact document that breaks the rules
// for documents of its media type. A walk goes on with every descriptor that
// any reader could find in it, so that nothing it may refer to is taken for unused.
var ErrOdd = errors.New("the document breaks the rules of its media type")

// successors are the descriptors in the document of desc, none for other blobs.
// With an error that is ErrOdd come all that look like descriptors.
func (r *Reader) successors(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !imagespec.IsManifest(desc.MediaType) {
		return nil, nil
	}
	data, err := r.ReadBlob(ctx, desc, 0)
	if errors.Is(err, fs.ErrNotExist) && len(desc.Data) > 0 && desc.Digest.Validate() == nil && desc.Digest.Algorithm().FromBytes(desc.Data) == desc.Digest {
		data, err = desc.Data, nil // the descriptor brings the document along
	}
	if err != nil {
		return nil, err
	}
	doc, err := ParseDocument(data, desc.MediaType, r.limits.Document())
	if err == nil {
		return doc.Successors(), nil
	}
	odd := &BlobError{Digest: desc.Digest, Problem: "cannot be understood: " + err.Error(), Err: errors.Join(err, ErrOdd)}
	found, err := r.looseDescriptors(ctx, data)
	if err != nil {
		return nil, err
	}
	return found, odd
}

// looseDescriptors are all objects in a JSON document that have a digest, with
// the media type that they or their blobs tell; as far as it can be read.
func (r *Reader) looseDescriptors(ctx context.Context, data []byte) ([]ocispec.Descriptor, error) {
	var found []ocispec.Descriptor
	err := eachObject(data, func(members map[string]string) error {
		desc := ocispec.Descriptor{MediaType: members["mediaType"], Digest: digest.Digest(members["digest"])}
		if desc.Digest.Validate() != nil {
			return nil
		}
		if len(found) == r.limits.Descriptors {
			return fmt.Errorf("a document has more than %d descriptors", r.limits.Descriptors)
		}
		// Its size and type may be what is odd: the blob tells them as well.
		there, err := r.Describe(ctx, desc.Digest)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			desc.Size = there.Size
		}
		if err == nil && !imagespec.IsMediaType(desc.MediaType) {
			desc.MediaType = there.MediaType
		}
		found = append(found, desc)
		return nil
	})
	return found, err
}

// eachObject calls visit with the mediaType and digest of each object of a JSON
// document that has a digest, whatever the case of these names, and once for each
// digest where it has several. It ends where the document is no JSON any more.
func eachObject(data []byte, visit func(map[string]string) error) error {
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	// open are the objects around the place, nil for arrays; name is the last
	// member name of the innermost.
	var open []map[string]string
	name := ""
	leave := func(object map[string]string) error {
		if object["digest"] == "" {
			return nil
		}
		return visit(object)
	}
	for {
		token, err := dec.ReadToken()
		if err != nil { // nobody reads what follows
			for _, object := range open {
				if err := leave(object); err != nil {
					return err
				}
			}
			return nil
		}
		switch token.Kind() {
		case '{':
			open = append(open, map[string]string{})
		case '[':
			open = append(open, nil)
		case '}', ']':
			last := open[len(open)-1]
			open = open[:len(open)-1]
			if err := leave(last); err != nil {
				return err
			}
		case '"':
			if len(open) == 0 || open[len(open)-1] == nil {
				continue
			}
			object := open[len(open)-1]
			// The number of tokens in an object is odd after a name.
			if _, n := dec.StackIndex(dec.StackDepth()); n%2 == 1 {
				name = token.String()
				continue
			}
			switch {
			case strings.EqualFold(name, "mediaType"):
				object["mediaType"] = token.String()
			case strings.EqualFold(name, "digest"):
				if err := leave(object); err != nil {
					return err
				}
				object["digest"] = token.String()
			}
		}
	}
}
