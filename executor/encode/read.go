package encode

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// appendContent appends a part of the content of a regular file, or all of it.
func (tw *treeWriter) appendContent(files *source.Files, c *chunk, from piece) error {
	e := &tw.tree[from.entry]
	at := len(c.raw)
	p := part{entry: from.entry, at: at, start: from.start, size: from.end - from.start, whole: from.whole()}
	if e.File == "" {
		c.raw = append(c.raw, e.Content[from.start:from.end]...)
	} else {
		c.raw = slices.Grow(c.raw, int(p.size))[:at+int(p.size)]
		if err := tw.readFile(files, &p, c.raw[at:]); err != nil {
			return err
		}
	}
	if p.whole {
		if err := tw.hashWhole(&p, c.raw[at:]); err != nil {
			return err
		}
	}
	c.parts = append(c.parts, p)
	return nil
}

// cachedDigest is the digest that the cache has for a file, empty for none.
func (tw *treeWriter) cachedDigest(name string, info fs.FileInfo) (known digest.Digest, sum layer.Sum) {
	if tw.digests == nil {
		return "", sum
	}
	d, ok := tw.digests.Lookup(name, info)
	if !ok {
		return "", sum
	}
	if sum, ok = layer.SumOf(d); !ok {
		return "", sum
	}
	return d, sum
}

// hashWhole sets the digest of a file that a chunk holds all of.
func (tw *treeWriter) hashWhole(p *part, content []byte) error {
	if p.known != "" {
		return tw.setSum(p.entry, &p.sum)
	}
	p.sum = sha256.Sum256(content)
	tw.hashed.Add(p.size)
	if err := tw.setSum(p.entry, &p.sum); err != nil {
		return err
	}
	tw.cacheDigest(p.entry, p.info, &p.sum)
	return nil
}

// cacheDigest caches the digest of a file that was read whole.
func (tw *treeWriter) cacheDigest(i int, info fs.FileInfo, sum *layer.Sum) {
	if tw.digests != nil && info != nil {
		tw.digests.Store(tw.tree[i].File, info, sum.Digest())
	}
}

// readFile reads a part of an entry's file into buf and notices when the file
// is not, or does not stay, what the entry says.
func (tw *treeWriter) readFile(files *source.Files, p *part, buf []byte) error {
	e := &tw.tree[p.entry]
	tw.read.Add(p.size)
	tw.opened.Add(1)
	look := func(info fs.FileInfo) bool {
		if p.whole {
			p.known, p.sum = tw.cachedDigest(e.File, info)
			return p.known != ""
		}
		first := tw.firstStat(p.entry, info)
		p.known = first.known
		return p.known != "" && source.StatChanged(first.info, info) == ""
	}
	var expected func(fs.FileInfo) bool
	if tw.digests != nil && e.Digest != "" {
		expected = look
	}
	info, err := files.Read(e.File, buf, p.start, e.Size, expected)
	var changed *source.ChangedError
	switch {
	case errors.As(err, &changed):
		return changed
	case err != nil:
		return openError(e.File, err)
	}
	what := tw.changedSince(e, info)
	if !p.whole && what == "" {
		what = source.StatChanged(tw.firstStat(p.entry, info).info, info)
	}
	if what != "" {
		return &source.ChangedError{Path: e.File, What: what}
	}
	if p.info = info; p.known == "" {
		look(info)
	}
	return nil
}

// changedSince describes how a file differs from its observed state, its content left out.
func (tw *treeWriter) changedSince(e *source.Entry, info fs.FileInfo) string {
	if e.State == 0 || e.State == source.StateOf(info) {
		return ""
	}
	return "it is not the file that was observed"
}

// longFile is a file that spans chunks, as it was first seen. Its digest is
// looked up once: other layers may learn it while its chunks are read, in any
// order, and all of them go by one answer.
type longFile struct {
	info  fs.FileInfo
	known digest.Digest
}

// firstStat is the stat with which a long file was first read.
func (tw *treeWriter) firstStat(i int, info fs.FileInfo) longFile {
	tw.mu.Lock()
	defer tw.mu.Unlock()
	was, ok := tw.long[i]
	if !ok {
		was.info = info
		was.known, _ = tw.cachedDigest(tw.tree[i].File, info)
		tw.long[i] = was
	}
	return was
}

// openError is a ChangedError for a file that is gone or of another type, and the error
// itself for one that the system does not let us read.
func openError(name string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOENT && errno != syscall.ENOTDIR {
		return fmt.Errorf("%s: %w", name, err)
	}
	return &source.ChangedError{Path: name, What: err.Error()}
}
