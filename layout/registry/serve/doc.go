// Package serve answers the OCI distribution spec, version 1.1, over HTTP from layouts
// that package registry keeps as repositories.
//
//	reg, err := registry.Open("dist/hello", registry.Options{ReadOnly: true})
//	…
//	http.Handler: serve.New(reg, serve.Options{})
//
// # Nouns
//
// A Handler answers requests. It serves one registry, or several that are each mounted
// below a prefix. Users say who may use it; without them all may, which is meant for
// the loopback interface and for tests. Limits bound what clients can make it do. An
// Event is a request that was answered: a line of an access log. Metrics are sums of
// them.
//
// # Endpoints
//
//	GET            /v2/                               this is a registry
//	GET            /v2/_catalog?n=&last=              repositories
//	GET            /v2/NAME/tags/list?n=&last=        tags
//	GET            /v2/NAME/manifests/REFERENCE       a manifest, by tag or digest
//	PUT            /v2/NAME/manifests/REFERENCE?tag=  If-Match and If-None-Match are kept
//	DELETE         /v2/NAME/manifests/REFERENCE       a tag, or a manifest with its tags
//	GET            /v2/NAME/blobs/DIGEST              Range, If-None-Match
//	DELETE         /v2/NAME/blobs/DIGEST
//	POST           /v2/NAME/blobs/uploads/            ?mount=&from=, or ?digest= with content
//	GET PATCH PUT  /v2/NAME/blobs/uploads/ID          in chunks, to be resumed
//	DELETE         /v2/NAME/blobs/uploads/ID
//	GET            /v2/NAME/referrers/DIGEST?artifactType=
//	GET POST       /token                             where AnonymousRead is set
//
// HEAD goes where GET does.
//
// # Guarantees
//
//   - A byte of a blob or manifest that is sent was verified: the content of the file is
//     that of its digest. One that was tampered with is a 500, and none of it is sent.
//   - Names, tags, digests and ids are checked by their grammar before anything is
//     looked up, segment by segment of the escaped path: nothing outside the layouts
//     can be named.
//   - Every error is a JSON document of the distribution spec. A body that fails after
//     its begin ends the connection, so that no client takes a part for the whole.
//   - Load beyond the limits is answered with 429, which clients understand. A client
//     that stalls is cut off; one that is slow and moves is not.
//   - An answer with 201 means that the content is on the disk.
//   - What another process writes to a layout shows with the next request.
package serve
