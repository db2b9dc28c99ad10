package stage

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layer"
)

// Cache maps files to the digests of their content: a file whose size, times, inode and
// device did not change has the content that it had. It is safe for use by several
// goroutines.
//
// Times are coarse: a file can change twice within one tick and look the same.
// So, as git does for its index, a file that changed after the Cache was opened,
// or so shortly before that the same tick may have seen another change, is not
// remembered; it is read again next time.
type Cache struct {
	store  *layout.Store
	opened time.Time

	mu      sync.Mutex
	folders map[string]*Folder
	dirty   bool
}

// Stat is the part of a regular file's stat that changes with its content; times are in
// nanoseconds since the epoch.
type Stat struct {
	Size, Mtime, Ctime int64
	Inode, Device      uint64
}

// Hash is a 64-bit hash of a Stat; never 0.
func (s Stat) Hash() uint64 {
	var h uint64
	for _, v := range [...]uint64{uint64(s.Size), uint64(s.Mtime), uint64(s.Ctime), s.Inode, s.Device} {
		// The finaliser of MurmurHash3, which spreads each bit over all others.
		h ^= v
		h = (h ^ h>>33) * 0xff51afd7ed558ccd
		h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
		h ^= h >> 33
	}
	return max(h, 1)
}

// CacheFile is the state file of the stat cache.
const CacheFile = "stat.cache"

const (
	// The bounds of the file: bytes, folders, and bytes of their names. Together
	// they keep what a forged file can make of the memory under 128 MB. What is
	// beyond them is not saved, and read again each time.
	cacheLimit  = 92 << 20
	folderLimit = 1 << 17
	nameLimit   = 8 << 20
	// maxIdle is how many saves an entry survives without being asked for.
	maxIdle = 20
	// A file system that keeps fractions of seconds keeps ticks of at most 10 ms;
	// others may keep two seconds.
	fineTick   = int64(50 * time.Millisecond)
	coarseTick = int64(2 * time.Second)
)

// OpenCache reads the stat cache of a layout. One that does not exist, or is
// damaged, of another version, or larger than Save would write it, is empty: it
// costs time alone.
func OpenCache(store *layout.Store) *Cache {
	c := &Cache{store: store, opened: time.Now(), folders: map[string]*Folder{}}
	if folders, err := c.read(); err == nil {
		c.folders = folders
	}
	return c
}

// CheckCache returns the error of a stat cache that OpenCache takes for an empty one; nil
// where there is none.
func CheckCache(store *layout.Store) error {
	_, err := (&Cache{store: store}).read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// read reads the file.
func (c *Cache) read() (map[string]*Folder, error) {
	content, err := c.store.ReadCache(CacheFile, cacheMagic, cacheLimit)
	if err != nil {
		return nil, err
	}
	return c.decode(content)
}

// Lookup returns the digest of the file at path if info is equal to the one that it was
// stored with. path is any name that means the same file each time.
func (c *Cache) Lookup(path string, info fs.FileInfo) (digest.Digest, bool) {
	st, ok := StatOf(info)
	if !ok {
		return "", false
	}
	dir, name := splitPath(path)
	sum := c.Folder(dir).Lookup(name, st)
	if sum == nil {
		return "", false
	}
	return sum.Digest(), true
}

// Folder is the part of the Cache for the files whose paths are dir, a slash and a
// name; for an empty dir, those without a slash. It is never nil, and asks what Lookup
// asks with less work for each file.
func (c *Cache) Folder(dir string) *Folder {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.folders[dir]
	if f == nil {
		f = &Folder{cache: c}
		c.folders[dir] = f
	}
	return f
}

// splitPath divides a path into its folder and its name there.
func splitPath(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	switch i {
	case -1:
		return "", path
	case 0:
		return "/", path[1:]
	}
	return path[:i], path[i+1:]
}

// Store remembers the digest of the file at path. info must have been taken
// before the content was read, and the content must have been read since the
// Cache was opened. A file that could have changed unseen is not remembered.
func (c *Cache) Store(path string, info fs.FileInfo, dgst digest.Digest) {
	st, ok := StatOf(info)
	if !ok {
		return
	}
	if c.racy(st) {
		c.put(path, nil)
		return
	}
	c.remember(path, st, dgst)
}

// racy reports whether something could have changed again unseen after st was
// taken.
func (c *Cache) racy(st Stat) bool {
	tick := fineTick
	if st.Mtime%int64(time.Second) == 0 && st.Ctime%int64(time.Second) == 0 {
		tick = coarseTick
	}
	return max(st.Mtime, st.Ctime) >= c.opened.UnixNano()-tick
}

// Trust remembers the digest of a file that only the caller writes, however
// young it is.
func (c *Cache) Trust(path string, info fs.FileInfo, dgst digest.Digest) {
	if st, ok := StatOf(info); ok {
		c.remember(path, st, dgst)
	}
}

func (c *Cache) remember(path string, st Stat, dgst digest.Digest) {
	if sum, ok := layer.SumOf(dgst); ok {
		c.put(path, &remembered{stat: st, sum: sum})
	}
}

// put remembers r, or with nil forgets what it knew of the file.
func (c *Cache) put(path string, r *remembered) {
	dir, name := splitPath(path)
	if c.Folder(dir).put(name, r) {
		c.changed()
	}
}

func (c *Cache) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirty = true
}

// Save writes the cache when it changed; folders for which a file of 92 MiB, some
// 900,000 files, has no room are left out. In a layout that does not exist
// yet it writes nothing. An error, as in a layout that is read-only, may be ignored.
func (c *Cache) Save(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dirty || !c.store.Initialised() {
		return nil
	}
	if err := c.store.SaveCache(CacheFile, cacheMagic, pack(c.folders).write); err != nil {
		return err
	}
	c.dirty = false
	return nil
}
