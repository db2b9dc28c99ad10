package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/jsondoc"
)

// Extract writes the files of an artifact into dir, which must exist: each layer
// that has a title, org.opencontainers.image.title, becomes the file of that name,
// byte for byte. It gives the names.
//
// Titles are not trusted. All are checked before anything is written: a title that
// is absolute, leaves dir, goes through something that is no directory, or names
// what exists or what another layer is called, is an error. Files are written
// through dir and never through a link, with mode 0644, under a temporary name
// until their content is complete and verified. Archives are not unpacked.
func Extract(ctx context.Context, src Fetcher, root ocispec.Descriptor, dir *os.Root) ([]string, error) {
	if !imagespec.IsImageManifest(root.MediaType) {
		return nil, fmt.Errorf("%s is a %s, not the manifest of an artifact: its files cannot be extracted; choose one manifest of it by its digest", root.Digest, root.MediaType)
	}
	data, err := readManifest(ctx, src, root)
	if err != nil {
		return nil, err
	}
	doc, err := layout.ParseDocument(data, root.MediaType, jsondoc.Limits{})
	if err != nil {
		return nil, fmt.Errorf("manifest %s cannot be understood: %w", root.Digest, err)
	}
	files := map[string]ocispec.Descriptor{}
	var names []string
	for _, desc := range slices.Concat(doc.Layers, doc.Blobs) {
		title := desc.Annotations[ocispec.AnnotationTitle]
		if title == "" {
			continue
		}
		if err := safeTitle(title, dir); err != nil {
			return nil, fmt.Errorf("the layer %s has the title %q, %w; nothing was written", desc.Digest, title, err)
		}
		for other := range files {
			if nameKey(other) == nameKey(title) || strings.HasPrefix(nameKey(other), nameKey(title)+"/") || strings.HasPrefix(nameKey(title), nameKey(other)+"/") {
				return nil, fmt.Errorf("two layers of %s have the titles %q and %q, which cannot both be files; nothing was written", root.Digest, other, title)
			}
		}
		files[title] = desc
		names = append(names, title)
	}
	for _, name := range names {
		if err := extractFile(ctx, src, files[name], dir, name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// nameKey is the same for names that are one file on file systems that ignore case.
func nameKey(name string) string { return strings.ToLower(name) }

// safeTitle makes sure that a title names a new file below dir. The error completes
// the sentence "it has the title …, …".
func safeTitle(title string, dir *os.Root) error {
	switch {
	case !fs.ValidPath(title) || title == "." || strings.ContainsAny(title, "\\:\x00") || !filepath.IsLocal(filepath.FromSlash(title)):
		return errors.New("which is no safe name of a file")
	case strings.IndexFunc(title, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) >= 0:
		return errors.New("which holds characters that no name of a file should")
	}
	for i, c := range title {
		if c != '/' {
			continue
		}
		parent := title[:i]
		info, err := dir.Lstat(parent)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("and %s is there and no directory", parent)
		}
	}
	switch _, err := dir.Lstat(title); {
	case err == nil:
		return errors.New("and there is such a file already")
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

// extractFile writes one file.
func extractFile(ctx context.Context, src Fetcher, desc ocispec.Descriptor, dir *os.Root, name string) (err error) {
	if parent := path.Dir(name); parent != "." {
		if err := dir.MkdirAll(parent, 0o755); err != nil {
			return err
		}
	}
	temporary := name + ".layform-" + desc.Digest.Encoded()[:12]
	f, err := dir.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, dir.Remove(temporary))
		}
	}()
	rc, err := src.Fetch(ctx, desc)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	_, err = io.Copy(f, rc)
	if err := errors.Join(err, rc.Close(), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	// Link does not replace what came to be there meanwhile, as a rename would.
	switch err := dir.Link(temporary, name); {
	case err == nil:
		return dir.Remove(temporary)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	return dir.Rename(temporary, name) // a file system without hard links
}
