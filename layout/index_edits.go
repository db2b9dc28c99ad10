package layout

import (
	"bytes"
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/jsondoc"
)

// Set makes desc the only entry with its ref name, in the place of the first
// that has it, or else at the end. An entry without a ref name takes the place
// of that with the same digest and no ref name. An entry that says the same
// already, as SameEntry has it, keeps its bytes. The error is that of a
// descriptor that is malformed.
func (x *Index) Set(desc ocispec.Descriptor) error {
	if err := checkDescriptor(desc); err != nil {
		return err
	}
	raw, err := jsondoc.Encode(desc)
	if err != nil {
		return err
	}
	raw = bytes.TrimSuffix(raw, []byte("\n"))
	same := x.at(nameOf(desc))
	if len(same) == 0 {
		x.append(entry{desc: &desc, raw: raw})
		return nil
	}
	for len(same) > 1 {
		x.remove(same[len(same)-1])
		same = same[:len(same)-1]
	}
	x.places[nameOf(desc)] = same
	if e := &x.entries[same[0]]; !SameEntry(*e.desc, desc) {
		e.desc, e.raw = &desc, raw
	}
	return nil
}

// Remove removes all entries with the ref name ref, which is not empty. It
// reports whether there was one.
func (x *Index) Remove(ref string) bool {
	return ref != "" && x.removeAll(NameOf(ref, ""))
}

// RemoveUntagged removes the entries for dgst that have no ref name. It reports
// whether there was one.
func (x *Index) RemoveUntagged(dgst digest.Digest) bool {
	return x.removeAll(NameOf("", dgst))
}

// RemoveWhere removes the entries that match. It reports whether there was one.
func (x *Index) RemoveWhere(match func(ocispec.Descriptor) bool) bool {
	found := false
	for i := len(x.entries) - 1; i >= 0; i-- {
		if i < len(x.entries) && !x.entries[i].removed && match(*x.entries[i].desc) {
			x.remove(i)
			found = true
		}
	}
	x.places = nil
	return found
}

func (x *Index) removeAll(name EntryName) bool {
	places := x.at(name)
	delete(x.places, name)
	for _, i := range slices.Backward(places) {
		x.remove(i)
	}
	return len(places) > 0
}

// append adds an entry at the end, set off as the last one was.
func (x *Index) append(e entry) {
	if n := len(x.entries); n > 0 {
		last := &x.entries[n-1]
		e.lead, e.trail = last.lead, last.trail
		last.trail = nil
	}
	x.places[nameOf(*e.desc)] = append(x.places[nameOf(*e.desc)], len(x.entries))
	x.entries = append(x.entries, e)
}

// remove takes the entry at a place out of the document. Others keep their
// places; the last one of entries is never one that was removed.
func (x *Index) remove(i int) {
	x.entries[i].removed = true
	n := len(x.entries)
	if i < n-1 {
		return
	}
	trail := x.entries[i].trail
	for n > 0 && x.entries[n-1].removed {
		n--
	}
	if x.entries = x.entries[:n]; n > 0 {
		x.entries[n-1].trail = trail
	}
}
