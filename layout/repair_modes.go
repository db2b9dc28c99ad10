package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/opencontainers/go-digest"
)

// modes mends the modes that are in the way: files that their owner cannot read,
// directories that their owner cannot use, bits that make a program of a file or
// set its user or group, and owned blobs that could be written. Others are a
// matter of taste: layouts may be private, or shared by a group.
func (r *repair) modes(context.Context) error {
	for _, name := range []string{layoutFile, indexFile} {
		if err := r.mode(name, fileMode); err != nil {
			return err
		}
	}
	for _, dir := range []string{blobsDir, privateDir} {
		if err := r.modesBelow(dir); err != nil {
			return err
		}
	}
	return nil
}

// modesBelow mends the modes of a directory and of what is in it.
func (r *repair) modesBelow(dir string) error {
	if err := r.mode(dir, dirMode); err != nil {
		return err
	}
	entries, err := r.d.list(dir)
	if errors.Is(err, ErrNotPlain) {
		return nil // reported with the directories
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = r.modesBelow(name)
		case !e.Type().IsRegular() || dir == ingestDir:
			continue
		case path.Dir(dir) == blobsDir:
			err = r.mode(name, blobMode)
		default:
			err = r.mode(name, fileMode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mode mends the mode of one file or directory, if there is one.
func (r *repair) mode(name string, want fs.FileMode) error {
	info, err := r.d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	is := info.Mode()
	var bad bool
	switch {
	case is.IsDir():
		bad = is.Perm()&0o700 != 0o700
	case is.IsRegular():
		bad = is.Perm()&0o400 == 0 || is.Perm()&0o111 != 0 || is&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 ||
			is.Perm()&0o222 != 0 && want == blobMode && r.owned[blobDigest(name)]
	}
	if !bad {
		return nil
	}
	problem := fmt.Sprintf("its mode is %s", is)
	err = r.mend(name, problem, ModeSet, fmt.Sprintf("to %03o", want), func() error { return r.d.chmod(name, want) })
	if errors.Is(err, fs.ErrPermission) {
		r.left(name, problem, "let its owner set it")
		return nil
	}
	return err
}

// blobDigest is the digest that a file under blobs stands for, if it does.
func blobDigest(name string) digest.Digest {
	return digest.NewDigestFromEncoded(digest.Algorithm(path.Base(path.Dir(name))), path.Base(name))
}
