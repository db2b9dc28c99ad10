package ref

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ParseLayout parses a reference to a layout where nothing else can be meant:
// with its transport as Parse takes it, or a plain DIR[:NAME][@DIGEST] or
// FILE[:NAME][@DIGEST]. A plain path whose name ends in .tar, .tar.gz, .tgz or
// .tar.zst is an archive.
func ParseLayout(s string) (Reference, error) { return parseLayout(s, firstColon) }

func parseLayout(s string, split splitter) (Reference, error) {
	t, rest, ok := cutTransport(s)
	switch {
	case s == "":
		return Reference{}, errors.New("the reference is empty: write DIR[:NAME] or FILE.tar[:NAME]")
	case t == Registry:
		return Reference{}, fmt.Errorf("%q is in a registry: here a layout is meant, DIR[:NAME] or FILE.tar[:NAME]", s)
	case ok:
		return parsePath(t, rest, split)
	case strings.Contains(s, "://"):
		return Reference{}, unknownTransport(s)
	}
	r, err := parsePath(Layout, s, split)
	if err == nil && archiveName(r.Path) {
		r.Transport = Archive
	}
	return r, err
}

// archiveName reports whether a path has the name of a tar.
func archiveName(path string) bool {
	path = strings.ToLower(path)
	for _, suffix := range []string{".tar", ".tar.gz", ".tgz", ".tar.zst"} {
		if strings.HasSuffix(path, suffix) {
			return true
		}
	}
	return false
}

// Locate is Parse with a look at the disk: where a path that holds colons exists,
// the longest such path is meant, else the path ends at the first colon.
func Locate(s string) (Reference, error) { return parse(s, existing) }

// LocateLayout is ParseLayout with the look at the disk that Locate takes. A
// plain path that exists is an archive if it is a file.
func LocateLayout(s string) (Reference, error) {
	r, err := parseLayout(s, existing)
	if _, _, written := cutTransport(s); err == nil && !written {
		if info, statErr := os.Stat(r.Path); statErr == nil {
			r.Transport = Layout
			if !info.IsDir() {
				r.Transport = Archive
			}
		}
	}
	return r, err
}

// LocateImage is LocateLayout for an image that is to be read. A path that does not
// exist, but lies below a directory that is a layout, names an image in there, as
// FindLayout has it.
func LocateImage(s string) (Reference, error) {
	r, err := LocateLayout(s)
	if err != nil || r.Transport != Layout {
		return r, err
	}
	if _, err := os.Stat(r.Path); !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return r, nil
	}
	dir, image, found, err := findLayout(strings.TrimPrefix(s, string(Layout)+":"))
	if err != nil || !found {
		return r, err
	}
	dgst := image.Digest
	image.Digest = ""
	return Reference{Transport: Layout, Path: dir, Name: image.String(), Digest: dgst}, nil
}

// existing splits s at the last colon before which there is a path that exists,
// and like firstColon if there is none.
func existing(s string) (path, name string, hasName bool) {
	first, _, _ := firstColon(s)
	for end := len(s); end > len(first); end = strings.LastIndexByte(s[:end], ':') {
		if _, err := os.Stat(unescape(s[:end])); err != nil {
			continue
		}
		if end == len(s) {
			return s, "", false
		}
		return s[:end], s[end+1:], true
	}
	return firstColon(s)
}

// FindLayout splits a path into the directory of a layout and the name of an
// image in it, REPOSITORY[:TAG][@DIGEST]. The deepest directory that is a layout,
// and whose remaining path is such a name, is taken. Without one the last
// component of the path is the name and the path in front of it the directory,
// which need not exist.
//
//	./foo/bar:baz               ./foo        bar, baz
//	./one/two/three/four:tag    ./one/two    three/four, tag   if that is a layout
func FindLayout(path string) (dir string, image Image, err error) {
	if path == "" {
		return "", Image{}, errors.New("the path is empty: write DIR/REPOSITORY[:TAG]")
	}
	dir, image, found, err := findLayout(path)
	if err != nil || found {
		return dir, image, err
	}
	last := splitsOf(path)[0]
	image, err = parseName(filepath.ToSlash(last.rest))
	if err != nil {
		return "", Image{}, fmt.Errorf("%s: %w", path, err)
	}
	return last.dir, image, nil
}

// findLayout looks for the deepest directory that is a layout.
func findLayout(path string) (dir string, image Image, found bool, err error) {
	for _, s := range splitsOf(path) {
		there, err := isLayout(s.dir)
		if err != nil {
			return "", Image{}, false, err
		}
		if !there {
			continue
		}
		if image, err := parseName(filepath.ToSlash(s.rest)); err == nil {
			return s.dir, image, true, nil
		}
	}
	return "", Image{}, false, nil
}

type split struct{ dir, rest string }

// splitsOf lists the ways to split a path at a separator, the deepest directory
// first. A separator at the end splits nothing.
func splitsOf(path string) []split {
	var splits []split
	for i := len(path) - 2; i >= 0; i-- {
		if path[i] != '/' && path[i] != filepath.Separator {
			continue
		}
		dir := path[:i]
		if dir == "" || dir == "." || dir == ".." {
			dir = path[:i+1] // "/", "./" and "../" are directories only with their slash
		}
		splits = append(splits, split{dir, path[i+1:]})
	}
	if !filepath.IsAbs(path) {
		splits = append(splits, split{".", path})
	}
	if len(splits) == 0 {
		splits = append(splits, split{path, ""})
	}
	return splits
}

// isLayout reports whether dir holds the marker file of a layout.
func isLayout(dir string) (bool, error) {
	info, err := os.Stat(filepath.Join(dir, ocispec.ImageLayoutFile))
	switch {
	case err == nil:
		return !info.IsDir(), nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return false, nil
	}
	return false, err
}
