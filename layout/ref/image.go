package ref

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
)

// IsLoopback reports whether a host without a port is this machine alone: localhost, or an
// address of the loopback interface.
func IsLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

// DefaultTag is the tag that a name without tag and digest means where a command
// asks for one: see Image.WithDefaultTag.
const DefaultTag = "latest"

// The host and the repository prefix that Docker Hub's short names leave out.
const (
	dockerHub     = "docker.io"
	dockerLibrary = "library/"
)

// maxName is the length in bytes that registries allow for a repository name
// together with its host.
const maxName = 255

// maxTag is the length in bytes of a tag.
const maxTag = 128

// Image is the name of an image in a registry or in a layout that holds several
// repositories. Tag, Digest or both may be there; Host is empty for a name inside
// of a layout. The zero value names nothing.
type Image struct {
	Host       string // host name or address, with a port where one was written; lower case
	Repository string
	Tag        string
	Digest     digest.Digest
}

var (
	repository = imagespec.Pattern(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tag        = imagespec.Pattern(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	hostLabel  = imagespec.Pattern(`^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?$`)
)

// CheckRepository checks a repository name against the distribution spec. The
// error completes the sentence "the repository …".
func CheckRepository(s string) error {
	switch {
	case s == "":
		return errors.New("is missing: write HOST/REPOSITORY")
	case len(s) > maxName:
		return fmt.Errorf("has %d characters: the limit is %d", len(s), maxName)
	case repository().MatchString(s):
		return nil
	case repository().MatchString(strings.ToLower(s)):
		return fmt.Errorf("has upper case letters: write %s", strings.ToLower(s))
	}
	return errors.New("is not made of a-z and 0-9, with one of . _ __ or hyphens between them, in parts between slashes")
}

// CheckTag checks a tag against the distribution spec. The error completes the
// sentence "the tag …".
func CheckTag(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > maxTag:
		return fmt.Errorf("has %d characters: the limit is %d", len(s), maxTag)
	case !tag().MatchString(s):
		return errors.New("is not made of letters, digits, _ . and - with a letter, digit or _ first")
	}
	return nil
}

// CheckHost checks the host of a registry: a name, an IPv4 address, or an IPv6
// address in brackets, with or without a port, in lower case. The error completes
// the sentence "the host …".
func CheckHost(s string) error {
	name, port := splitPort(s)
	if strings.HasSuffix(s, ":") {
		return errors.New("has a colon without a port behind it")
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return fmt.Errorf("has the port %q: a port is a number from 1 to 65535", port)
		}
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inner, "]"))
		if err != nil || !addr.Is6() || addr.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return errors.New("has no IPv6 address between its brackets")
		}
		return nil
	}
	if name == "" {
		return errors.New("is empty")
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) > 63 || !hostLabel().MatchString(label) {
			return errors.New("is no host name: write HOST or HOST:PORT")
		}
	}
	return nil
}

// splitPort splits a host from its port; brackets of an IPv6 address stay.
func splitPort(host string) (name, port string) {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		return host[:i], host[i+1:]
	}
	return host, ""
}

// ParseImage parses the name of an image in a registry,
// [HOST/]REPOSITORY[:TAG][@DIGEST], into its normal form: without a host it is a
// name of Docker Hub, whose official images are in library/. No tag is added.
func ParseImage(s string) (Image, error) {
	host, rest := splitHost(s)
	i, err := parseName(rest)
	if err != nil {
		return Image{}, err
	}
	i.Host = host
	if host == dockerHub && !strings.Contains(i.Repository, "/") {
		i.Repository = dockerLibrary + i.Repository
	}
	if err := CheckHost(i.Host); err != nil {
		return Image{}, fmt.Errorf("the host of %q %w", s, err)
	}
	if n := len(i.Host) + 1 + len(i.Repository); n > maxName {
		return Image{}, fmt.Errorf("%q: host and repository have %d characters: the limit is %d", s, n, maxName)
	}
	return i, nil
}

// splitHost takes the host from a name, by the rule of Docker: the first part is
// a host if it could not be that of a repository on Docker Hub.
func splitHost(s string) (host, rest string) {
	first, rest, ok := strings.Cut(s, "/")
	if !ok || !strings.ContainsAny(first, ".:[") && !strings.EqualFold(first, "localhost") {
		return dockerHub, s
	}
	switch host = strings.ToLower(first); host {
	case "index.docker.io", "registry-1.docker.io":
		host = dockerHub
	}
	return host, rest
}

// parseName parses REPOSITORY[:TAG][@DIGEST].
func parseName(s string) (Image, error) {
	name, dgst, hasDigest := strings.Cut(s, "@")
	var i Image
	if hasDigest {
		if err := checkDigest(dgst); err != nil {
			return Image{}, fmt.Errorf("the digest of %q %w", s, err)
		}
		i.Digest = digest.Digest(dgst)
	}
	var hasTag bool
	i.Repository, i.Tag, hasTag = strings.Cut(name, ":")
	if err := CheckRepository(i.Repository); err != nil {
		return Image{}, fmt.Errorf("the repository of %q %w", s, err)
	}
	if hasTag {
		if err := CheckTag(i.Tag); err != nil {
			return Image{}, fmt.Errorf("the tag of %q %w", s, err)
		}
	}
	return i, nil
}

// checkDigest is imagespec's rule for digests, with messages about a digest that was
// typed.
func checkDigest(s string) error {
	switch err := imagespec.CheckDigest(digest.Digest(s)); {
	case err == nil:
		return nil
	case errors.Is(err, digest.ErrDigestUnsupported):
		return errors.New("has an algorithm that is not known; known are sha256, sha384 and sha512")
	}
	return errors.New("is not complete: write sha256: and 64 hexadecimal digits")
}

// WithDefaultTag is i, with the tag latest if it has neither tag nor digest.
func (i Image) WithDefaultTag() Image {
	if i.Tag == "" && i.Digest == "" {
		i.Tag = DefaultTag
	}
	return i
}

// Name is the repository with its host: HOST/REPOSITORY, or REPOSITORY without one.
func (i Image) Name() string {
	if i.Host == "" {
		return i.Repository
	}
	return i.Host + "/" + i.Repository
}

// Reference is the last part of a manifest's URL at a registry: the digest if there is
// one, else the tag. It is empty for the name of a repository.
func (i Image) Reference() string {
	if i.Digest != "" {
		return i.Digest.String()
	}
	return i.Tag
}

// String writes the name as [HOST/]REPOSITORY[:TAG][@DIGEST].
func (i Image) String() string {
	s := i.Name()
	if i.Tag != "" {
		s += ":" + i.Tag
	}
	if i.Digest != "" {
		s += "@" + i.Digest.String()
	}
	return s
}
