package remote

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// Referrers lists the manifests whose subject is desc, those of one artifact type
// where artifactType is not empty: by the referrers API, and where the registry
// has none by the tag that the distribution spec puts in its place. What is listed
// there counts only if its manifest really has that subject: the tag may be
// anything. The first error ends the list.
func (r *Repository) Referrers(ctx context.Context, desc ocispec.Descriptor, artifactType string) iter.Seq2[ocispec.Descriptor, error] {
	return func(yield func(ocispec.Descriptor, error) bool) {
		c := call{doing: "list the referrers", reference: desc.Digest.String(), actions: pull}
		if err := imagespec.CheckDigest(desc.Digest); err != nil {
			yield(ocispec.Descriptor{}, fmt.Errorf("%s: the digest %q: %w", r.Name(), desc.Digest, err))
			return
		}
		seen := map[digest.Digest]bool{}
		visit := func(d ocispec.Descriptor) error {
			switch err := imagespec.CheckDigest(d.Digest); {
			case err != nil || d.Size < 0:
				return r.wrong(c, fmt.Sprintf("the entry %q with %d bytes is no descriptor", clean(d.Digest.String()), d.Size))
			case seen[d.Digest] || artifactType != "" && d.ArtifactType != artifactType:
				return nil
			case len(seen) >= r.limits.Referrers:
				return r.failure(c).failed(ctx, exceeded{"there are more than %d referrers", int64(r.limits.Referrers)})
			}
			seen[d.Digest] = true
			if !yield(d, nil) {
				return errStop
			}
			return nil
		}
		ctx, _ := r.withBudget(ctx)
		err := errNoReferrers
		if !r.state.noReferrers.Load() {
			err = r.referrersByAPI(ctx, c, desc, artifactType, visit)
		}
		if err == errNoReferrers {
			err = r.referrersByTag(ctx, desc, visit)
		}
		if err != nil && err != errStop {
			yield(ocispec.Descriptor{}, err)
		}
	}
}

// errNoReferrers says that a registry does not have the referrers API.
var errNoReferrers = errors.New("no referrers API")

func (r *Repository) referrersByAPI(ctx context.Context, c call, desc ocispec.Descriptor, artifactType string, visit func(ocispec.Descriptor) error) error {
	c.method, c.path = http.MethodGet, "/referrers/"+desc.Digest.String()
	c.header = http.Header{"Accept": {ocispec.MediaTypeImageIndex}}
	if artifactType != "" {
		c.path += "?" + url.Values{"artifactType": {artifactType}}.Encode()
	}
	answered := false
	err := r.pages(ctx, c, func(data []byte, header http.Header) error {
		var page struct {
			SchemaVersion int                   `json:"schemaVersion"`
			Manifests     *[]ocispec.Descriptor `json:"manifests"`
		}
		if decode(data, &page) != nil || page.Manifests == nil && page.SchemaVersion != 2 {
			if kind, _, _ := strings.Cut(header.Get("Content-Type"), ";"); !answered && kind != ocispec.MediaTypeImageIndex {
				return errStop // a page for people, of a registry that does not know the path
			}
			return r.wrong(c, "a page of the list is no index")
		}
		answered = true
		if page.Manifests == nil {
			return nil
		}
		filtered := strings.Contains(header.Get("OCI-Filters-Applied"), "artifactType")
		for _, d := range *page.Manifests {
			if filtered && d.ArtifactType == "" {
				d.ArtifactType = artifactType
			}
			if err := visit(d); err != nil {
				return err
			}
		}
		return nil
	})
	if !answered && (err == errStop || refusal(err) && !errors.As(err, new(*DeniedError))) {
		var absent *NotFoundError
		if !errors.As(err, &absent) || absent.Code != errcode.ErrorCodeNameUnknown {
			r.state.noReferrers.Store(true) // of a repository that does not exist yet nothing is known
		}
		return errNoReferrers
	}
	return err
}

// maxTagDigest is how much of an encoded digest a ReferrersTag has.
const maxTagDigest = 64

// ReferrersTag is the tag that lists the referrers of d in a registry without the
// referrers API.
func ReferrersTag(d digest.Digest) string {
	algorithm, encoded := d.Algorithm().String(), d.Encoded()
	return algorithm[:min(len(algorithm), 32)] + "-" + encoded[:min(len(encoded), maxTagDigest)]
}

// IsReferrersTag reports whether a tag lists the referrers of some digest, and is no
// image: a ReferrersTag, or the whole digest, as some clients write it.
func IsReferrersTag(tag string) bool {
	name, encoded, _ := strings.Cut(tag, "-")
	algorithm := digest.Algorithm(name)
	whole := 2 * algorithm.Size() // 0 for an unknown algorithm
	if whole == 0 || len(encoded) != whole && len(encoded) != min(whole, maxTagDigest) {
		return false
	}
	d := digest.NewDigestFromEncoded(algorithm, encoded+strings.Repeat("0", whole-len(encoded)))
	return d.Validate() == nil
}

// fallback reads the list at the referrers tag. The descriptor is empty when there
// is none: no such tag, or a tag that is something else.
func (r *Repository) fallback(ctx context.Context, subject digest.Digest) (ocispec.Descriptor, []ocispec.Descriptor, error) {
	desc, data, err := r.manifest(ctx, ReferrersTag(subject), "")
	var absent *NotFoundError
	var wrong *ContentError
	switch {
	case errors.As(err, &absent), errors.As(err, &wrong) && !errors.As(err, new(otherBytes)):
		return ocispec.Descriptor{}, nil, nil
	case err != nil:
		return ocispec.Descriptor{}, nil, err
	case desc.Digest == subject || desc.MediaType != ocispec.MediaTypeImageIndex:
		return desc, nil, nil // some registries take the tag for the digest
	}
	var index ocispec.Index
	if err := decode(data, &index); err != nil {
		return desc, nil, nil
	}
	return desc, index.Manifests, nil
}

func (r *Repository) referrersByTag(ctx context.Context, desc ocispec.Descriptor, visit func(ocispec.Descriptor) error) error {
	_, entries, err := r.fallback(ctx, desc.Digest)
	if err != nil {
		return err
	}
	if len(entries) > r.limits.Referrers {
		c := call{doing: "list the referrers", reference: desc.Digest.String()}
		return r.failure(c).failed(ctx, exceeded{"there are more than %d referrers", int64(r.limits.Referrers)})
	}
	for _, entry := range entries {
		if !imagespec.IsManifest(entry.MediaType) {
			continue
		}
		data, err := r.FetchManifest(ctx, entry)
		if errors.As(err, new(*NotFoundError)) {
			continue // deleted, and still listed
		}
		if err != nil {
			return err
		}
		subject, d, err := referrerOf(entry, data)
		if err != nil || subject == nil || subject.Digest != desc.Digest {
			continue
		}
		if err := visit(d); err != nil {
			return err
		}
	}
	return nil
}

// referrerOf reads the subject of a manifest, nil for none, and the descriptor
// under which the manifest is listed as a referrer.
func referrerOf(desc ocispec.Descriptor, data []byte) (*ocispec.Descriptor, ocispec.Descriptor, error) {
	var m struct {
		ArtifactType string `json:"artifactType"`
		Config       struct {
			MediaType string `json:"mediaType"`
		} `json:"config"`
		Subject     *ocispec.Descriptor `json:"subject"`
		Annotations map[string]string   `json:"annotations"`
	}
	if err := decode(data, &m); err != nil {
		return nil, ocispec.Descriptor{}, fmt.Errorf("the manifest %s: %w", desc.Digest, err)
	}
	entry := ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size, ArtifactType: m.ArtifactType, Annotations: m.Annotations}
	if entry.ArtifactType == "" && !imagespec.IsIndex(desc.MediaType) {
		entry.ArtifactType = m.Config.MediaType
	}
	return m.Subject, entry, nil
}

// Predecessors lists the referrers of desc. Other predecessors a registry does not
// know.
func (r *Repository) Predecessors(ctx context.Context, desc ocispec.Descriptor) ([]ocispec.Descriptor, error) {
	var all []ocispec.Descriptor
	for d, err := range r.Referrers(ctx, desc, "") {
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

// WalkReferrers lists the referrers of desc, their referrers, and so on: each
// once, at most Limits.Referrers, and at most Limits.Depth deep. Registries can
// name cycles. The first error ends the list.
func (r *Repository) WalkReferrers(ctx context.Context, desc ocispec.Descriptor) iter.Seq2[ocispec.Descriptor, error] {
	return func(yield func(ocispec.Descriptor, error) bool) {
		c := call{doing: "list the referrers", reference: desc.Digest.String()}
		seen := map[digest.Digest]bool{desc.Digest: true}
		level := []ocispec.Descriptor{desc}
		for depth := 0; len(level) > 0; depth++ {
			var next []ocispec.Descriptor
			for _, subject := range level {
				for d, err := range r.Referrers(ctx, subject, "") {
					switch {
					case err == nil && seen[d.Digest]:
						continue
					case err == nil && depth >= r.limits.Depth:
						err = r.failure(c).failed(ctx, exceeded{"referrers of referrers are more than %d deep", int64(r.limits.Depth)})
					case err == nil && len(seen) > r.limits.Referrers:
						err = r.failure(c).failed(ctx, exceeded{"there are more than %d referrers", int64(r.limits.Referrers)})
					}
					if !yield(d, err) || err != nil {
						return
					}
					seen[d.Digest] = true
					next = append(next, d)
				}
			}
			level = next
		}
	}
}

// mergeAttempts is how often AddReferrers merges with what others put meanwhile.
const mergeAttempts = 5

// AddReferrers lists manifests at the referrers tag of their subject, for
// registries whose answer to the manifest did not say that they list it (see
// Pushed). What is listed there stays. All that are to be listed are best given at
// once: registries have no way to add one entry, and of two writers at a time one
// loses its entries. That is noticed, within a round trip, and merged again.
func (r *Repository) AddReferrers(ctx context.Context, subject ocispec.Descriptor, entries []ocispec.Descriptor) error {
	if err := imagespec.CheckDigest(subject.Digest); err != nil {
		return fmt.Errorf("%s: the digest %q: %w", r.Name(), subject.Digest, err)
	}
	ctx, _ = r.withBudget(ctx)
	for try := 1; ; try++ {
		old, listed, err := r.fallback(ctx, subject.Digest)
		if err != nil {
			return err
		}
		merged := merge(listed, entries)
		if len(merged) == len(listed) {
			return nil
		}
		desc, data, err := referrersIndex(merged)
		if err != nil {
			return err
		}
		cond := Condition{Digest: old.Digest, Absent: old.Digest == ""}
		if old.Digest == subject.Digest {
			cond = Condition{} // the tag is the subject only for want of a better answer
		}
		err = r.PutTags(ctx, desc, data, []string{ReferrersTag(subject.Digest)}, cond)
		var moved *PreconditionError
		if !errors.As(err, &moved) || try >= mergeAttempts || !r.again(ctx, nil, rand.N(time.Second), "another writer changed the list of referrers") {
			return err
		}
	}
}

// merge is listed with those of entries that it lacks.
func merge(listed, entries []ocispec.Descriptor) []ocispec.Descriptor {
	seen := map[digest.Digest]bool{}
	for _, d := range listed {
		seen[d.Digest] = true
	}
	merged := listed[:len(listed):len(listed)]
	for _, d := range entries {
		if !seen[d.Digest] {
			seen[d.Digest] = true
			merged = append(merged, d)
		}
	}
	return merged
}

// referrersIndex writes the list of a referrers tag.
func referrersIndex(entries []ocispec.Descriptor) (ocispec.Descriptor, []byte, error) {
	data, err := jsondoc.Encode(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: entries})
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageIndex, Digest: digest.FromBytes(data), Size: int64(len(data))}, data, err
}
