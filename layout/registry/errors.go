package registry

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/errdef"
)

// Code is an error code of the distribution spec.
type Code string

// The codes of the errors of this package.
const (
	CodeNameInvalid         Code = "NAME_INVALID"
	CodeNameUnknown         Code = "NAME_UNKNOWN"
	CodeTagInvalid          Code = "TAG_INVALID"
	CodeDigestInvalid       Code = "DIGEST_INVALID"
	CodeSizeInvalid         Code = "SIZE_INVALID"
	CodeManifestUnknown     Code = "MANIFEST_UNKNOWN"
	CodeManifestInvalid     Code = "MANIFEST_INVALID"
	CodeManifestBlobUnknown Code = "MANIFEST_BLOB_UNKNOWN"
	CodeBlobUnknown         Code = "BLOB_UNKNOWN"
	CodeBlobUploadUnknown   Code = "BLOB_UPLOAD_UNKNOWN"
	CodeBlobUploadInvalid   Code = "BLOB_UPLOAD_INVALID"
	CodeDenied              Code = "DENIED"
	CodeUnsupported         Code = "UNSUPPORTED"
)

// ErrImmutable is the cause of refusals to move or delete a tag that Options.Immutable keeps.
var ErrImmutable = errors.New("the tag is immutable")

// unknown tells the codes about what does not exist.
func (c Code) unknown() bool {
	switch c {
	case CodeNameUnknown, CodeManifestUnknown, CodeBlobUnknown, CodeBlobUploadUnknown:
		return true
	}
	return false
}

// Error is an error that has a code in the distribution spec. Those about what does not
// exist are oras-go's ErrNotFound. Nothing was changed.
type Error struct {
	Code Code
	// Repository is the name that was asked for, and Reference a tag, a digest, the id
	// of an upload, or empty.
	Repository, Reference string
	// Message tells what is wrong, and what to do.
	Message string
	// Digests are those that a manifest names and that are not there.
	Digests []digest.Digest
	// Err is the cause; it may be nil.
	Err error
}

// Error names the object and tells what is wrong with it.
func (e *Error) Error() string { return spot(e.Repository, e.Reference) + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes what does not exist known to oras-go.
func (e *Error) Is(target error) bool { return target == errdef.ErrNotFound && e.Code.unknown() }

// spot writes the name of an object, as a user would.
func spot(repo, reference string) string {
	switch {
	case reference == "":
		return repo
	case strings.Contains(reference, ":"):
		return repo + "@" + reference
	}
	return repo + ":" + reference
}

// PreconditionError is an error about a tag or manifest that is not what a Condition
// asks for. Nothing was changed.
type PreconditionError struct {
	Repository, Reference string
	// Have is the present digest; empty where there is none.
	Have digest.Digest
}

// Error names the tag and its digest.
func (e *PreconditionError) Error() string {
	if e.Have == "" {
		return spot(e.Repository, e.Reference) + ": does not exist, against the condition of the request; look again"
	}
	return fmt.Sprintf("%s: is %s, against the condition of the request; look again", spot(e.Repository, e.Reference), e.Have)
}
