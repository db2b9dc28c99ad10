package source

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/layform/layform/layout/stage"
	"github.com/layform/layform/spec"
)

// directory is how the walk reads dir, which becomes its to close. Copies that
// normalise metadata need one stat of each file and nothing of all else, and go
// without the work that os.Root does for each name.
func (w *walk) directory(dir *os.Root) (directory, error) {
	folders, knows := w.o.opts.Digests.(FolderDigester)
	if w.n.Metadata == spec.Preserve || w.o.opts.Hash && w.o.opts.Digests != nil && !knows {
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
	if knows {
		q.folders = folders
		q.device, q.tracked = tracked(q.fd)
	}
	return q, nil
}

// quick is a directory as its descriptor. All names that go with it are single
// components, as the system lists them, and links are never followed: nothing
// leads out of the tree.
type quick struct {
	fd int
	// folders knows digests; nil where nobody asks for them.
	folders FolderDigester
	// tracked is set on file systems that are known to give a directory a new
	// time whenever anything in it comes or goes; device is the one that is.
	tracked bool
	device  uint64
}

// tracked reports whether the names in a directory can be known by its stat,
// and on what device.
func tracked(fd int) (device uint64, ok bool) {
	var sys unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(fd, &sys) != nil || unix.Fstat(fd, &st) != nil {
		return 0, false
	}
	const zfs, bcachefs = 0x2fc12fc1, 0xca451a4e
	switch uint32(sys.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC, zfs, bcachefs:
		return uint64(st.Dev), true
	}
	return 0, false
}

func openQuick(at int, name string) (*quick, error) {
	fd, err := retry(func() (int, error) {
		return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, err
	}
	return &quick{fd: fd}, nil
}

func (d *quick) open(name string) (directory, error) {
	sub, err := openQuick(d.fd, name)
	if err != nil {
		return nil, err
	}
	sub.folders, sub.tracked, sub.device = d.folders, d.tracked, d.device
	return sub, nil
}

func (d *quick) close() { _ = unix.Close(d.fd) }

// retry calls a system call again while signals interrupt it.
func retry[T any](call func() (T, error)) (T, error) {
	for {
		v, err := call()
		if err != unix.EINTR {
			return v, err
		}
	}
}

func (d *quick) list(w *walk, rel string) ([]found, error) {
	s, ok := w.scratch.Get().(*scratch)
	if !ok {
		s = &scratch{}
	}
	defer w.scratch.Put(s)
	var known *stage.Folder
	if d.folders != nil {
		dir := path.Join(w.from, rel)
		if dir == "." {
			dir = ""
		}
		known = d.folders.Folder(dir)
	}
	if err := d.names(s, known); err != nil {
		return nil, err
	}
	here := make([]found, 0, len(s.names))
	folder := w.selection.Folder(rel)
	for _, n := range s.names {
		included, descend := folder.Take(n.name)
		if !included && !(descend && (n.kind == unix.DT_DIR || n.kind == unix.DT_UNKNOWN)) {
			continue // what cannot hold anything that is wanted is not even stat'ed
		}
		f := found{name: n.name, included: included}
		if n.kind != unix.DT_DIR {
			if err := d.look(w, &f, known, s); err != nil {
				w.problem(join(rel, n.name), err)
				continue
			}
		} else {
			f.kind, f.mode = kindDirectory, 0o755
			if unix.Fstatat(d.fd, n.name, &s.stat, unix.AT_SYMLINK_NOFOLLOW) == nil {
				w.lose(&f, lossOf(s.stat.Mode, f.mode, false))
			}
		}
		if !included && !(descend && f.kind == kindDirectory) || !w.o.checkName(w, rel, n.name) {
			continue
		}
		if f.kind == kindDirectory {
			f.below = &listing{}
		}
		here = append(here, f)
	}
	return here, nil
}

// look stats what is not known to be a directory.
func (d *quick) look(w *walk, f *found, known *stage.Folder, s *scratch) error {
	st := &s.stat
	if _, err := retry(func() (int, error) {
		return 0, unix.Fstatat(d.fd, f.name, st, unix.AT_SYMLINK_NOFOLLOW)
	}); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.kind, f.mode, f.size = kindRegular, fileMode(st.Mode&0o100 != 0), st.Size
		w.lose(f, lossOf(st.Mode, f.mode, st.Mode&0o111 != 0 && d.capable(f.name)))
		if known != nil {
			f.sum = known.Lookup(f.name, statOf(st))
		}
		if f.sum == nil && f.included {
			f.state = statOf(st).Hash()
			w.unread.Store(true)
		}
		return nil
	case unix.S_IFDIR:
		f.kind, f.mode = kindDirectory, 0o755
		w.lose(f, lossOf(st.Mode, f.mode, false))
		return nil
	case unix.S_IFLNK:
		target, err := readlink(d.fd, f.name)
		f.kind, f.mode, f.link = kindSymlink, 0o777, &target
		return err
	}
	if !f.included {
		return nil
	}
	return unfit(modeOf(st.Mode))
}

func readlink(fd int, name string) (string, error) {
	for buf := make([]byte, 128); ; buf = make([]byte, 4*len(buf)) {
		n, err := retry(func() (int, error) { return unix.Readlinkat(fd, name, buf) })
		if err != nil {
			return "", err
		}
		if n < len(buf) {
			return string(buf[:n]), nil
		}
	}
}

// modeOf is the type of a special file.
func modeOf(mode uint32) fs.FileMode {
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

// names sets the names in s, from the cache where it knows them.
func (d *quick) names(s *scratch, known *stage.Folder) error {
	remember := false
	var st stage.Stat
	if known != nil && d.tracked && unix.Fstat(d.fd, &s.stat) == nil && uint64(s.stat.Dev) == d.device {
		st, remember = statOf(&s.stat), true
		if text, ok := known.Names(st); ok {
			return s.split(text)
		}
	}
	if err := s.read(d.fd); err != nil {
		return err
	}
	if err := s.split(string(s.text)); err != nil {
		return err
	}
	slices.SortFunc(s.names, func(a, b dirent) int { return strings.Compare(a.name, b.name) })
	if remember {
		s.text = s.text[:0]
		for _, n := range s.names {
			s.text = append(append(append(s.text, n.kind), n.name...), '/')
		}
		known.SetNames(st, string(s.text))
	}
	return nil
}

// scratch is what listing a directory needs for a moment.
type scratch struct {
	buf [32 << 10]byte
	// text has for each name a byte with its type, the name, and a slash.
	text  []byte
	names []dirent
	stat  unix.Stat_t
}

// dirent is a name in a directory, and its type where the file system tells it.
type dirent struct {
	name string
	kind byte
}

// split takes a text apart into names, which share it. A text from a cache may
// be anything: the two names that would lead elsewhere are refused.
func (s *scratch) split(text string) error {
	s.names = s.names[:0]
	for text != "" {
		end := strings.IndexByte(text[1:], '/') + 1
		if end <= 1 || text[1:end] == "." || text[1:end] == ".." {
			return errors.New("its list of names is damaged; run with --no-stat-cache")
		}
		s.names = append(s.names, dirent{text[1:end], text[0]})
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
func (s *scratch) read(fd int) error {
	s.text = s.text[:0]
	for {
		n, err := retry(func() (int, error) { return unix.Getdents(fd, s.buf[:]) })
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
