// Package remote is a client of one repository of a registry, by the OCI
// distribution spec.
//
// A Repository carries the names that layouts carry (Fetch, Exists, Push, Resolve,
// Tag, Predecessors), so that it is a target of oras-go too, and what only
// registries have: Mount, conditional tags, Tags, Referrers, Untag, Delete.
// Authentication, credential helpers and the checks of token services are
// oras-go's; the requests are this package's own, because they have to be repeated
// with their bodies, resumed, made conditional, and answered by registries that
// keep only part of the spec.
//
// # What is trusted
//
// A registry is not. Content is returned only when size and digest are those of
// its descriptor. Credentials, client certificates and private roots are bound to
// one origin (scheme, host and port) and leave it neither by a redirect nor by a
// Location or Link header. Pages, sizes, tokens, redirects, attempts and waits are
// bounded by Limits; no size that a registry claims decides an allocation.
// Errors, events and messages hold no query of a URL, no token and no cookie.
//
// # What is repeated
//
//	no connection, connection cut, time-out     again, after a growing wait
//	408, 429, 500, 502, 503, 504                again, after Retry-After or a growing wait
//	download cut                                goes on at the byte it reached (Range)
//	manifest or page cut, manifest with other   again
//	  bytes
//	upload cut, upload session lost             look whether the blob is there, else again from the start
//	everything else                             an error at once
//
// The waits of one operation add up to Limits.Wait at most, and every connection
// that makes no progress is given up after Limits.Idle.
//
// # Errors
//
// Each error that a registry caused is one of NotFoundError, DeniedError,
// PreconditionError, LimitError, UnavailableError, ContentError, UntrustedError,
// UnsupportedError and RefusedError, as a pointer. They hold host, repository,
// reference and status, and their words end with what to do. NotFoundError is also
// oras-go's ErrNotFound, and UnsupportedError its ErrUnsupported. Only a
// NotFoundError means that something is absent. When the context ends, the error
// is the context's.
package remote
