package source

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/layform/layform/planner/source/walk"
)

// quickFiles keeps the root and the directory of the last file that was read.
type quickFiles struct {
	root *os.File
	open bool
	fd   int
	dir  string
}

func (q *quickFiles) close() error {
	var err error
	if q.root != nil {
		err, q.root = q.root.Close(), nil
	}
	return errors.Join(err, q.closeDir())
}

// closeDir closes the directory of the last file.
func (q *quickFiles) closeDir() error {
	if !q.open {
		return nil
	}
	q.open = false
	return unix.Close(q.fd)
}

// openParent opens the directory that a file lies in, unless it is open.
func (f *Files) openParent(name string) (fd int, base string, err error) {
	dir, base := path.Split(name)
	q := &f.quick
	if q.open && q.dir == dir {
		return q.fd, base, nil
	}
	if err := q.closeDir(); err != nil {
		return 0, "", err
	}
	if fd, err = f.openDir(path.Clean(dir)); err != nil {
		return 0, "", err
	}
	q.open, q.fd, q.dir = true, fd, dir
	return fd, base, nil
}

// Stat gives the stat of what the path name leads to, which may be anything. It
// keeps the promises of Open and opens nothing but the directory.
func (f *Files) Stat(name string) (fs.FileInfo, error) {
	dir, base, err := f.openParent(name)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	_, err = walk.Retry(func() (int, error) { return 0, unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err != nil {
		return nil, err
	}
	return &quickInfo{name: base, stat: syscall.Stat_t{
		Dev: st.Dev, Ino: st.Ino, Mode: st.Mode, Size: st.Size,
		Mtim: syscall.Timespec(st.Mtim), Ctim: syscall.Timespec(st.Ctim),
	}}, nil
}

// openRaw opens a file for Read. The name is a single component of an open
// directory, and no link is followed. A FIFO does not block.
func (f *Files) openRaw(name string) (rawFile, error) {
	dir, base, err := f.openParent(name)
	if err != nil {
		return nil, err
	}
	fd, err := walk.Retry(func() (int, error) {
		return unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	})
	if err == unix.ELOOP {
		return nil, notRegular(fs.ModeSymlink)
	}
	if err != nil {
		return nil, err
	}
	return &quickFile{fd: fd, name: base}, nil
}

// openDir opens a directory below the root. The system goes through the path at
// once where it knows how to do that without following links; otherwise, and to
// say what is wrong, os.Root goes through it.
func (f *Files) openDir(dir string) (int, error) {
	if f.quick.root == nil {
		root, err := f.root.Open(".")
		if err != nil {
			return 0, walk.Cause(err)
		}
		f.quick.root = root
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	at := int(f.quick.root.Fd())
	fd, err := walk.Retry(func() (int, error) {
		return unix.Openat2(at, dir, &unix.OpenHow{Flags: flags, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS})
	})
	if err == nil {
		return fd, nil
	}
	sub, err := f.directory(dir)
	if err != nil {
		return 0, err
	}
	file, err := sub.Open(".")
	if err != nil {
		return 0, walk.Cause(err)
	}
	defer func() { _ = file.Close() }()
	return walk.Retry(func() (int, error) { return unix.Openat(int(file.Fd()), ".", flags, 0) })
}

// quickFile is an open file without what an os.File does beyond system calls.
type quickFile struct {
	fd   int
	name string
}

func (q *quickFile) Close() error { return unix.Close(q.fd) }

func (q *quickFile) Stat() (fs.FileInfo, error) {
	info := &quickInfo{name: q.name}
	_, err := walk.Retry(func() (int, error) { return 0, syscall.Fstat(q.fd, &info.stat) })
	return info, err
}

// ReadAt is that of an io.ReaderAt. What lies in a hole is not read.
func (q *quickFile) ReadAt(p []byte, at int64) (int, error) {
	if len(p) >= minHole {
		var st syscall.Stat_t
		if syscall.Fstat(q.fd, &st) == nil && hasHoles(&quickInfo{stat: st}) && inHole(q.fd, at, int64(len(p))) {
			clear(p)
			return len(p), nil
		}
	}
	done := 0
	for done < len(p) {
		n, err := walk.Retry(func() (int, error) { return unix.Pread(q.fd, p[done:], at+int64(done)) })
		if err != nil {
			return done, err
		}
		if n == 0 {
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

// minHole is the length from which it is worth asking for a hole.
const minHole = 64 << 10

// hasHoles reports whether a file has fewer blocks than its size takes.
func hasHoles(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Size >= minHole && st.Blocks < st.Size/512
}

// inHole reports whether n bytes at a place in an open file lie in one hole, as
// which they are zeros without being read. File systems that were seen to call
// data a hole while it was being written (OpenZFS), and those of other machines,
// are not asked. It moves the file's offset.
func inHole(fd int, at, n int64) bool {
	var sys unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(fd, &sys) != nil || unix.Fstat(fd, &st) != nil || at+n > st.Size {
		return false
	}
	switch uint32(sys.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		data, err := unix.Seek(fd, at, unix.SEEK_DATA)
		return err == unix.ENXIO || err == nil && data >= at+n
	}
	return false
}

// quickInfo is a stat as an fs.FileInfo.
type quickInfo struct {
	name string
	stat syscall.Stat_t
}

func (i *quickInfo) Name() string       { return i.name }
func (i *quickInfo) Size() int64        { return i.stat.Size }
func (i *quickInfo) ModTime() time.Time { return time.Unix(i.stat.Mtim.Unix()) }
func (i *quickInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i *quickInfo) Sys() any           { return &i.stat }

// Mode gives the type and the permission bits.
func (i *quickInfo) Mode() fs.FileMode {
	mode := fs.FileMode(i.stat.Mode & 0o777)
	switch i.stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		return mode
	case unix.S_IFDIR:
		return mode | fs.ModeDir
	case unix.S_IFLNK:
		return mode | fs.ModeSymlink
	}
	return mode | walk.TypeOf(i.stat.Mode)
}

func sameFile(a, b fs.FileInfo) bool {
	one, ok := a.Sys().(*syscall.Stat_t)
	two, both := b.Sys().(*syscall.Stat_t)
	return ok && both && one.Dev == two.Dev && one.Ino == two.Ino
}
