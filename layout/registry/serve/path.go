package serve

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/registry"
)

// endpoint is one of the paths that the distribution spec has.
type endpoint int

const (
	endpointBase      endpoint = iota // /v2/
	endpointCatalog                   // /v2/_catalog
	endpointTags                      // /v2/NAME/tags/list
	endpointManifest                  // /v2/NAME/manifests/REFERENCE
	endpointBlob                      // /v2/NAME/blobs/DIGEST
	endpointUploads                   // /v2/NAME/blobs/uploads/
	endpointUpload                    // /v2/NAME/blobs/uploads/ID
	endpointReferrers                 // /v2/NAME/referrers/DIGEST
)

// String is the name of the endpoint in logs and metrics.
func (e endpoint) String() string {
	return [...]string{"base", "catalog", "tags", "manifest", "blob", "uploads", "upload", "referrers"}[e]
}

// methods are the methods of each endpoint.
var methods = [...][]string{
	endpointBase:      {http.MethodGet, http.MethodHead},
	endpointCatalog:   {http.MethodGet, http.MethodHead},
	endpointTags:      {http.MethodGet, http.MethodHead},
	endpointManifest:  {http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete},
	endpointBlob:      {http.MethodGet, http.MethodHead, http.MethodDelete},
	endpointUploads:   {http.MethodPost},
	endpointUpload:    {http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPut, http.MethodDelete},
	endpointReferrers: {http.MethodGet, http.MethodHead},
}

// route is the parsed path of a request: an endpoint, the repository, and what
// follows, of which Tag or Digest is set for a reference, and ID for an upload.
type route struct {
	Endpoint endpoint
	Repo     string
	Tag      string
	Digest   digest.Digest
	ID       string
}

// parsePath parses the escaped path of a request. Segments are unescaped one by one,
// so that an escaped slash separates nothing, and checked against the grammar of
// their kind. method is that of the request: what cannot exist is unknown where it is
// read, and invalid where it is written.
func parsePath(method, escaped string) (route, *Error) {
	rest, ok := strings.CutPrefix(escaped, "/v2")
	if !ok || rest != "" && rest[0] != '/' {
		return route{}, newError(http.StatusNotFound, registry.CodeUnsupported, "no such path: a registry answers below /v2/")
	}
	if len(escaped) > maxPath {
		return route{}, newError(http.StatusRequestURITooLong, registry.CodeNameInvalid, "the path is too long")
	}
	if rest == "" || rest == "/" {
		return route{Endpoint: endpointBase}, nil
	}
	segments := strings.Split(rest[1:], "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return route{}, newError(http.StatusBadRequest, registry.CodeNameInvalid, "the path has a wrong escape: "+err.Error())
		}
		segments[i] = plain
	}
	r, last, ok := matchSegments(segments)
	if !ok {
		return route{}, newError(http.StatusNotFound, registry.CodeUnsupported, "no such path below /v2/")
	}
	if r.Endpoint == endpointCatalog {
		return r, nil
	}
	if err := ref.CheckRepository(r.Repo); err != nil {
		return route{}, newError(http.StatusBadRequest, registry.CodeNameInvalid, "the repository name "+err.Error())
	}
	return r, r.parseLast(method, last)
}

// maxPath is the longest path: one with the longest repository and digest is below it,
// escapes included.
const maxPath = 4 << 10

// matchSegments finds the endpoint by the end of a path, for a repository may have
// names such as blobs in its own.
func matchSegments(segments []string) (r route, last string, ok bool) {
	n := len(segments)
	if n == 1 && segments[0] == "_catalog" {
		return route{Endpoint: endpointCatalog}, "", true
	}
	repo := func(e endpoint, behind int, last string) (route, string, bool) {
		return route{Endpoint: e, Repo: strings.Join(segments[:n-behind], "/")}, last, n > behind
	}
	switch {
	case n < 3:
		return route{}, "", false
	case segments[n-3] == "blobs" && segments[n-2] == "uploads" && segments[n-1] == "":
		return repo(endpointUploads, 3, "")
	case segments[n-3] == "blobs" && segments[n-2] == "uploads" && n > 3:
		return repo(endpointUpload, 3, segments[n-1])
	case segments[n-2] == "blobs" && segments[n-1] == "uploads":
		return repo(endpointUploads, 2, "")
	case segments[n-2] == "tags" && segments[n-1] == "list":
		return repo(endpointTags, 2, "")
	case segments[n-2] == "manifests":
		return repo(endpointManifest, 2, segments[n-1])
	case segments[n-2] == "blobs":
		return repo(endpointBlob, 2, segments[n-1])
	case segments[n-2] == "referrers":
		return repo(endpointReferrers, 2, segments[n-1])
	}
	return route{}, "", false
}

// parseLast parses the last segment of a path.
func (r *route) parseLast(method, last string) *Error {
	switch r.Endpoint {
	case endpointUpload:
		if !isUploadID(last) {
			return newError(http.StatusNotFound, registry.CodeBlobUploadUnknown, "there is no such upload")
		}
		r.ID = last
	case endpointManifest:
		if strings.Contains(last, ":") {
			return r.parseDigest(last)
		}
		if err := ref.CheckTag(last); err != nil {
			if method == http.MethodPut {
				return newError(http.StatusBadRequest, registry.CodeTagInvalid, "the tag "+err.Error())
			}
			return newError(http.StatusNotFound, registry.CodeManifestUnknown, "there is no such manifest: the tag "+err.Error())
		}
		r.Tag = last
	case endpointBlob, endpointReferrers:
		return r.parseDigest(last)
	}
	return nil
}

func (r *route) parseDigest(s string) *Error {
	d, err := parseDigest(s)
	r.Digest = d
	return err
}

// parseDigest parses a digest of an algorithm that a layout can hold.
func parseDigest(s string) (digest.Digest, *Error) {
	d := digest.Digest(s)
	if err := d.Validate(); err != nil {
		return "", newError(http.StatusBadRequest, registry.CodeDigestInvalid, "this is no digest of sha256 or sha512: "+err.Error())
	}
	if a := d.Algorithm(); a != digest.SHA256 && a != digest.SHA512 {
		return "", newError(http.StatusBadRequest, registry.CodeDigestInvalid, "digests of "+string(a)+" are not stored here: use sha256 or sha512")
	}
	return d, nil
}

// isUploadID reports whether s can be the id of an upload: letters, digits and hyphens,
// which lead to no other place.
func isUploadID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' {
			return false
		}
	}
	return true
}
