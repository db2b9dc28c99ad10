package walk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layform/layform/layout/stage"
)

// directory is how the walk reads dir, which becomes its to close. Where metadata
// is normalised one stat of each file is needed and nothing of all else, without
// the work that os.Root does for each name.
func (w *walker) directory(dir *os.Root) (directory, error) {
	knows := w.opts.Digests != nil && w.opts.Digests.Folder(folderPath(w.from)) != nil
	if w.opts.Keep || w.opts.Digests != nil && !knows {
		return portable{dir}, nil
	}
	defer func() { _ = dir.Close() }()
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	q, err := openQuick(int(f.Fd()), ".")
	if err != nil {
		return nil, err
	}
	if knows && tracked(q.fd) {
		q.tracked, q.device = true, q.stat.Device
	}
	return q, nil
}

// quick is a directory as its descriptor. All names that go with it are single
// components, as the system lists them, and links are never followed: nothing
// leads out of the tree.
type quick struct {
	fd int
	// stat and mode are from when it was opened, before its names are read.
	stat stage.Stat
	mode uint32
	// tracked is set on file systems that are known to give a directory a new
	// time whenever anything in it comes or goes; device is the one that is.
	tracked bool
	device  uint64
}

// tracked reports whether the names in a directory can be known by its stat.
func tracked(fd int) bool {
	var sys unix.Statfs_t
	if unix.Fstatfs(fd, &sys) != nil {
		return false
	}
	const zfs, bcachefs = 0x2fc12fc1, 0xca451a4e
	switch uint32(sys.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC, zfs, bcachefs:
		return true
	}
	return false
}

func openQuick(at int, name string) (*quick, error) {
	fd, err := Retry(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if _, err := Retry(func() (int, error) { return 0, unix.Fstat(fd, &st) }); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &quick{fd: fd, stat: statOf(&st), mode: st.Mode}, nil
}

// open counts and uses the stat from when the directory was opened.
func (d *quick) open(w *walker, f *Found) (directory, error) {
	sub, err := openQuick(d.fd, f.Name)
	if err != nil {
		return nil, err
	}
	sub.tracked, sub.device = d.tracked, d.device
	w.opts.Directories.countStat()
	w.setLoss(f, lossOf(sub.mode, f.Mode, false))
	return sub, nil
}

func (d *quick) close() { _ = unix.Close(d.fd) }

// Retry calls a system call again while signals interrupt it.
func Retry[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err != unix.EINTR {
			return v, err
		}
	}
}

// look stats all but directories, which are stat'ed when they are opened.
func (d *quick) look(w *walker, s *scratch, f *Found, kind byte, _ string) error {
	if kind == typeDirectory {
		f.kind, f.Mode = kindDirectory, 0o755
		return nil
	}
	w.opts.Directories.countStat()
	st := &s.stat
	if _, err := Retry(func() (int, error) {
		return 0, unix.Fstatat(d.fd, f.Name, st, unix.AT_SYMLINK_NOFOLLOW)
	}); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.kind, f.Mode, f.Size = kindRegular, FileMode(st.Mode&0o100 != 0), st.Size
		w.setLoss(f, lossOf(st.Mode, f.Mode, st.Mode&0o111 != 0 && d.hasCapability(f.Name)))
		if s.cached != nil {
			f.Sum = s.cached.Lookup(f.Name, statOf(st))
		}
		if f.Sum == nil && f.Included {
			f.State = statOf(st).Hash()
			w.unread.Store(true)
		}
		return nil
	case unix.S_IFDIR:
		f.kind, f.Mode = kindDirectory, 0o755
		return nil
	case unix.S_IFLNK:
		target, err := readlink(d.fd, f.Name)
		f.kind, f.Mode, f.Link = kindSymlink, 0o777, &target
		return err
	}
	return &TypeError{TypeOf(st.Mode)}
}

func readlink(fd int, name string) (string, error) {
	for buf := make([]byte, 128); ; buf = make([]byte, 4*len(buf)) {
		n, err := Retry(func() (int, error) { return unix.Readlinkat(fd, name, buf) })
		if err != nil {
			return "", err
		}
		if n < len(buf) {
			return string(buf[:n]), nil
		}
	}
}

// TypeOf is the type of a special file.
func TypeOf(mode uint32) fs.FileMode {
	switch mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return fs.ModeSocket
	case unix.S_IFCHR, unix.S_IFBLK:
		return fs.ModeDevice
	}
	return fs.ModeIrregular
}

func statOf(st *unix.Stat_t) stage.Stat {
	return stage.Stat{Size: st.Size, Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(), Inode: st.Ino, Device: uint64(st.Dev)}
}

// names comes from the cache where that knows them.
func (d *quick) names(w *walker, s *scratch) ([]dirent, error) {
	remember := s.cached != nil && d.tracked && d.stat.Device == d.device
	if remember {
		if text, ok := s.cached.Names(d.stat); ok {
			err := s.split(text)
			return s.all, err
		}
	}
	w.opts.Directories.countListed()
	if err := s.read(d.fd); err != nil {
		return nil, err
	}
	if err := s.split(string(s.text)); err != nil {
		return nil, err
	}
	slices.SortFunc(s.all, func(a, b dirent) int { return strings.Compare(a.name, b.name) })
	if remember {
		s.text = s.text[:0]
		for _, n := range s.all {
			s.text = append(append(append(s.text, n.kind), n.name...), '/')
		}
		s.cached.SetNames(d.stat, string(s.text))
	}
	return s.all, nil
}

// buffers are those of a scratch.
type buffers struct {
	buf [32 << 10]byte
	// text has for each name a byte with its type, the name, and a slash.
	text []byte
	all  []dirent
	stat unix.Stat_t
}

// split takes a text apart into names, which share it. A text from a cache may
// be anything: the two names that would lead elsewhere are refused.
func (s *buffers) split(text string) error {
	s.all = s.all[:0]
	for text != "" {
		end := strings.IndexByte(text[1:], '/') + 1
		if end <= 1 || text[1:end] == "." || text[1:end] == ".." {
			return errors.New("its list of names is damaged; run with --no-stat-cache")
		}
		s.all = append(s.all, dirent{text[1:end], text[0]})
		text = text[end+1:]
	}
	return nil
}

// The places of the fields in struct linux_dirent64.
const (
	direntLength = 16
	direntType   = 18
	direntName   = 19
)

// read sets text to what the directory holds.
func (s *buffers) read(fd int) error {
	s.text = s.text[:0]
	for {
		n, err := Retry(func() (int, error) { return unix.Getdents(fd, s.buf[:]) })
		if err != nil {
			return err
		}
		if n <= 0 {
			return nil
		}
		for rest := s.buf[:n]; len(rest) > direntName; {
			length := int(binary.NativeEndian.Uint16(rest[direntLength:]))
			if length <= direntName || length > len(rest) {
				return errors.New("the file system lists it wrongly")
			}
			name := rest[direntName:length]
			if end := bytes.IndexByte(name, 0); end >= 0 {
				name = name[:end]
			}
			if string(name) != "." && string(name) != ".." {
				s.text = append(append(append(s.text, rest[direntType]), name...), '/')
			}
			rest = rest[length:]
		}
	}
}
