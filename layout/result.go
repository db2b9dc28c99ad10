package layout

import "github.com/opencontainers/go-digest"

// Result is what Digest will be once the Index, as it was edited, is written.
func (x *Index) Result() digest.Digest { return indexDigest(x.Encode()) }
