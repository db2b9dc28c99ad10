package serve

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/ref"
	"github.com/layform/layform/layout/registry"
)

// maxTags is the number of tags that one request can set.
const maxTags = 100

// putManifest takes in a manifest, under a tag or its digest, and under what ?tag=
// names.
func (x *exchange) putManifest(repo *registry.Repository) error {
	put, bad := x.parsePut()
	if bad != nil {
		return bad
	}
	if !x.h.manifests.take() {
		return tooMany("the registry takes in as many manifests as it may at once")
	}
	defer x.h.manifests.give()
	limit := x.h.opts.Limits.Manifest
	in, bad := x.content(limit, "a manifest may have "+strconv.FormatInt(limit, 10)+" bytes")
	if bad != nil {
		return bad
	}
	defer in.release()
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	pushed, err := repo.PushManifest(context.WithoutCancel(x.r.Context()), data, put)
	if err != nil {
		return err
	}
	h := x.w.Header()
	for _, tag := range x.r.URL.Query()["tag"] {
		h.Add("OCI-Tag", tag)
	}
	if pushed.Subject != "" {
		h.Set("OCI-Subject", pushed.Subject.String())
	}
	x.stored("manifests", pushed.Descriptor.Digest)
	return nil
}

// parsePut finds out how a manifest is to be put.
func (x *exchange) parsePut() (put registry.Put, bad *Error) {
	query := x.r.URL.Query()
	put.Digest = x.at.Digest
	if x.at.Tag != "" {
		put.Tags = []string{x.at.Tag}
		if text := query.Get("digest"); text != "" {
			if put.Digest, bad = parseDigest(text); bad != nil {
				return put, bad
			}
		}
	}
	if put.Tags = append(put.Tags, query["tag"]...); len(put.Tags) > maxTags {
		return put, newError(http.StatusRequestURITooLong, registry.CodeTagInvalid, "one request sets at most "+strconv.Itoa(maxTags)+" tags")
	}
	for _, tag := range put.Tags {
		if err := ref.CheckTag(tag); err != nil {
			return put, newError(http.StatusBadRequest, registry.CodeTagInvalid, "the tag "+err.Error())
		}
	}
	if text := x.r.Header.Get("Content-Type"); text != "" {
		var err error
		if put.MediaType, _, err = mime.ParseMediaType(text); err != nil {
			return put, newError(http.StatusBadRequest, registry.CodeManifestInvalid, "the Content-Type is none: "+err.Error())
		}
	}
	put.If, bad = parseConditions(x.r.Header)
	return put, bad
}

// stored is the answer to what was taken in.
func (x *exchange) stored(kind string, d digest.Digest) {
	h := x.w.Header()
	h.Set("Location", x.location(kind, d.String()))
	h.Set("Docker-Content-Digest", d.String())
	h.Set("Etag", `"`+d.String()+`"`)
	h.Set("Content-Length", "0")
	x.w.WriteHeader(http.StatusCreated)
}

// location is the path of something in the repository of the request, with the namespace
// that makes it that repository.
func (x *exchange) location(kind, name string) string {
	at := "/v2/" + x.at.Repo + "/" + kind + "/" + name
	if ns := x.w.Header().Get("OCI-Namespace"); ns != "" {
		at += "?" + url.Values{"ns": {ns}}.Encode()
	}
	return at
}

// input is the content of a request, which holds a slot of those that bring some.
type input struct {
	body
	release func()
}

// content is the body of the request, of at most limit bytes.
func (x *exchange) content(limit int64, tooLong string) (*input, *Error) {
	long := newError(http.StatusRequestEntityTooLarge, registry.CodeSizeInvalid, tooLong).with("Connection", "close")
	if x.r.ContentLength > limit {
		return nil, long
	}
	in := &input{release: func() {}, body: body{r: x.r.Body, control: x.w.control, stall: x.h.opts.Limits.Stall, left: limit, tooLong: long}}
	if x.r.ContentLength == 0 {
		return in, nil
	}
	if !x.h.uploads.take() {
		return nil, tooMany("the registry takes in as much as it may at once")
	}
	in.release = x.h.uploads.give
	return in, nil
}

// serveUpload answers requests about uploads.
func (x *exchange) serveUpload(repo target) error {
	if x.at.Endpoint == endpointUploads {
		return x.startUpload(repo)
	}
	if !x.writes() {
		return x.tellUpload(repo)
	}
	up, err := repo.ResumeUpload(x.r.Context(), x.at.ID)
	if err != nil {
		return err
	}
	switch x.r.Method {
	case http.MethodDelete:
		if err := up.Cancel(); err != nil {
			return err
		}
		x.w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodPatch:
		return x.patchUpload(up)
	}
	return errors.Join(x.endUpload(up), up.Close())
}

// tellUpload tells how much of an upload is there, also while more comes.
func (x *exchange) tellUpload(repo target) error {
	size, err := repo.UploadSize(x.r.Context(), x.at.ID)
	if err != nil {
		return err
	}
	x.uploadHeaders(x.at.ID, size)
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}

// startUpload mounts a blob, takes in one that comes whole, or begins an upload.
func (x *exchange) startUpload(repo target) error {
	query := x.r.URL.Query()
	if query.Has("mount") {
		d, bad := parseDigest(query.Get("mount"))
		if bad != nil {
			return bad
		}
		mounted, err := x.mount(repo, query.Get("from"), d)
		if err != nil {
			return err
		}
		if mounted {
			x.stored("blobs", d)
			return nil
		}
	}
	up, err := repo.StartUpload(x.r.Context())
	if err != nil {
		return err
	}
	if query.Has("digest") && !query.Has("mount") {
		// Nobody knows of this upload, so nobody goes on with it where it failed.
		return errors.Join(x.endUpload(up), up.Cancel())
	}
	if err := up.Close(); err != nil {
		return err
	}
	x.uploadHeaders(up.ID(), 0)
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}

// mount mounts a blob from a repository of the same registry. Without from the blob may
// be in the repository already. It reports false where an upload is needed.
func (x *exchange) mount(repo target, from string, d digest.Digest) (bool, error) {
	var err error
	if from == "" {
		_, err = repo.ResolveBlob(x.r.Context(), d)
	} else {
		source, lost := x.h.locate(from)
		if lost != nil || source.registry != repo.registry || !x.h.gate.mayPull(x.r, from) {
			return false, nil
		}
		_, err = repo.Mount(x.r.Context(), source.Name(), d)
	}
	var known *registry.Error
	if errors.As(err, &known) {
		return false, nil // the client has it, and sends it
	}
	return err == nil, err
}

// uploadHeaders tell where an upload goes on.
func (x *exchange) uploadHeaders(id string, size int64) {
	h := x.w.Header()
	h.Set("Location", x.location("blobs/uploads", id))
	h.Set("Range", uploadRange(size))
	h.Set("Docker-Upload-Uuid", id)
	h.Set("Cache-Control", "no-store")
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		h.Set("Content-Length", "0")
	}
}

// patchUpload appends to an upload. What came of a body that was cut stays: the client
// asks how much that is, and goes on.
func (x *exchange) patchUpload(up *registry.Upload) error {
	err := x.appendTo(up)
	size := up.Size()
	if err := errors.Join(err, up.Close()); err != nil {
		return err
	}
	x.uploadHeaders(up.ID(), size)
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}

// endUpload appends the last content of an upload, and makes a blob of it. The caller
// closes or cancels the upload.
func (x *exchange) endUpload(up *registry.Upload) error {
	d, bad := parseDigest(x.r.URL.Query().Get("digest"))
	if bad != nil {
		return bad
	}
	if err := x.appendTo(up); err != nil {
		return err
	}
	// All of it is here: it becomes a blob although the client may have gone.
	if _, err := up.Commit(context.WithoutCancel(x.r.Context()), d); err != nil {
		return err
	}
	x.stored("blobs", d)
	return nil
}

// appendTo appends the body of the request to an upload.
func (x *exchange) appendTo(up *registry.Upload) error {
	chunk, ranged, bad := parseContentRange(x.r.Header.Get("Content-Range"))
	if bad != nil {
		return bad
	}
	if ranged && chunk.start != up.Size() {
		x.uploadHeaders(up.ID(), up.Size())
		return newError(http.StatusRequestedRangeNotSatisfiable, codeRangeInvalid, "the upload goes on at byte "+strconv.FormatInt(up.Size(), 10)+", and not at "+strconv.FormatInt(chunk.start, 10))
	}
	if ranged && x.r.ContentLength >= 0 && x.r.ContentLength != chunk.length {
		return newError(http.StatusBadRequest, registry.CodeSizeInvalid, "Content-Range and Content-Length tell different lengths")
	}
	limit := x.h.opts.Limits.Blob - up.Size()
	tooLong := "a blob may have " + strconv.FormatInt(x.h.opts.Limits.Blob, 10) + " bytes"
	if ranged && chunk.length < limit {
		limit, tooLong = chunk.length, "the content is longer than its Content-Range"
	}
	in, bad := x.content(max(0, limit), tooLong)
	if bad != nil {
		return bad
	}
	defer in.release()
	n, err := io.Copy(up, in)
	x.h.counters.received.Add(n)
	if err == nil && ranged && n != chunk.length {
		return newError(http.StatusBadRequest, registry.CodeSizeInvalid, "the content is shorter than its Content-Range")
	}
	return err
}
