package transfer

import (
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Plan is the input of Execute: a plain value. Nothing in it depends on the time or the
// order in which requests were answered.
type Plan struct {
	Roots     []Root     `json:"roots"`
	Referrers []Referrer `json:"referrers"`
	// Steps are all blobs and manifests, in the order of their phases: content is
	// in an earlier phase than what names it.
	Steps []Step `json:"steps"`
}

// Step is one blob or manifest.
type Step struct {
	Descriptor ocispec.Descriptor `json:"descriptor"`
	Manifest   bool               `json:"manifest"`
	Action     Action             `json:"action"`
	// From is the repository that a blob is mounted from, if the registry does that.
	From string `json:"from,omitempty"`
	// Phase is 0 for blobs, and grows from the leaves to the roots.
	Phase int `json:"phase"`
	// Content are the bytes of a manifest, so that it is read once. Where they are
	// left out, they are read again.
	Content []byte `json:"-"`
}

// Action is how a blob or manifest comes to the destination.
type Action string

// The actions.
const (
	There  Action = "there"  // the destination has it
	Mount  Action = "mount"  // from a repository beside, or else Upload
	Upload Action = "upload" // its bytes are sent
	// Skipped: not sent, for its license allows distribution from its URLs alone. Only
	// in results.
	Skipped Action = "skipped"
)

// Sum counts content.
type Sum struct {
	Count int   `json:"count"`
	Bytes int64 `json:"bytes"`
}

func (s *Sum) add(desc ocispec.Descriptor) {
	s.Count++
	s.Bytes += desc.Size
}

// Summary counts the steps of a plan, or what was done.
type Summary struct {
	There   Sum `json:"there"`
	Mount   Sum `json:"mount"`
	Upload  Sum `json:"upload"`
	Skipped Sum `json:"skipped"`
	// Referrers is the number of referrers, whatever becomes of them.
	Referrers int `json:"referrers"`
}

func (s *Summary) add(desc ocispec.Descriptor, a Action) {
	switch a {
	case There:
		s.There.add(desc)
	case Mount:
		s.Mount.add(desc)
	case Upload:
		s.Upload.add(desc)
	case Skipped:
		s.Skipped.add(desc)
	}
}

// Summary counts what the plan says.
func (p *Plan) Summary() Summary {
	s := Summary{Referrers: len(p.Referrers)}
	for _, step := range p.Steps {
		s.add(step.Descriptor, step.Action)
	}
	return s
}

// Changes reports whether the destination will be written to.
func (p *Plan) Changes() bool {
	for _, step := range p.Steps {
		if step.Action != There {
			return true
		}
	}
	for _, root := range p.Roots {
		for _, tag := range root.Tags {
			if tag.Action != TagKept {
				return true
			}
		}
	}
	return false
}

// Result summarises an execution. After an error it is nil.
type Result struct {
	Roots   []Root  `json:"roots"`
	Summary Summary `json:"summary"`
}

// stepKey identifies content by digest and role: the same bytes may be a manifest to
// one and a mere blob to another.
type stepKey struct {
	digest   digest.Digest
	manifest bool
}
