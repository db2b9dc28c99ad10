package registry

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/ref"
)

// naming is the rule by which ref names of index.json stand for repositories and tags.
type naming struct {
	// bare is the repository of bare tags and of entries without a ref name; empty for
	// none.
	bare string
	// alone is set where bare is the only repository of the layout.
	alone bool
}

// NameOf gives the repository that an entry of index.json belongs to and its tag, which
// is empty where it has none; defaultRepo is that of Options. It reports whether it
// belongs to one.
func NameOf(desc ocispec.Descriptor, defaultRepo string) (repo, tag string, ok bool) {
	return naming{bare: defaultRepo}.parse(desc)
}

// UntaggedName is the ref name under which an image stays in its repository when it
// loses the ref name that it has; empty where that names no repository.
func UntaggedName(desc ocispec.Descriptor) string {
	repo, _, ok := naming{}.parse(desc)
	if !ok {
		return ""
	}
	return naming{}.untagged(repo, desc.Digest)
}

// parse gives the repository and the tag, which is empty for what is known by its
// digest alone, of an entry of index.json; false where it belongs to no repository.
func (n naming) parse(desc ocispec.Descriptor) (repo, tag string, ok bool) {
	name := layout.RefName(desc)
	rest, found := strings.CutSuffix(name, "@"+desc.Digest.String())
	switch {
	case name == "":
		repo = n.bare
	case found && n.alone && ref.CheckRepository(rest) == nil:
		repo = n.bare // the folder may have had another name
	case found:
		repo = rest
	case ref.CheckTag(name) == nil:
		repo, tag = n.bare, name
	default:
		i := strings.LastIndexByte(name, ':')
		if i < 0 || ref.CheckTag(name[i+1:]) != nil {
			return "", "", false
		}
		repo, tag = name[:i], name[i+1:]
	}
	if ref.CheckRepository(repo) != nil || n.alone && repo != n.bare {
		return "", "", false
	}
	return repo, tag, true
}

// tagged lists the ref names that a tag may have, the one that is written first.
func (n naming) tagged(repo, tag string) []string {
	if repo == n.bare {
		return []string{tag, repo + ":" + tag}
	}
	return []string{repo + ":" + tag}
}

// untagged is the ref name of a manifest that has no tag.
func (n naming) untagged(repo string, dgst digest.Digest) string { return repo + "@" + dgst.String() }

// checkTag is the error about a text that is no tag.
func checkTag(repo, tag string) error {
	if err := ref.CheckTag(tag); err != nil {
		return &Error{Code: CodeTagInvalid, Repository: repo, Message: fmt.Sprintf("the tag %q %v", tag, err), Err: err}
	}
	return nil
}

// checkDigest is the error about a text that is no digest of a blob.
func checkDigest(repo string, dgst digest.Digest) error {
	err := imagespec.CheckDigest(dgst)
	if err == nil && dgst.Algorithm() != digest.SHA256 && dgst.Algorithm() != digest.SHA512 {
		err = digest.ErrDigestUnsupported
	}
	if err != nil {
		return &Error{Code: CodeDigestInvalid, Repository: repo, Message: fmt.Sprintf("%q is no digest: write sha256: or sha512: and its hexadecimal digits", string(dgst)), Err: err}
	}
	return nil
}
