package layout

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Entries are the entries of a name, in the order of the file: none, one, or several,
// for the image spec does not forbid that.
func (x *Index) Entries(name EntryName) []ocispec.Descriptor {
	var out []ocispec.Descriptor
	for _, i := range x.at(name) {
		out = append(out, *x.entries[i].desc)
	}
	return out
}

// CheckTwins checks that entries of one name say the same, as SameEntry has it: these
// are one entry. The error names what to do about those that differ.
func CheckTwins(entries []ocispec.Descriptor) error {
	differs := func(d ocispec.Descriptor) bool { return !SameEntry(entries[0], d) }
	if len(entries) < 2 || !slices.ContainsFunc(entries[1:], differs) {
		return nil
	}
	name := RefName(entries[0])
	what, remedy := fmt.Sprintf("have the ref name %q", name), fmt.Sprintf("give the name to one of them, with layform layout tag LAYOUT@DIGEST %s", name)
	if name == "" {
		what, remedy = fmt.Sprintf("lead to %s without a ref name", entries[0].Digest), "remove the wrong ones from index.json, with the tool that wrote them or by hand"
	}
	return fmt.Errorf("%d entries of index.json %s and do not say the same, and layform cannot tell which of them is meant: %s", len(entries), what, remedy)
}

// MergeTwins keeps the first of the entries that are identical: of the same members,
// those that nobody knows included. It gives those that it removed.
func (x *Index) MergeTwins() ([]ocispec.Descriptor, error) {
	first := map[string]bool{}
	var twins []int
	for i, e := range x.entries {
		if e.removed {
			continue
		}
		said := jsontext.Value(bytes.Clone(e.raw))
		if err := said.Format(jsontext.ReorderRawObjects(true)); err != nil {
			return nil, err
		}
		if first[string(said)] {
			twins = append(twins, i)
		}
		first[string(said)] = true
	}
	var gone []ocispec.Descriptor
	for _, i := range twins {
		gone = append(gone, *x.entries[i].desc)
	}
	for _, i := range slices.Backward(twins) {
		x.remove(i)
	}
	x.places = nil
	return gone, nil
}
