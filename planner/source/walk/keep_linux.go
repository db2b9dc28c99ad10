package walk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// keepMetadata takes over what the file system says of name in dir: owner, mode,
// mtime in whole seconds, xattrs, and the inode.
func keepMetadata(f *Found, dir *os.Root, name string, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the file system gives no owner, so metadata cannot be preserved")
	}
	f.Kept.UID, f.Kept.GID = int(stat.Uid), int(stat.Gid)
	f.Kept.Mtime = int64(stat.Mtim.Sec)
	f.Kept.Inode = Inode{uint64(stat.Dev), stat.Ino, uint64(stat.Nlink)}
	if f.kind == kindSymlink {
		return nil
	}
	f.Mode = stat.Mode & 0o7777
	if f.kind != kindRegular && f.kind != kindDirectory {
		return nil
	}
	xattrs, err := readXattrs(dir, name, info)
	f.Kept.Xattrs = xattrs
	return err
}

// setDevice makes f the device or FIFO that info describes.
func setDevice(f *Found, info fs.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the file system gives no device number")
	}
	switch mode := info.Mode(); {
	case mode&fs.ModeNamedPipe != 0:
		f.kind = kindFifo
		return nil
	case mode&fs.ModeCharDevice != 0:
		f.kind = kindChar
	case mode&fs.ModeDevice != 0:
		f.kind = kindBlock
	default:
		return &TypeError{mode}
	}
	f.Kept.Devmajor = int64(unix.Major(uint64(stat.Rdev)))
	f.Kept.Devminor = int64(unix.Minor(uint64(stat.Rdev)))
	return nil
}

// readXattrs reads the xattrs of a regular file or directory, except those that
// only mean something on this machine.
func readXattrs(dir *os.Root, name string, info fs.FileInfo) (map[string]string, error) {
	file, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, Cause(err)
	}
	defer func() { _ = file.Close() }()
	opened, err := file.Stat()
	if err != nil {
		return nil, Cause(err)
	}
	if !os.SameFile(info, opened) {
		return nil, errors.New("it was replaced while it was read")
	}
	list, err := readSized(func(buf []byte) (int, error) { return unix.Flistxattr(int(file.Fd()), buf) })
	if errors.Is(err, unix.ENOTSUP) || err == nil && len(list) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("its xattrs cannot be listed: %w", err)
	}
	xattrs := map[string]string{}
	for key := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		if !portableXattr(key) {
			continue
		}
		value, err := readSized(func(buf []byte) (int, error) { return unix.Fgetxattr(int(file.Fd()), key, buf) })
		if err != nil {
			return nil, fmt.Errorf("its xattr %q cannot be read: %w", key, err)
		}
		if xattrs[key], err = portableValue(key, string(value)); err != nil {
			return nil, fmt.Errorf("its xattr %q cannot be preserved: %w", key, err)
		}
	}
	if len(xattrs) == 0 {
		return nil, nil
	}
	return xattrs, nil
}

// readSized calls read with a buffer of the size that read itself asks for, again
// when the value grew in between.
func readSized(read func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := read(nil)
		if err != nil || n == 0 {
			return nil, err
		}
		buf := make([]byte, n)
		if n, err = read(buf); err == nil {
			return buf[:n], nil
		}
		if !errors.Is(err, unix.ERANGE) {
			return nil, err
		}
	}
}
