package source

import (
	"crypto/sha256"
	"hash"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/spec"
)

// fingerprint is what Tree.Fingerprint gives for the layer of this copy alone,
// from what the walk found: no entry is made for that. It answers false where
// nobody knows a fingerprint to compare it with, while digests are unknown, and
// for copies that preserve metadata, among which may be hard links.
func (w *walk) fingerprint() (digest.Digest, bool) {
	if w == nil || w.o.opts.Known == "" || w.n.Metadata == spec.Preserve || w.unread.Load() || w.o.diags.HasErrors() {
		return "", false
	}
	s := &summer{w: w, hash: sha256.New()}
	s.buf = record(s.buf, "tree")
	s.parents()
	if !w.bare {
		s.entry(w.top, []byte(w.to))
	}
	if below := w.top.below; below != nil {
		s.listing(below, []byte(w.n.To))
	}
	s.hash.Write(s.buf)
	return digest.NewDigest(digest.SHA256, s.hash), !w.o.diags.HasErrors()
}

// summer covers entries one after the other.
type summer struct {
	w    *walk
	hash hash.Hash
	buf  []byte
	e    Entry
}

// parents covers the directories above the copy, which nobody declared.
func (s *summer) parents() {
	if s.w.bare {
		return
	}
	for k, c := range []byte(s.w.to) {
		if c == '/' {
			e := s.w.o.parent(s.w.to[:k])
			s.buf = recordEntry(s.buf, e.Path, &e.Entry, nil)
		}
	}
}

// listing covers the tree of a directory, whose path is dir.
func (s *summer) listing(l *listing, dir []byte) {
	if len(dir) > 0 {
		dir = append(dir, '/')
	}
	for i := range l.found {
		f := &l.found[i]
		path := append(dir, f.name...)
		s.entry(f, path)
		if f.below != nil {
			s.listing(f.below, path)
		}
	}
}

// entry covers one entry. Those of regular files have their sums.
func (s *summer) entry(f *found, path []byte) {
	var content []byte
	if f.kind == kindRegular {
		content = f.sum[:]
	}
	s.e = Entry{}
	s.w.describe(&s.e, f)
	if s.buf = recordEntry(s.buf, path, &s.e.Entry, content); len(s.buf) > recordBuffer {
		s.hash.Write(s.buf)
		s.buf = s.buf[:0]
	}
}
