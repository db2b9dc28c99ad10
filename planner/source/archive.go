package source

import (
	"errors"
	"io"
	"io/fs"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source/walk"
)

// archive observes a tar that becomes a layer.
func (o *observer) archive(name string) *File {
	f := o.wholeFile("archive", name, layer.Sniff)
	if f != nil {
		o.warnOfGlobal(f)
	}
	return f
}

// blob observes a file that becomes a layer as it is.
func (o *observer) blob(name string) *File {
	return o.wholeFile("blob", name, func([]byte) (imagespec.Algorithm, error) { return imagespec.Uncompressed, nil })
}

func (o *observer) wholeFile(what, name string, sniff func([]byte) (imagespec.Algorithm, error)) *File {
	f, err := o.observeFile(name, sniff)
	if err != nil {
		o.report(-1, "Unusable "+what, "The %s %q cannot be used: %s.", what, name, err)
		return nil
	}
	return f
}

func (o *observer) observeFile(name string, sniff func([]byte) (imagespec.Algorithm, error)) (*File, error) {
	resolved, _, err := resolve(o.root, name)
	if err != nil {
		return nil, err
	}
	opener := NewFiles(o.root)
	defer func() { _ = opener.Close() }()
	file, info, err := opener.Open(resolved)
	if err != nil {
		return nil, err
	}
	head := make([]byte, layer.HeadSize)
	n, err := io.ReadFull(file, head)
	if closeErr := file.Close(); closeErr != nil {
		err = closeErr
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, walk.Cause(err)
	}
	algorithm, err := sniff(head[:n])
	if err != nil {
		return nil, err
	}
	f := &File{Path: resolved, Size: info.Size(), Compression: algorithm}
	if !o.opts.Hash || o.ctx.Err() != nil {
		f.State = StateOf(info)
		return f, nil
	}
	f.Digest = o.cachedDigest(resolved, info)
	if o.layer.Archive == "" {
		return o.withDigest(opener, f)
	}
	// An archive that cannot be used is found now. Its digest may be known of a block
	// that takes it for any file, so that it is remembered apart that it is good.
	good := resolved + checkedArchiveKey + string(o.layer.OnDuplicate)
	if f.Digest != "" && o.cachedDigest(good, info) == f.Digest {
		return f, nil
	}
	checked, err := o.checkArchive(opener, f, info)
	if err != nil {
		return nil, err
	}
	if f, err = o.withDigest(opener, f); err == nil && checked && o.opts.Digests != nil {
		o.opts.Digests.Store(good, info, f.Digest)
	}
	return f, err
}

// checkedArchiveKey makes of the path of an archive the one under which a Digester
// remembers the digest of one that was checked. No file has such a name. The number
// goes up when package layer refuses more than before.
const checkedArchiveKey = "\x00archive 1 "

// withDigest sets the digest of f where it is empty, by reading the file.
func (o *observer) withDigest(opener *Files, f *File) (*File, error) {
	if f.Digest != "" {
		return f, nil
	}
	sum, err := o.digestFile(opener, f.Path, f.Size, make([]byte, hashBuffer))
	f.Digest = sum.Digest()
	return f, err
}

// checkArchive reads the archive of the layer to its end, and reports its faults. It
// has not checked a file that moves, which is seen as its digest is taken.
func (o *observer) checkArchive(opener *Files, f *File, info fs.FileInfo) (checked bool, err error) {
	file, before, err := opener.Open(f.Path)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	if StatChanged(info, before) != "" {
		return false, nil
	}
	skip, err := SkipDuplicates(o.ctx, o.layer, f.Compression, file)
	if err == nil {
		if _, err = file.Seek(0, io.SeekStart); err == nil {
			err = layer.Check(o.ctx, file, f.Compression, skip)
		}
	}
	var b *layer.Breach
	after, statErr := file.Stat()
	switch {
	case statErr != nil || StatChanged(before, after) != "", o.ctx.Err() != nil: // Observe reports it
		return false, nil
	case errors.As(err, &b):
		return false, errors.New(ArchiveProblem(b))
	}
	return err == nil, walk.Cause(err)
}

// ArchiveProblem is the message about a faulty archive, with the remedy in the spec
// where there is one.
func ArchiveProblem(b *layer.Breach) string {
	if b.Rule != layer.RuleDuplicate {
		return b.Error()
	}
	return b.Error() + `. Set on_duplicate = "last" to keep the entry that programs which unpack the archive end up with, or on_duplicate = "first"`
}

// warnOfGlobal warns about an archive that begins with a global header of
// comments, as git archive writes it. Some programs refuse layers that have one.
func (o *observer) warnOfGlobal(f *File) {
	opener := NewFiles(o.root)
	defer func() { _ = opener.Close() }()
	file, _, err := opener.Open(f.Path)
	if err != nil {
		return // what is wrong with it is reported elsewhere
	}
	defer func() { _ = file.Close() }()
	if !layer.BeginsGlobal(file, f.Compression) {
		return
	}
	if _, asItIs := f.Output(o.layer); asItIs {
		o.warn(-1, "Global header", "The archive %q begins with a global header, as git archive writes it, and becomes a layer as it is. "+
			"Some programs refuse such layers. With compression set to another one, or with a level, the tar is compressed anew without the header.", o.layer.Archive)
		return
	}
	o.warn(-1, "Global header", "The archive %q begins with a global header, as git archive writes it. It is left out of the layer, for some programs refuse layers that have one.", o.layer.Archive)
}
