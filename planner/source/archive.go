package source

import (
	"errors"
	"fmt"
	"io"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// archive observes a tar that becomes a layer.
func (o *observer) archive(name string) *File {
	return o.wholeFile("archive", name, func(head []byte) (imagespec.Algorithm, error) { return layer.Sniff(head) })
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
		return nil, bare(err)
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
	if f.Digest = o.remembered(resolved, info); f.Digest == "" {
		f.Digest, err = o.digestFile(opener, resolved, info.Size(), make([]byte, hashBuffer))
	}
	return f, err
}

// String says what the file is, for messages.
func (f *File) String() string { return fmt.Sprintf("%s (%d bytes)", f.Path, f.Size) }
