package ref

import (
	"errors"
	"fmt"
	"strings"

	"github.com/layform/layform/layout/imagespec"
	"github.com/opencontainers/go-digest"
)

// Transport is the kind of place that a reference points into.
type Transport string

// The transports, each with the name that begins its references.
const (
	Layout        Transport = "oci"            // a layout directory
	Archive       Transport = "oci-archive"    // a layout in a tar
	DockerArchive Transport = "docker-archive" // a tar of docker save
	Registry      Transport = "docker"         // a repository of a registry
)

// String is the name that begins a reference, without its colon.
func (t Transport) String() string { return string(t) }

// Reference is an image's place. Path, Name and Digest belong to layouts and
// archives, Image to registries.
type Reference struct {
	Transport Transport
	Path      string        // directory or file, as it was written; never cleaned
	Name      string        // ref name of index.json, or name in a docker archive
	Digest    digest.Digest // narrows Name, or names a manifest alone
	Image     Image
}

// forms is the hint of every error about the form of a reference.
const forms = "write oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or docker://HOST/REPOSITORY[:TAG]"

// Parse parses a reference that begins with its transport.
func Parse(s string) (Reference, error) { return parse(s, firstColon) }

// splitter splits the text after the transport into a path and the name behind a colon;
// hasName is true for an empty name, and false for none.
type splitter func(s string) (path, name string, hasName bool)

func parse(s string, split splitter) (Reference, error) {
	t, rest, ok := cutTransport(s)
	switch {
	case s == "":
		return Reference{}, errors.New("the reference is empty: " + forms)
	case !ok:
		return Reference{}, unknownTransport(s)
	case t != Registry:
		return parsePath(t, rest, split)
	}
	name, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return Reference{}, fmt.Errorf("%q: a registry is written with two slashes: docker://%s", s, strings.TrimLeft(rest, "/"))
	}
	if err := checkComplete(name); err != nil {
		return Reference{}, err
	}
	image, err := ParseImage(name)
	if err != nil {
		return Reference{}, err
	}
	return Reference{Transport: Registry, Image: image}, nil
}

// checkComplete refuses a name that is HOST:PORT alone. By the rule of Docker it would be
// an image of Docker Hub with the port as its tag.
func checkComplete(name string) error {
	text, _, _ := strings.Cut(name, "@")
	host, port := splitPort(text)
	if port == "" || strings.Trim(port, "0123456789") != "" || strings.Contains(text, "/") {
		return nil
	}
	if !strings.Contains(host, ".") && !strings.EqualFold(host, "localhost") {
		return nil
	}
	return fmt.Errorf("%q names a registry and no repository in it: write docker://%s/REPOSITORY:TAG, or docker://docker.io/library/%s for an image of Docker Hub", name, text, text)
}

func cutTransport(s string) (t Transport, rest string, ok bool) {
	name, rest, ok := strings.Cut(s, ":")
	switch t = Transport(name); t {
	case Layout, Archive, DockerArchive, Registry:
		return t, rest, ok
	}
	return "", "", false
}

// unknownTransport is the error for a reference that names no transport, with the
// words for what was likely meant.
func unknownTransport(s string) error {
	name, rest, ok := strings.Cut(s, ":")
	switch {
	case ok && (name == "http" || name == "https"):
		return fmt.Errorf("%q is a URL: write docker:%s for a registry", s, strings.TrimPrefix(rest, ":"))
	case ok && name == "dir":
		return fmt.Errorf("%q: directories in the form of other tools cannot be read: write oci:%s for a layout", s, rest)
	case ok && (name == "docker-daemon" || name == "containers-storage" || name == "containerd"):
		return fmt.Errorf("%q: the images of a running engine cannot be reached: export them, and write docker-archive:FILE or oci-archive:FILE", s)
	case strings.HasPrefix(s, ".") || strings.HasPrefix(s, "/") || strings.HasPrefix(s, `\`) || driveLetter(s):
		return fmt.Errorf("%q does not say what it is: write oci:%s for a layout directory, oci-archive:%s for a tar", s, s, s)
	}
	return fmt.Errorf("%q does not say where it is: write docker://%s for a registry, oci:%s for a layout directory, oci-archive:%s for a tar", s, s, s, s)
}

// parsePath parses PATH[:NAME][@DIGEST].
func parsePath(t Transport, s string, split splitter) (Reference, error) {
	r := Reference{Transport: t}
	s, r.Digest = cutDigest(s)
	path, name, hasName := split(s)
	r.Path = unescape(path)
	switch {
	case r.Path == "":
		return Reference{}, fmt.Errorf("%s: no path: %s", t, forms)
	case strings.HasPrefix(path, "//"):
		return Reference{}, fmt.Errorf("%s:%s: only docker has slashes behind its colon: write %s:%s", t, path, t, strings.TrimLeft(path, "/"))
	case strings.ContainsRune(r.Path, 0):
		return Reference{}, fmt.Errorf("the path %q holds a zero byte", r.Path)
	case hasName && name == "":
		return Reference{}, fmt.Errorf("%s:%s: has no name behind its last colon: leave the colon out, or write %%3A for one that belongs to the path", t, escape(r.Path))
	}
	if !hasName {
		return r, nil
	}
	return r.named(name)
}

// named is r with the name, or with the digest if the name is one.
func (r Reference) named(name string) (Reference, error) {
	if r.Digest == "" && checkDigest(name) == nil {
		r.Name, r.Digest = "", digest.Digest(name)
		return r, nil
	}
	r.Name = name
	if err := imagespec.CheckRefName(name); err != nil {
		return Reference{}, fmt.Errorf("%q, behind the path %s, %w; a colon that belongs to the path is written %%3A", name, r.Path, err)
	}
	return r, nil
}

// cutDigest takes a valid digest from the end of s. Every other @ belongs to the
// path or to the name, which both may hold one.
func cutDigest(s string) (rest string, d digest.Digest) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 || checkDigest(s[i+1:]) != nil {
		return s, ""
	}
	return s[:i], digest.Digest(s[i+1:])
}

// firstColon splits at the first colon that is not that of a drive letter.
func firstColon(s string) (path, name string, hasName bool) {
	from := 0
	if driveLetter(s) {
		from = 2
	}
	i := strings.IndexByte(s[from:], ':')
	if i < 0 {
		return s, "", false
	}
	return s[:from+i], s[from+i+1:], true
}

// driveLetter reports whether s begins like an absolute path of Windows.
func driveLetter(s string) bool {
	if len(s) < 3 || s[1] != ':' || s[2] != '\\' && s[2] != '/' {
		return false
	}
	c := s[0] | 0x20
	return c >= 'a' && c <= 'z'
}

// String writes the reference as Parse reads it.
func (r Reference) String() string {
	if r.Transport == Registry {
		return "docker://" + r.Image.String()
	}
	s := string(r.Transport) + ":" + escape(r.Path)
	if r.Name != "" {
		s += ":" + r.Name
	}
	if r.Digest != "" {
		s += "@" + r.Digest.String()
	}
	return s
}

// escaped are the characters of a path that have escapes: the colon, which would
// end it, and the percent sign, which is escaped only where it would begin one.
var escaped = []struct {
	char byte
	code string
}{{':', "%3A"}, {'%', "%25"}}

// escape percent-encodes the characters of a path that a reference gives a meaning.
func escape(path string) string {
	var b strings.Builder
	start := 0
	if driveLetter(path) {
		start = 2
		b.WriteString(path[:2])
	}
	for i := start; i < len(path); i++ {
		switch c := path[i]; {
		case c == ':':
			b.WriteString("%3A")
		case c == '%' && codeAt(path, i) != 0:
			b.WriteString("%25")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape undoes escape. Percent signs that begin no escape stay.
func unescape(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if c := codeAt(path, i); c != 0 {
			b.WriteByte(c)
			i += 2
			continue
		}
		b.WriteByte(path[i])
	}
	return b.String()
}

// codeAt decodes the escape at path[i]; 0 where there is none.
func codeAt(path string, i int) byte {
	if i+3 > len(path) {
		return 0
	}
	for _, e := range escaped {
		if strings.EqualFold(path[i:i+3], e.code) {
			return e.char
		}
	}
	return 0
}
