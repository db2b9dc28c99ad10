package planner

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/stage"
)

// DriftKind says of what nature a drift is.
type DriftKind string

// The kinds of drift.
const (
	// DriftMissing: a blob is gone. DriftTorn: it is not what its name says.
	DriftMissing DriftKind = "blob-missing"
	DriftTorn    DriftKind = "blob-torn"
	// DriftTagMoved: somebody moved a tag. DriftTagGone: somebody removed it, or an
	// entry without a ref name.
	DriftTagMoved DriftKind = "tag-moved"
	DriftTagGone  DriftKind = "tag-gone"
	// DriftTagEdited: somebody changed what an entry says besides its digest.
	DriftTagEdited DriftKind = "tag-edited"
	// DriftNoLayout: the file oci-layout is gone, without which nobody takes the
	// directory for a layout.
	DriftNoLayout DriftKind = "no-layout"
	// DriftArchiveGone: the archive is gone. DriftArchiveChanged: it is not what apply wrote.
	DriftArchiveGone    DriftKind = "archive-gone"
	DriftArchiveChanged DriftKind = "archive-changed"
)

// Drift is one thing that somebody else changed in the layout.
type Drift struct {
	Kind DriftKind `json:"kind"`
	// Key names the change of the object that drifted.
	Key string `json:"key,omitempty"`
	// Ref is the ref name of an entry of index.json, empty for one without.
	Ref string `json:"ref,omitempty"`
	// Path is the archive that drifted.
	Path string `json:"path,omitempty"`
	// Was is what the last apply left, Is what stands there now.
	Was digest.Digest `json:"was,omitempty"`
	Is  digest.Digest `json:"is,omitempty"`
}

// addDrift records a drift.
func (d *differ) addDrift(drift Drift) { d.plan.Drift = append(d.plan.Drift, drift) }

// EntryDrift compares was, an entry of index.json that the last apply left, as the
// staging state keeps it, with those of its name that are there now: of its ref name
// or, without one, of its digest. It gives the first that differs, or says that there
// is none, and reports whether there is such a drift.
func EntryDrift(st *stage.Stage, was ocispec.Descriptor, now []ocispec.Descriptor) (Drift, bool) {
	drift := Drift{Kind: DriftTagGone, Ref: layout.RefName(was), Was: was.Digest}
	for _, is := range now {
		drift.Is = is.Digest
		switch {
		case is.Digest != was.Digest:
			drift.Kind = DriftTagMoved
			return drift, true
		case !st.SameEntry(was, is):
			drift.Kind = DriftTagEdited
			return drift, true
		}
	}
	return drift, len(now) == 0
}

// blobDrift is the drift of a blob that the last apply left, for which state was
// found, and reports whether there is one.
func blobDrift(key string, was digest.Digest, state layout.BlobState) (Drift, bool) {
	drift := Drift{Key: key, Was: was}
	switch state {
	case layout.Missing:
		drift.Kind = DriftMissing
	case layout.Torn:
		drift.Kind = DriftTorn
	default:
		return Drift{}, false
	}
	return drift, true
}

// driftText says a drift of a blob in words.
func driftText(kind DriftKind) string {
	switch kind {
	case DriftMissing:
		return "its blob is gone from the layout"
	case DriftTorn:
		return "its blob is not what its digest says"
	}
	return string(kind)
}
