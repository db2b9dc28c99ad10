package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/printable"
	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/remote"
	"github.com/layform/layform/layout/transfer"
)

// The tags by which cosign attaches images to a manifest begin with its digest, and end
// with one of these.
var attachedSuffixes = []string{".sig", ".att", ".sbom"}

// All tags of attached images are after the first of these, and before the last one.
const attachedFirst, attachedLast = "sha256-", "sha512."

// attachedTo is the digest of the manifest that a tag is attached to; empty for any other.
func attachedTo(tag string) digest.Digest {
	for _, suffix := range attachedSuffixes {
		name, ok := strings.CutSuffix(tag, suffix)
		algorithm, hex, split := strings.Cut(name, "-")
		if !ok || !split {
			continue
		}
		if d := digest.NewDigestFromEncoded(digest.Algorithm(algorithm), hex); d.Validate() == nil {
			return d
		}
	}
	return ""
}

// attached answers for transfer.Options. The tags of the source are listed once.
func (s *shipment) attached() func(context.Context, digest.Digest) ([]transfer.Root, error) {
	if s.dst.ref.Transport == ref.DockerArchive {
		return nil // docker load has no place for them
	}
	var tags map[digest.Digest][]string
	return func(ctx context.Context, manifest digest.Digest) (roots []transfer.Root, err error) {
		if tags == nil {
			if tags, err = s.attachedTags(ctx); err != nil {
				return nil, err
			}
		}
		for _, tag := range tags[manifest] {
			var desc ocispec.Descriptor
			if s.src.repo != nil {
				desc, err = s.src.repo.Resolve(ctx, tag)
			} else {
				desc, err = s.src.reader.Resolve(ctx, tag)
			}
			if err != nil {
				return nil, err
			}
			roots = append(roots, transfer.Root{Descriptor: desc, Tags: []transfer.Tag{{Name: tag}}})
		}
		return roots, nil
	}
}

// attachedTags lists the tags of the source that are attached to manifests.
func (s *shipment) attachedTags(ctx context.Context) (map[digest.Digest][]string, error) {
	tags := map[digest.Digest][]string{}
	if s.src.repo == nil {
		index, err := s.src.reader.Index(ctx)
		if err != nil {
			return nil, err
		}
		for _, desc := range index.Descriptors() {
			if to := attachedTo(layout.RefName(desc)); to != "" {
				tags[to] = append(tags[to], layout.RefName(desc))
			}
		}
		return tags, nil
	}
	// Tags come in their order: those of digests lie together.
	for tag, err := range s.src.repo.Tags(ctx, attachedFirst) {
		var denied *remote.DeniedError
		var refused *remote.RefusedError
		var unsupported *remote.UnsupportedError
		var unknown *remote.NotFoundError
		switch {
		case errors.As(err, &denied), errors.As(err, &refused), errors.As(err, &unsupported), errors.As(err, &unknown):
			// What may be read may not always be listed.
			return tags, writeTo(s.a.stderr, "layform: "+printable.Line(fmt.Sprintf("%v; signatures that are attached by tags alone are left out", err))+"\n")
		case err != nil:
			return nil, err
		case tag > attachedLast:
			return tags, nil
		}
		if to := attachedTo(tag); to != "" {
			tags[to] = append(tags[to], tag)
		}
	}
	return tags, nil
}
