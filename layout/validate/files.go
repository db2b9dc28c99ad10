package validate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/internal/disk"
	"github.com/layform/layform/layout/jsondoc"
)

// fault reports whether an error is a fault of the layout, and not of the system.
func fault(err error) bool {
	var pe *fs.PathError
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, layout.ErrNotPlain) || !errors.As(err, &pe)
}

// file reads a whole file of at most limit bytes. It reports under rule what is
// wrong with it, or under missing that it is not there, and gives nil then.
func (a *validator) file(name string, limit int64, missing, rule Rule) []byte {
	r, size, err := a.open(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.breach(missing, name, "", "the file does not exist")
		return nil
	case err != nil && fault(err):
		a.breach(rule, name, "", err.Error())
		return nil
	case err != nil:
		a.fail(err)
		return nil
	}
	defer r.Close()
	if size > limit {
		a.breach(rule, name, "", fmt.Sprintf("the file has %d bytes; the limit is %d", size, limit))
		return nil
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		a.fail(err)
		return nil
	}
	return data
}

// ocispec.ImageLayoutFile checks oci-layout.
func (a *validator) layoutFile() {
	data := a.file(ocispec.ImageLayoutFile, a.limits.Manifest, RuleLayoutMissing, RuleLayoutUnreadable)
	if data == nil {
		return
	}
	var doc ocispec.ImageLayout
	if err := jsondoc.Decode(data, a.limits.Document(), &doc); err != nil {
		a.breach(RuleLayoutUnreadable, ocispec.ImageLayoutFile, "", err.Error())
		return
	}
	if doc.Version != ocispec.ImageLayoutVersion {
		a.breach(RuleLayoutVersion, ocispec.ImageLayoutFile, "imageLayoutVersion", fmt.Sprintf("the version is %q, not %s", doc.Version, ocispec.ImageLayoutVersion))
	}
}

// blobFiles checks the files below blobs, and records the blobs.
func (a *validator) blobFiles() {
	dirs, err := a.list(ocispec.ImageBlobsDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		a.breach(RuleBlobsMissing, ocispec.ImageBlobsDir, "", "the directory does not exist")
		return
	case err != nil && fault(err):
		a.breach(RuleBlobsMissing, ocispec.ImageBlobsDir, "", err.Error())
		return
	case err != nil:
		a.fail(err)
		return
	}
	for _, dir := range dirs {
		name := ocispec.ImageBlobsDir + "/" + dir.name
		switch known := digest.Algorithm(dir.name).Available(); {
		case !dir.mode.IsDir() && known:
			a.breach(RuleBlobsMissing, name, "", disk.NotPlain(name, disk.WantDir, dir.mode).Error())
		case !dir.mode.IsDir():
			a.breach(RuleAlgorithmDirectory, name, "", disk.NotPlain(name, disk.WantDir, dir.mode).Error())
		case known:
			a.algorithm(digest.Algorithm(dir.name), name)
		case !imagespec.IsDigestAlgorithm(dir.name) || dir.name == "uploads":
			a.breach(RuleAlgorithmDirectory, name, "", "the name is not that of a digest algorithm")
		}
	}
}

// algorithm checks the directory of one digest algorithm.
func (a *validator) algorithm(alg digest.Algorithm, dir string) {
	files, err := a.list(dir)
	if err != nil {
		a.fail(err)
		return
	}
	for _, f := range files {
		dgst := digest.NewDigestFromEncoded(alg, f.name)
		name := dir + "/" + f.name
		switch {
		case dgst.Validate() != nil:
			a.breach(RuleBlobName, name, "", "the name is not that of a "+string(alg)+" digest")
		case f.mode&fs.ModeSymlink != 0 && a.linked(dgst, name):
			a.breach(RuleBlobLink, name, "", "it is a symbolic link to a file in the layout")
		case !f.mode.IsRegular():
			a.breach(RuleBlobNotRegular, name, "", disk.NotPlain(name, "a regular file", f.mode).Error())
		default:
			a.blobs[dgst] = f.size
		}
	}
}

// linked takes down a blob that is a symbolic link to a file in the layout. It is
// false for links to anything else.
func (a *validator) linked(dgst digest.Digest, name string) bool {
	r, size, err := a.open(name)
	if err != nil {
		return false
	}
	a.blobs[dgst] = size
	return r.Close() == nil
}
