package layer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"iter"
	"slices"

	"github.com/layform/layform/layout/imagespec"
)

// tree is a tree of files with a few dozen bytes for each, for images have millions
// of them: nodes refer to each other, and to what is said of them, by numbers.
type tree struct {
	nodes blocks[treeNode]
	// text holds, for each node, its name with the length before it, the number of the
	// node whose content it shares if it is a hard link, and its entry as tables of
	// contents store it, if it has one.
	text arena
	// slots is a hash table of the nodes by directory and name, and used the number of
	// its slots that are not free.
	slots []nodeID
	used  int
	seed  maphash.Seed
	types []Type
	codes map[Type]uint8
	buf   writer
}

// nodeID is the number of a node in a tree.
type nodeID int32

const (
	rootNode nodeID = 0
	// noNode is no node: the root is in no directory, and has no content.
	noNode nodeID = 0
	// deletedSlot is in a slot of which the node was removed.
	deletedSlot nodeID = -1
)

// treeNode is a path of an image.
type treeNode struct {
	// text is the place of what is said of it; the root of an empty tree has none.
	text   place
	parent nodeID
	// child is the first node in a directory, and next the next one in the same.
	child, next nodeID
	layer       int32
	// length is that of the path.
	length uint16
	// code is the code of the type.
	code  uint8
	state nodeState
}

// nodeState is the state of a node: whether it has an entry, and whether it was
// removed.
type nodeState uint8

const (
	// described is a node that has an entry, and undescribed a directory without one.
	undescribed nodeState = iota
	described
	// removed is a node that is no longer in its directory.
	removed
)

// nodeCost is about what a node takes: itself, and its share of the hash table.
const nodeCost = 32

// start makes the root of a new tree.
func (t *tree) start() {
	if t.nodes.n > 0 {
		return
	}
	t.types, t.codes, t.seed = typeCodes(), map[Type]uint8{}, maphash.MakeSeed()
	for code, typ := range t.types {
		t.codes[typ] = uint8(code)
	}
	t.slots = make([]nodeID, 16)
	t.nodes.add(treeNode{layer: -1, code: t.codes[Directory]})
}

// memory is about how many bytes the tree takes.
func (t *tree) memory() int64 { return nodeCost*int64(t.nodes.n) + t.text.size }

func (t *tree) at(n nodeID) *treeNode { return t.nodes.at(int(n)) }

// kind is the type of a node.
func (t *tree) kind(n nodeID) Type { return t.types[t.at(n).code] }

func (t *tree) isDir(n nodeID) bool { return t.kind(n) == Directory }

func (t *tree) hasEntry(n nodeID) bool { return t.at(n).state == described }

// piece gives the name of a node, and what else is said of it.
func (t *tree) piece(n nodeID) (name, rest []byte) {
	if t.at(n).text == noPlace {
		return nil, nil
	}
	all := t.text.at(t.at(n).text)
	length, at := binary.Uvarint(all)
	return all[at : at+int(length)], all[at+int(length):]
}

func (t *tree) name(n nodeID) []byte {
	name, _ := t.piece(n)
	return name
}

// target is the node whose content a hard link shares, as it was when the link was
// made; noNode where there is none.
func (t *tree) target(n nodeID) nodeID {
	_, rest := t.piece(n)
	return nodeID(binary.LittleEndian.Uint32(rest))
}

// path is the place of a node in the image.
func (t *tree) path(n nodeID) string {
	if n == rootNode {
		return "."
	}
	p := make([]byte, t.at(n).length)
	for end := len(p); n != rootNode; n = t.at(n).parent {
		name := t.name(n)
		copy(p[end-len(name):], name)
		if end -= len(name) + 1; end >= 0 {
			p[end] = '/'
		}
	}
	return string(p)
}

// hasPath reports whether a node is at a path.
func (t *tree) hasPath(n nodeID, p string) bool {
	if n == rootNode {
		return p == "."
	}
	if len(p) != int(t.at(n).length) {
		return false
	}
	for ; n != rootNode; n = t.at(n).parent {
		name := t.name(n)
		if p[len(p)-len(name):] != string(name) {
			return false
		}
		p = p[:max(0, len(p)-len(name)-1)]
	}
	return true
}

// dots is the directory that an empty part of a path, "." or ".." leads to; false
// for a name. What lies above the root is the root.
func (t *tree) dots(n nodeID, part string) (nodeID, bool) {
	switch part {
	case "", ".":
		return n, true
	case "..":
		return t.at(n).parent, true
	}
	return noNode, false
}

// slot is the place of a node in the hash table: the one that has it, or else a free one.
func (t *tree) slot(dir nodeID, name []byte) int {
	mask := len(t.slots) - 1
	free := -1
	for i := int(maphash.Bytes(t.seed, name)^uint64(dir)*0x9e3779b97f4a7c15) & mask; ; i = (i + 1) & mask {
		switch n := t.slots[i]; {
		case n == noNode && free >= 0:
			return free
		case n == noNode:
			return i
		case n == deletedSlot:
			if free < 0 {
				free = i
			}
		case t.at(n).parent == dir && bytes.Equal(t.name(n), name):
			return i
		}
	}
}

// child is the node of a name in a directory, and false where there is none.
func (t *tree) child(dir nodeID, name string) (nodeID, bool) {
	n := t.slots[t.slot(dir, []byte(name))]
	return n, n > noNode
}

// children lists the nodes in a directory, in no order. A node may be removed when it
// is listed.
func (t *tree) children(dir nodeID) iter.Seq[nodeID] {
	return func(yield func(nodeID) bool) {
		last := noNode
		for c := t.at(dir).child; c != noNode; c = t.at(c).next {
			switch {
			case t.at(c).state != removed:
				if last = c; !yield(c) {
					return
				}
			case last == noNode:
				t.at(dir).child = t.at(c).next
			default:
				t.at(last).next = t.at(c).next
			}
		}
	}
}

// isEmpty reports whether a node has none below it.
func (t *tree) isEmpty(dir nodeID) bool {
	for range t.children(dir) {
		return false
	}
	return true
}

// put makes a node in a directory, in place of the one that has the name. It is
// described or implied before anything else is done with the tree.
func (t *tree) put(dir nodeID, name string) (nodeID, error) {
	length := len(name)
	if dir != rootNode {
		length += int(t.at(dir).length) + 1
	}
	if length >= imagespec.MaxPath {
		return noNode, errLongPath
	}
	if 4*(t.used+1) > 3*len(t.slots) {
		t.rehash()
	}
	i := t.slot(dir, []byte(name))
	switch was := t.slots[i]; {
	case was > noNode:
		t.at(was).state = removed
	case was == noNode:
		t.used++
	}
	n := nodeID(t.nodes.add(treeNode{parent: dir, next: t.at(dir).child, length: uint16(length)}))
	t.at(dir).child, t.slots[i] = n, n
	return n, nil
}

// rehash makes room in the hash table.
func (t *tree) rehash() {
	old := t.slots
	t.slots, t.used = make([]nodeID, 2*len(old)), 0
	for _, n := range old {
		if n > noNode {
			t.slots[t.slot(t.at(n).parent, t.name(n))] = n
			t.used++
		}
	}
}

// undescribe makes a node a directory without an entry.
func (t *tree) undescribe(n nodeID, layer int32) {
	node := t.at(n)
	node.layer, node.code, node.state = layer, t.codes[Directory], undescribed
}

// remove takes a node, which has none below it, out of its directory.
func (t *tree) remove(n nodeID) {
	t.slots[t.slot(t.at(n).parent, t.name(n))] = deletedSlot
	t.at(n).state = removed
}

// imply makes a new node a directory without an entry.
func (t *tree) imply(n nodeID, name string, layer int32) {
	t.buf.buf = t.buf.buf[:0]
	t.buf.string(name)
	t.at(n).text = t.text.add(t.buf.buf)
	t.undescribe(n, layer)
}

// describe gives a node its entry, and the node whose content it shares if that is a
// hard link.
func (t *tree) describe(n nodeID, name string, e *Entry, target nodeID, layer int32) error {
	code, ok := t.codes[e.Type]
	if !ok {
		return errors.New("its type is none of a layer")
	}
	t.buf.buf = t.buf.buf[:0]
	t.buf.string(name)
	if e.Type == Hardlink {
		t.buf.buf = binary.LittleEndian.AppendUint32(t.buf.buf, uint32(target))
	}
	if e.write(&t.buf, int(code), nil); t.buf.err != nil {
		return t.buf.err
	}
	node := t.at(n)
	node.text, node.layer, node.code, node.state = t.text.add(t.buf.buf), layer, code, described
	return nil
}

// entry is the entry of a node that has one, with the path of the layer.
func (t *tree) entry(n nodeID) *Entry {
	_, rest := t.piece(n)
	if t.kind(n) == Hardlink {
		rest = rest[4:]
	}
	e := &Entry{}
	e.read(newReader(rest, &Texts{}), t.types)
	if e.Path == "" {
		e.Path = t.path(n)
	}
	return e
}

// blocks is a list that grows without being copied.
type blocks[T any] struct {
	all [][]T
	n   int
}

// blockLength is how many elements a block has; a power of 2.
const blockLength = 1 << 12

// add appends an element and gives its number.
func (b *blocks[T]) add(v T) int {
	if b.n%blockLength == 0 {
		b.all = append(b.all, nil)
	}
	last := &b.all[len(b.all)-1]
	if len(b.all) > 1 && *last == nil {
		*last = make([]T, 0, blockLength)
	}
	*last = append(*last, v)
	b.n++
	return b.n - 1
}

func (b *blocks[T]) at(i int) *T { return &b.all[i/blockLength][i%blockLength] }

// arena holds pieces of bytes one after the other.
type arena struct {
	blocks [][]byte
	// size is about the number of bytes that they take.
	size int64
}

// place is where a piece is in an arena.
type place uint32

const (
	noPlace place = 0
	// arenaBlock is the length of a block, a longer piece having one of its own.
	arenaBlock  = 1 << 16
	arenaOffset = 16 // the bits of a place that are for the place in the block
)

// add appends a piece, which MaxOverlay keeps from being one too many.
func (a *arena) add(piece []byte) place {
	var head [binary.MaxVarintLen64]byte
	length := binary.PutUvarint(head[:], uint64(len(piece)))
	total := length + len(piece)
	if n := len(a.blocks); n == 0 {
		a.blocks = append(a.blocks, make([]byte, 1, 64)) // no piece is at noPlace
		a.size += arenaBlock
	} else if len(a.blocks[n-1])+total > arenaBlock {
		a.blocks = append(a.blocks, make([]byte, 0, max(total, arenaBlock)))
		a.size += int64(max(total, arenaBlock))
	}
	n := len(a.blocks) - 1
	at := place(n<<arenaOffset | len(a.blocks[n]))
	a.blocks[n] = append(slices.Grow(a.blocks[n], total), head[:length]...)
	a.blocks[n] = append(a.blocks[n], piece...)
	return at
}

// at is the piece at a place. It is not to be written to.
func (a *arena) at(p place) []byte {
	rest := a.blocks[p>>arenaOffset][p&(arenaBlock-1):]
	length, n := binary.Uvarint(rest)
	return rest[n : n+int(length)]
}
