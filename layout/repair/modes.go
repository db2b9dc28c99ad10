package repair

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
)

// modes mends the modes that are in the way, bit by bit. Owners get to read
// their files and to use their directories. Bits that set the user or group go
// from every file of a layout; those that make a program of a file go from our
// own, and from owned blobs those to write. Nobody else is ever given anything,
// and all other bits stay: layouts may be private, or shared by a group. What is
// neither a blob nor ours is not touched.
func (r *fileRepair) modes(context.Context) error {
	for _, name := range []string{layoutFile, indexFile} {
		if err := r.mode(name, true); err != nil {
			return err
		}
	}
	if err := r.blobModes(); err != nil {
		return err
	}
	return r.privateModes(layout.PrivateDir)
}

// blobModes mends the modes of the blobs and of their directories.
func (r *fileRepair) blobModes() error {
	dirs, err := r.within(blobsDir)
	if err != nil {
		return err
	}
	for _, e := range dirs {
		algorithm := digest.Algorithm(e.Name())
		if !e.IsDir() || algorithm != digest.SHA256 && algorithm != digest.SHA512 {
			continue
		}
		dir := path.Join(blobsDir, e.Name())
		files, err := r.within(dir)
		if err != nil {
			return err
		}
		for _, f := range files {
			dgst := digest.NewDigestFromEncoded(algorithm, f.Name())
			if !f.Type().IsRegular() || dgst.Validate() != nil {
				continue
			}
			if err := r.mode(path.Join(dir, f.Name()), r.owned[dgst]); err != nil {
				return err
			}
		}
	}
	return nil
}

// privateModes mends the modes of a folder of ours and of what is in it, but for
// files that live writers work on and those that were moved aside.
func (r *fileRepair) privateModes(dir string) error {
	entries, err := r.within(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = r.privateModes(name)
		case dir != layout.IngestDir && dir != tornDir:
			err = r.mode(name, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// within lists a directory once its mode is mended; nothing when it is none,
// which is reported with the directories.
func (r *fileRepair) within(dir string) ([]fs.DirEntry, error) {
	if err := r.mode(dir, false); err != nil {
		return nil, err
	}
	entries, err := r.raw.Files.List(dir)
	if errors.Is(err, layout.ErrNotPlain) {
		return nil, nil
	}
	return entries, err
}

// mode mends the mode of one file or directory, if there is one.
func (r *fileRepair) mode(name string, ours bool) error {
	info, err := r.raw.Files.Root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	is := info.Mode()
	want := mended(is, ours, path.Dir(path.Dir(name)) == blobsDir)
	if want == is {
		return nil
	}
	problem := fmt.Sprintf("its mode is %s", is)
	err = r.mend(name, problem, ModeSet, fmt.Sprintf("to %s", want), func() error { return r.raw.Files.Chmod(name, want) })
	if errors.Is(err, fs.ErrPermission) {
		r.left(name, problem, "let its owner set it")
		return nil
	}
	return err
}

// mended is the mode that what has the mode is should have.
func mended(is fs.FileMode, ours, blob bool) fs.FileMode {
	switch {
	case is.IsDir():
		return is | 0o700
	case !is.IsRegular():
		return is
	}
	want := is&^(fs.ModeSetuid|fs.ModeSetgid) | 0o400
	if ours {
		want &^= fs.ModeSticky | 0o111
	}
	if ours && blob {
		want &^= 0o222
	}
	return want
}
