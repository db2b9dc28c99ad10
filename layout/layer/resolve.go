package layer

import (
	"fmt"
	"path"
	"strings"

	"github.com/layform/layform/layout/imagespec"
)

// route is a way through the tree of an overlay, as far as it was walked.
type route struct {
	at nodeID
	// rest are the names of a path below at that were not walked.
	rest []string
	// links is the number of symbolic links that were followed.
	links int
}

// routeTo is the route from the root to a path without a leading slash.
func routeTo(name string) *route { return &route{at: rootNode, rest: strings.Split(name, "/")} }

// walk goes along a route, through symbolic links, to its end or to where it ends
// early: rest then begins with a name that is missing in the directory at, or at is no
// directory. With follow unset a link at the end is not followed. The error
// completes the sentence that the path …
func (o *Overlay) walk(r *route, follow bool) error {
	for len(r.rest) > 0 && o.tree.isDir(r.at) {
		o.steps--
		if to, ok := o.tree.dots(r.at, r.rest[0]); ok {
			r.at, r.rest = to, r.rest[1:]
			continue
		}
		next, ok := o.tree.child(r.at, r.rest[0])
		if !ok {
			return nil
		}
		r.rest = r.rest[1:]
		if o.tree.kind(next) != Symlink || len(r.rest) == 0 && !follow {
			r.at = next
			continue
		}
		if r.links++; r.links > imagespec.MaxLinks {
			return errManyLinks
		}
		target := o.tree.entry(next).Linkname
		if len(target) > imagespec.MaxPath {
			return errLongLink
		}
		if path.IsAbs(target) {
			r.at = rootNode
		}
		r.rest = append(strings.Split(target, "/"), r.rest...)
	}
	return nil
}

// Resolve gives the place in the image of a directory whose path leads through
// symbolic links, its last component included; they are taken as Lookup takes them.
// What is missing on the way is taken for directories to come. The error says that the
// path leads in a circle, or through what is no directory.
func (o *Overlay) Resolve(dir string) (string, error) {
	o.tree.start()
	r := routeTo(strings.Trim(path.Clean("/"+dir), "/"))
	if err := o.walk(r, true); err != nil {
		return "", fmt.Errorf("%q %w", "/"+dir, err)
	}
	if !o.tree.isDir(r.at) {
		return "", fmt.Errorf("%q leads to %q, which is a %s", "/"+dir, "/"+o.tree.path(r.at), o.tree.kind(r.at))
	}
	return inImage(path.Join("/", o.tree.path(r.at), path.Join(r.rest...))), nil
}

// inImage is an absolute path as entries have it.
func inImage(p string) string {
	if p == "/" {
		return "."
	}
	return strings.TrimPrefix(p, "/")
}
