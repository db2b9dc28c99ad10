package imagespec

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/opencontainers/go-digest"
)

var (
	refName = Pattern(`^[A-Za-z0-9]+((--|[-._:@+])[A-Za-z0-9]+)*(/[A-Za-z0-9]+((--|[-._:@+])[A-Za-z0-9]+)*)*$`)
	// registryName is a reference as registries have it: an optional host, a
	// repository, an optional tag; or a tag alone.
	registryName = Pattern(`^(?:(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*:)?[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	// registryDigest is a repository and the digest of a manifest in it.
	registryDigest = Pattern(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*@[a-z0-9]+:[0-9a-f]{32,}$`)
	algorithm      = Pattern(`^[a-z0-9]+(?:[.+_-][a-z0-9]+)*$`)
	specName       = Pattern(`^[a-z0-9][a-z0-9._-]{0,63}$`)
)

// MaxRefName is the length in bytes of a ref name. The image spec has no limit; a
// full reference of a registry, which may be a ref name, stays below this one.
const MaxRefName = 4096

// IsRefName reports whether s has the form that the image spec gives ref names:
// letters and digits with one of - . _ : @ + or -- between them, in parts
// between slashes. The length is not looked at.
func IsRefName(s string) bool { return refName().MatchString(s) }

// IsRegistryTag reports whether s is a tag, or a repository and a tag or digest, of the
// form that the distribution spec has. It allows some that IsRefName does not, such as
// foo__bar and v1-: the image spec says that those should not be ref names.
func IsRegistryTag(s string) bool {
	return registryName().MatchString(s) || registryDigest().MatchString(s)
}

// CheckRefName checks the ref name of an entry of index.json, its length included:
// it has the form of the image spec or that of registries.
func CheckRefName(s string) error {
	switch {
	case len(s) > MaxRefName:
		return fmt.Errorf("is too long for a ref name: the limit is %d bytes", MaxRefName)
	case !IsRefName(s) && !IsRegistryTag(s):
		return errors.New("is no ref name: it is made of letters and digits, with one of - . _ : @ + or -- between them, in parts between slashes")
	}
	return nil
}

// IsDigestAlgorithm reports whether s has the form of the name of a digest
// algorithm, known or not.
func IsDigestAlgorithm(s string) bool { return algorithm().MatchString(s) }

// CheckDigest checks a digest. The error is digest.ErrDigestUnsupported where the
// form is right and the algorithm is not known: content cannot be verified then.
func CheckDigest(d digest.Digest) error { return d.Validate() }

// CheckURL checks a URL from which content can be fetched: it is absolute (RFC 3986).
func CheckURL(s string) error {
	if u, err := url.Parse(s); err != nil || !u.IsAbs() {
		return errors.New("is not an absolute URL")
	}
	return nil
}

// CheckSpecName checks the name of a spec, which is the name of its staging state
// in a layout: 1 to 64 of a-z, 0-9, dot, underscore and hyphen, the first a
// letter or digit.
func CheckSpecName(s string) error {
	if !specName().MatchString(s) {
		return errors.New("is not made of 1 to 64 of a-z, 0-9, '.', '_' and '-' with a letter or digit first")
	}
	return nil
}
