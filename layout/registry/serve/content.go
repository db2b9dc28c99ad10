package serve

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/registry"
)

// What Cache-Control says: content with a digest never changes, and a tag is asked for
// again, which costs no more than a 304.
const (
	cacheForEver = "public, max-age=31536000, immutable"
	cacheAgain   = "no-cache"
)

// serveBlob answers requests for a blob.
func (x *exchange) serveBlob(repo *registry.Repository) error {
	ctx := x.r.Context()
	if x.r.Method == http.MethodDelete {
		if err := repo.DeleteBlob(ctx, x.at.Digest); err != nil {
			return err
		}
		x.w.WriteHeader(http.StatusAccepted)
		return nil
	}
	if x.h.opts.Redirect != nil && x.r.Method == http.MethodGet {
		desc, err := repo.ResolveBlob(ctx, x.at.Digest)
		if err != nil {
			return err
		}
		if url, ok := x.h.opts.Redirect(x.r, repo.Name(), desc); ok {
			x.digestHeaders(desc.Digest)
			http.Redirect(x.w, x.r, url, http.StatusTemporaryRedirect)
			return nil
		}
	}
	x.w.Header().Set("Cache-Control", cacheForEver)
	return x.serveContent(repo, ocispec.Descriptor{Digest: x.at.Digest, MediaType: "application/octet-stream"})
}

// getManifest answers requests for a manifest, by its tag or digest. What the client
// accepts is not looked at: a manifest has one form, which its digest stands for.
func (x *exchange) getManifest(repo *registry.Repository) error {
	reference, cache := x.at.Tag, cacheAgain
	if reference == "" {
		reference, cache = x.at.Digest.String(), cacheForEver
	}
	desc, err := repo.Resolve(x.r.Context(), reference)
	if err != nil {
		return err
	}
	x.w.Header().Set("Cache-Control", cache)
	err = x.serveContent(repo, desc)
	var known *registry.Error
	if errors.As(err, &known) && known.Code == registry.CodeBlobUnknown && x.at.Tag != "" {
		// Others moved the tag, and the manifest is gone: once more.
		if desc, err = repo.Resolve(x.r.Context(), reference); err == nil {
			err = x.serveContent(repo, desc)
		}
	}
	return err
}

func (x *exchange) digestHeaders(d digest.Digest) {
	x.w.Header().Set("Docker-Content-Digest", d.String())
	x.w.Header().Set("Etag", `"`+d.String()+`"`)
}

// serveContent sends a blob, or the part of it that is asked for, whose bytes were
// verified.
func (x *exchange) serveContent(repo *registry.Repository, desc ocispec.Descriptor) error {
	blob, err := repo.OpenBlob(x.r.Context(), desc.Digest)
	if err != nil {
		return err
	}
	defer blob.Close()
	x.digestHeaders(desc.Digest)
	x.w.Header().Set("Content-Type", desc.MediaType)
	w := &contentWriter{answer: x.w}
	http.ServeContent(w, x.r, "", time.Time{}, seeker(blob))
	return orNil(w.refused)
}

// seeker reads a blob from its begin, as the file that it is where the system can send
// it by itself.
func seeker(blob *layout.BlobFile) io.ReadSeeker {
	if f := blob.File(); f != nil {
		return f
	}
	return io.NewSectionReader(blob, 0, blob.Size())
}

// contentWriter is the writer for http.ServeContent, whose errors are no JSON: they are
// kept here instead of sent.
type contentWriter struct {
	*answer
	refused *Error
}

// WriteHeader sends the status of a success.
func (w *contentWriter) WriteHeader(status int) {
	switch {
	case status < 400:
		w.answer.WriteHeader(status)
	case status == http.StatusRequestedRangeNotSatisfiable:
		w.refused = newError(status, codeRangeInvalid, "the range is none of this content")
		if of := w.Header().Get("Content-Range"); of != "" {
			w.refused.with("Content-Range", of)
		}
	case status == http.StatusPreconditionFailed:
		w.refused = newError(status, registry.CodeDenied, "the content has another digest than If-Match asks for")
	default:
		w.refused = internal(errors.New("content could not be sent: " + http.StatusText(status)))
	}
}

// Write sends content, and drops the text of an error.
func (w *contentWriter) Write(p []byte) (int, error) {
	if w.refused != nil {
		return len(p), nil
	}
	return w.answer.Write(p)
}

// ReadFrom is that of answer.
func (w *contentWriter) ReadFrom(r io.Reader) (int64, error) { return w.answer.ReadFrom(r) }

// serveManifest answers requests for a manifest.
func (x *exchange) serveManifest(repo *registry.Repository) error {
	switch x.r.Method {
	case http.MethodPut:
		return x.putManifest(repo)
	case http.MethodDelete:
		return x.deleteManifest(repo)
	}
	return x.getManifest(repo)
}

// deleteManifest deletes a tag, or a manifest with all its tags.
func (x *exchange) deleteManifest(repo *registry.Repository) error {
	condition, bad := parseConditions(x.r.Header)
	if bad != nil {
		return bad
	}
	ctx := context.WithoutCancel(x.r.Context()) // it is done, or not, and never left half way
	var err error
	if x.at.Tag != "" {
		err = repo.DeleteTag(ctx, x.at.Tag, condition)
	} else {
		err = repo.DeleteManifest(ctx, x.at.Digest, condition)
	}
	if err != nil {
		return err
	}
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}
