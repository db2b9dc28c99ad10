package encode

import (
	"math/bits"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
	"github.com/layform/layform/planner/source"
)

// cutRule is the rule by which a tar is cut into chunks. It decides bytes: see
// layer.Encoding. Boundaries lie between entries, where the paths and sizes near them
// decide and nothing else, so that a change moves the boundaries near it alone.
type cutRule struct {
	// A chunk ends before the first entry that would take it beyond max, or that is a
	// boundary once the chunk has min bytes; by a hash of their path, in proportion to
	// their length, one entry in every average bytes is a boundary. A file longer than
	// fileSplit is cut at its multiples.
	min, average, fileSplit, max int64
}

// ruleOf is the rule of an algorithm. The sizes come from measurements: zstd
// loses more to a fresh start than gzip, whose window is 32 KiB.
func ruleOf(a imagespec.Algorithm) cutRule {
	const kib = 1 << 10
	if a == imagespec.Zstd {
		return cutRule{min: 1024 * kib, average: 1024 * kib, fileSplit: 1792 * kib, max: 2048 * kib}
	}
	return cutRule{min: 256 * kib, average: 256 * kib, fileSplit: 512 * kib, max: 1024 * kib}
}

// cutter follows a tar entry by entry.
type cutter struct {
	rule cutRule
	// size is the length of the chunk that is being filled.
	size int64
}

// endsBefore reports whether a chunk ends before an entry, which takes head bytes
// of headers and holds size bytes of content.
func (c *cutter) endsBefore(path string, head, size int64) bool {
	if c.size == 0 {
		return false
	}
	first := head + layer.Span(size)
	if size > c.rule.fileSplit {
		first = head + c.rule.fileSplit
	}
	if c.size+first > c.rule.max {
		return true
	}
	return c.size >= c.rule.min && isBoundary(path, head+layer.Span(size), c.rule.average)
}

// isBoundary reports whether a chunk may end before an entry of a length: before about
// one in every average bytes.
func isBoundary(path string, length, average int64) bool {
	if length >= average {
		return true
	}
	// hash/2^64 < length/average, in 128 bits.
	high, _ := bits.Mul64(hashPath(path), uint64(average))
	return high < uint64(length)
}

// hashPath is FNV-1a, with a finishing mix that spreads short paths over all bits.
func hashPath(path string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(path); i++ {
		h = (h ^ uint64(path[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// position is a place in the tar of a tree: before the header of an entry, or,
// for a content above 0, that far into its content.
type position struct {
	entry   int
	content int64
}

// span is the part of the tar that one chunk holds.
type span struct {
	from, to position
	size     int64
	// last is set for the chunk that ends the tar, trailer included.
	last bool
}

// cut calls yield for the spans of the entries' tar, in order, until it answers
// false. Lengths of headers must have been checked before.
func cut(entries []source.Entry, lengths []int64, rule cutRule, yield func(span) bool) {
	c := cutter{rule: rule}
	var from position
	end := func(to position) bool {
		s := span{from: from, to: to, size: c.size}
		from, c.size = to, 0
		return yield(s)
	}
	for i := range entries {
		e := &entries[i]
		size := int64(0)
		if e.Type == layer.Regular {
			size = e.Size
		}
		if c.endsBefore(e.Path, lengths[i], size) && !end(position{entry: i}) {
			return
		}
		c.size += lengths[i]
		rest := size
		for rest > rule.fileSplit {
			rest -= rule.fileSplit
			c.size += rule.fileSplit
			if !end(position{entry: i, content: size - rest}) {
				return
			}
		}
		c.size += layer.Span(rest)
	}
	c.size += layer.TrailerSize
	yield(span{from: from, to: position{entry: len(entries)}, size: c.size, last: true})
}
