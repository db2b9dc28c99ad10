package layer

import (
	"fmt"
	"path"
	"strings"

	"github.com/layform/layform/layout/imagespec"
)

// Resolve gives the place in the image of a directory whose path leads through
// symbolic links, its last component included; they are taken as Lookup takes them.
// What is missing on the way is taken for directories to come. The error says that the
// path leads in a circle, or through what is no directory.
func (o *Overlay) Resolve(dir string) (string, error) {
	o.tree.start()
	o.steps = freeSteps
	at, links := rootNode, 0
	rest := strings.Split(strings.Trim(path.Clean("/"+dir), "/"), "/")
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if to, ok := o.tree.dots(at, part); ok {
			at = to
			continue
		}
		next, ok := o.tree.child(at, part)
		switch {
		case !ok:
			return inImage(path.Join("/", o.tree.path(at), part, path.Join(rest...))), nil
		case o.tree.isDir(next):
			at = next
		case o.tree.kind(next) != Symlink:
			return "", fmt.Errorf("%q leads to %q, which is a %s", "/"+dir, "/"+o.tree.path(next), o.tree.kind(next))
		default:
			if links++; links > imagespec.MaxLinks {
				return "", fmt.Errorf("%q %w", "/"+dir, errManyLinks)
			}
			if at, rest = o.follow(at, next, rest); rest == nil {
				return "", fmt.Errorf("%q %w", "/"+dir, errLongLink)
			}
		}
	}
	return inImage(path.Join("/", o.tree.path(at))), nil
}

// inImage is an absolute path as entries have it.
func inImage(p string) string {
	if p == "/" {
		return "."
	}
	return strings.TrimPrefix(p, "/")
}
