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
	found, ordered, err := s.listAttached(ctx, attachedFirst)
	if err == nil && !ordered {
		// Nothing says then where the rest of them is.
		found, _, err = s.listAttached(ctx, "")
	}
	var denied *remote.DeniedError
	var refused *remote.RefusedError
	var unsupported *remote.UnsupportedError
	var unknown *remote.NotFoundError
	if errors.As(err, &denied) || errors.As(err, &refused) || errors.As(err, &unsupported) || errors.As(err, &unknown) {
		// What may be read may not always be listed.
		err = writeTo(s.a.stderr, "layform: "+printable.Line(fmt.Sprintf("%v; signatures that are attached by tags alone are left out", err))+"\n")
	}
	if err != nil {
		return nil, err
	}
	for _, tag := range found {
		tags[attachedTo(tag)] = append(tags[attachedTo(tag)], tag)
	}
	return tags, nil
}

// listAttached lists the tags of the source, those after a tag, that are attached to
// manifests. Those of digests lie together in registries that list tags in their order,
// so that the list is read no further than it has to be; ordered is false, and what was
// found not all, where a registry does not. All of them are listed after "".
func (s *shipment) listAttached(ctx context.Context, after string) (found []string, ordered bool, err error) {
	last := after
	exact, folded := true, true // the spec wants them in order whatever their case; many go by bytes
	for page, err := range s.src.repo.TagPages(ctx, after) {
		if err != nil {
			return found, true, err
		}
		for _, tag := range page {
			exact = exact && tag >= last
			folded = folded && strings.ToLower(tag) >= strings.ToLower(last)
			if last = tag; attachedTo(tag) != "" {
				found = append(found, tag)
			}
		}
		switch {
		case after == "":
		case !exact && !folded:
			return nil, false, nil
		case last > attachedLast && strings.ToLower(last) > attachedLast:
			return found, true, nil
		}
	}
	return found, true, nil
}
