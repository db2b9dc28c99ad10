package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// Upload is a blob that comes in several parts. It is kept in the layout while nobody
// writes to it, so that another process can go on with it. It serves one goroutine.
type Upload struct {
	repo *Repository
	open *opened
	up   *layout.Upload
}

// StartUpload begins an upload. The caller ends it with Commit, Cancel, or Close, which
// keeps it.
func (r *Repository) StartUpload(ctx context.Context) (*Upload, error) {
	return r.upload(ctx, "", func(o *opened) (*layout.Upload, error) { return o.store.StartUpload(ctx, r.full) })
}

// ResumeUpload goes on with an upload behind the bytes that it has. The error is
// CodeBlobUploadUnknown where there is none, and CodeBlobUploadInvalid while somebody
// else writes to it.
func (r *Repository) ResumeUpload(ctx context.Context, id string) (*Upload, error) {
	return r.upload(ctx, id, func(o *opened) (*layout.Upload, error) { return o.store.ResumeUpload(ctx, r.full, id) })
}

func (r *Repository) upload(ctx context.Context, id string, begin func(*opened) (*layout.Upload, error)) (*Upload, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := r.writable("")
	if err != nil {
		return nil, err
	}
	up, err := begin(o)
	if err == nil {
		return &Upload{repo: r, open: o, up: up}, nil
	}
	o.release()
	return nil, r.uploadError(id, err)
}

// uploadError gives an error about an upload its code.
func (r *Repository) uploadError(id string, err error) error {
	switch {
	case errors.Is(err, layout.ErrUploadBusy):
		return &Error{Code: CodeBlobUploadInvalid, Repository: r.name, Reference: id, Message: err.Error(), Err: err}
	case errors.Is(err, fs.ErrNotExist) && id != "":
		return r.unknown(CodeBlobUploadUnknown, id, "no such upload: it has ended, or was never begun; begin another one", err)
	}
	return err
}

// UploadSize is the number of bytes that an upload has, also while somebody writes to it.
func (r *Repository) UploadSize(ctx context.Context, id string) (int64, error) {
	o, err := r.writable("")
	if err != nil {
		return 0, err
	}
	defer o.release()
	size, err := o.store.UploadSize(ctx, r.full, id)
	if err != nil {
		return 0, r.uploadError(id, err)
	}
	return size, nil
}

// ID names the upload for ResumeUpload.
func (u *Upload) ID() string { return u.up.ID() }

// Size is the number of bytes so far.
func (u *Upload) Size() int64 { return u.up.Size() }

// Write appends p.
func (u *Upload) Write(p []byte) (int, error) { return u.up.Write(p) }

// Commit makes the content a blob of the repository, durably once a manifest names it.
// The error is CodeDigestInvalid where the content has another digest; that ends the
// upload, as success does.
func (u *Upload) Commit(ctx context.Context, dgst digest.Digest) (ocispec.Descriptor, error) {
	if err := checkDigest(u.repo.name, dgst); err != nil {
		return ocispec.Descriptor{}, err
	}
	got, err := u.up.Digest(ctx, dgst.Algorithm())
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if got != dgst {
		wrong := &Error{Code: CodeDigestInvalid, Repository: u.repo.name, Reference: string(dgst), Message: fmt.Sprintf("the content that came has %d bytes and the digest %s; send it again", u.Size(), got)}
		return ocispec.Descriptor{}, errors.Join(wrong, u.Cancel())
	}
	// First, so that no GC comes between the blob and its lease.
	if err := u.open.store.Lease(ctx, u.repo.full, dgst); err != nil {
		return ocispec.Descriptor{}, err
	}
	desc, _, err := u.up.Commit(ctx)
	return desc, errors.Join(err, u.Close())
}

// Cancel drops the upload. It does nothing after Commit and Close.
func (u *Upload) Cancel() error { return errors.Join(u.up.Cancel(), u.Close()) }

// Close keeps what was written, for ResumeUpload. It does nothing after Commit and
// Cancel.
func (u *Upload) Close() error {
	err := u.up.Close()
	if u.open != nil {
		u.open.release()
		u.open = nil
	}
	return err
}

// Push stores a blob, or a manifest by its digest, as oras-go does it. The error is
// oras-go's ErrAlreadyExists where the repository has it.
func (r *Repository) Push(ctx context.Context, desc ocispec.Descriptor, content io.Reader) (err error) {
	if r.reg.readOnly {
		return r.reg.denied(r.name, string(desc.Digest))
	}
	there, err := r.Exists(ctx, desc)
	if err == nil && there {
		err = fmt.Errorf("%s: %w", spot(r.name, string(desc.Digest)), errdef.ErrAlreadyExists)
	}
	if err != nil {
		return err
	}
	if imagespec.IsManifest(desc.MediaType) {
		return r.pushManifest(ctx, desc, content)
	}
	u, err := r.StartUpload(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, u.Cancel()) }()
	// One byte more than the descriptor says is enough to know that there is too much.
	limited := io.LimitReader(layer.ContextReader(ctx, content), desc.Size+1)
	if _, err := io.CopyBuffer(u, limited, make([]byte, 256<<10)); err != nil {
		return err
	}
	if err := r.checkSize(desc, u.Size()); err != nil {
		return err
	}
	_, err = u.Commit(ctx, desc.Digest)
	return err
}

// checkSize is the error about content of another size than its descriptor says.
func (r *Repository) checkSize(desc ocispec.Descriptor, size int64) error {
	if size == desc.Size {
		return nil
	}
	return &Error{Code: CodeSizeInvalid, Repository: r.name, Reference: string(desc.Digest), Message: fmt.Sprintf("the content that came does not have the %d bytes that its descriptor says; send it again", desc.Size)}
}

// pushManifest is Push of a manifest.
func (r *Repository) pushManifest(ctx context.Context, desc ocispec.Descriptor, content io.Reader) error {
	if desc.Size > imagespec.MaxDocument {
		return r.tooLarge(desc.Size)
	}
	data, err := io.ReadAll(io.LimitReader(content, desc.Size+1))
	if err != nil {
		return err
	}
	if err := r.checkSize(desc, int64(len(data))); err != nil {
		return err
	}
	_, err = r.PushManifest(ctx, data, Put{MediaType: desc.MediaType, Digest: desc.Digest})
	return err
}

// Mount makes a blob of another repository one of this repository. The error is
// CodeBlobUnknown where the other one does not have it: it has to be uploaded then.
func (r *Repository) Mount(ctx context.Context, from string, dgst digest.Digest) (ocispec.Descriptor, error) {
	o, err := r.writable(string(dgst))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer o.release()
	other, err := r.reg.Repository(from)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc, err := other.resolveBlob(ctx, dgst)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if err := o.store.Lease(ctx, r.full, dgst); err != nil {
		return ocispec.Descriptor{}, err
	}
	if !r.reg.opts.PerRepository {
		return desc, nil
	}
	source, err := r.reg.acquire(other.full)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	defer source.release()
	_, err = o.store.PutBlob(ctx, desc, nil, func(in *layout.Ingest) error { return in.CopyBlob(ctx, source.store.Reader, desc) })
	return desc, err
}
