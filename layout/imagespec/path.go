package imagespec

import (
	"errors"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The limits of Linux, which unpacks layers: of a path, whose 4096 bytes hold a
// NUL at the end, and of each name in it.
const (
	MaxPath = 4095
	MaxName = 255
	// MaxLinks is how many symbolic links one path leads through at the most.
	MaxLinks = 40
)

// TooLong reports whether no file of Linux can have the path name, for its own
// length or that of a name in it.
func TooLong(name string) bool {
	if len(name) > MaxPath {
		return true
	}
	for len(name) > MaxName {
		slash := strings.LastIndexByte(name, '/')
		if len(name)-slash-1 > MaxName {
			return true
		}
		if slash < 0 {
			return false
		}
		name = name[:slash]
	}
	return false
}

// WhiteoutPrefix begins the names of whiteouts, and of no file of a layer.
// OpaqueName is the name of the whiteout that hides all that a directory has in
// lower layers.
const (
	WhiteoutPrefix = ".wh."
	OpaqueName     = ".wh..wh..opq"
)

// IsWhiteout reports whether an entry of a layer whose last name is base marks
// a deletion.
func IsWhiteout(base string) bool { return strings.HasPrefix(base, WhiteoutPrefix) }

// WhiteoutPath is the path of the whiteout of a clean path, relative to the root.
// It is false for the root, which no layer can delete.
func WhiteoutPath(p string) (string, bool) {
	dir, base := path.Split(p)
	if base == "" || base == "." || base == ".." {
		return "", false
	}
	return dir + WhiteoutPrefix + base, true
}

// OpaquePath is the path of the whiteout that makes the directory p opaque.
func OpaquePath(p string) string { return path.Join(p, OpaqueName) }

// Hidden is the name that a whiteout with the name base hides in its directory;
// "" for OpaqueName, which hides all. It is an error where base hides nothing
// that a layer can hold: a whiteout needs a name after its prefix, and that of a
// directory entry, of the directory itself or of a whiteout is none.
func Hidden(base string) (string, error) {
	if base == OpaqueName {
		return "", nil
	}
	hidden := strings.TrimPrefix(base, WhiteoutPrefix)
	if hidden == base || hidden == "" || hidden == "." || hidden == ".." || IsWhiteout(hidden) {
		return "", errors.New("does not name a file")
	}
	return hidden, nil
}

// BlobPath is the file of a blob, relative to its layout. The digest is valid.
func BlobPath(dgst digest.Digest) string {
	return ocispec.ImageBlobsDir + "/" + string(dgst.Algorithm()) + "/" + dgst.Encoded()
}
