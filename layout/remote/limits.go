package remote

import (
	"cmp"
	"time"

	"github.com/layform/layform/layout/imagespec"
)

// Limits bounds what a registry can make a client do. A field that is zero has
// the default that its comment gives.
type Limits struct {
	Document  int64 // bytes of a manifest or of one page of a list: 4 MiB
	Pages     int   // pages of one list: 1000
	Tags      int   // tags of one list: 1,000,000
	Referrers int   // referrers of one manifest, and of one WalkReferrers: 10,000
	Depth     int   // referrers of referrers: 8
	Token     int   // bytes of a token: 16 KiB
	Redirects int   // redirects of one request: 5
	Attempts  int   // attempts in a row that make no progress: 6

	Wait   time.Duration // sum of the waits between the attempts of one operation: 1 minute
	Dial   time.Duration // connecting, and the TLS handshake, each: 10 seconds
	Header time.Duration // from the end of a request to its answer: 1 minute, and 1 second for each 8 MiB of a blob that is uploaded
	Idle   time.Duration // time in which less than 4 KiB arrive or leave: 30 seconds
}

func (l Limits) withDefaults() Limits {
	return Limits{
		Document:  cmp.Or(l.Document, imagespec.MaxDocument),
		Pages:     cmp.Or(l.Pages, 1000),
		Tags:      cmp.Or(l.Tags, 1_000_000),
		Referrers: cmp.Or(l.Referrers, 10_000),
		Depth:     cmp.Or(l.Depth, imagespec.MaxGraphDepth),
		Token:     cmp.Or(l.Token, 16<<10),
		Redirects: cmp.Or(l.Redirects, 5),
		Attempts:  cmp.Or(l.Attempts, 6),
		Wait:      cmp.Or(l.Wait, time.Minute),
		Dial:      cmp.Or(l.Dial, 10*time.Second),
		Header:    cmp.Or(l.Header, time.Minute),
		Idle:      cmp.Or(l.Idle, 30*time.Second),
	}
}
