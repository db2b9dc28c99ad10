package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/internal/disk"
)

// Ingest is content on its way to becoming a blob: an io.Writer that hashes what
// it stores. Until Commit no blob shows; whoever dies before leaves a temporary
// file that the next holder of the lock removes. It serves one goroutine.
type Ingest struct {
	s         *Store
	t         *disk.Temp
	algorithm digest.Algorithm
	hash      hash.Hash
	// known is the digest of content that its reader has verified, in place of hash.
	known digest.Digest
	size  int64
	err   error
	watch func(n int64)
}

// Ingest starts a new blob, making the directory and our folder in it when they
// are missing. The caller ends it with Commit, Abort, or both.
func (s *Store) Ingest(ctx context.Context) (*Ingest, error) {
	return s.ingest(ctx, digest.SHA256)
}

func (s *Store) ingest(ctx context.Context, a digest.Algorithm) (*Ingest, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := s.temp()
	if err != nil {
		return nil, err
	}
	return &Ingest{s: s, t: t, algorithm: a, hash: newHash(a)}, nil
}

// temp makes the file of an Ingest. Our folder was most often made by the one before.
func (s *Store) temp() (*disk.Temp, error) {
	for {
		made := s.created.Load()
		d, err := s.disk()
		if !made || err != nil {
			d, err = s.create()
		}
		if err != nil {
			return nil, err
		}
		t, err := d.CreateTemp(IngestDir, "blob")
		if made && errors.Is(err, fs.ErrNotExist) {
			s.created.Store(false) // somebody removed it
			continue
		}
		return t, s.unwritable(err)
	}
}

// Write appends p to the content. After an error the Ingest cannot be committed.
func (i *Ingest) Write(p []byte) (int, error) {
	if i.err == nil && i.known != "" {
		i.err = errors.New("the content of the blob is complete")
	}
	if i.err != nil {
		return 0, i.err
	}
	n, err := i.store(p)
	i.hash.Write(p[:n])
	i.err = err
	return n, err
}

// Watch reports the number of bytes so far, as they are written, or read of a clone, to
// progress, which is called by the goroutine that the Ingest serves.
func (i *Ingest) Watch(progress func(n int64)) { i.watch = progress }

// count adds to the size of the content.
func (i *Ingest) count(n int) {
	i.size += int64(n)
	if i.watch != nil {
		i.watch(i.size)
	}
}

// store appends p to the file.
func (i *Ingest) store(p []byte) (int, error) {
	n, err := i.t.Write(p)
	i.count(n)
	if err != nil {
		err = fmt.Errorf("writing a blob of %s: %w", i.s.dir, err)
	}
	return n, err
}

// errUnread keeps content whose end was not reached from becoming a blob.
var errUnread = errors.New("the content was not read to its end")

// Clone begins the content with all of f, which may lie anywhere, by sharing its
// blocks instead of copying them, and returns a reader of it. Where something
// was written before, or the system cannot share the blocks, the error is
// errors.ErrUnsupported and nothing has changed.
//
// The bytes count in Size and Digest as they are read, and they come from the
// ingest's own file: what is hashed is what is stored, whatever happens to f
// after Clone. Until the reader has given io.EOF the Ingest cannot be written to
// or committed. A file is never hard-linked instead: the blob would change with
// what the owner of the file writes, and the file would take the blob's mode.
func (i *Ingest) Clone(f *os.File) (io.Reader, error) {
	if err := i.begin(func() error { return i.t.Clone(f, 0) }); err != nil {
		return nil, err
	}
	i.err = errUnread
	return &cloned{i}, nil
}

// begin lets clone give the file, which is empty, its first bytes.
func (i *Ingest) begin(clone func() error) error {
	if i.err != nil {
		return i.err
	}
	if i.size > 0 || i.t.Shared() > 0 {
		return fmt.Errorf("%w: the blob has begun", errors.ErrUnsupported)
	}
	err := clone()
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cloning a blob of %s: %w", i.s.dir, err)
	if !errors.Is(err, errors.ErrUnsupported) {
		i.err = err
	}
	return err
}

// shareUnit is a multiple of the block sizes of file systems: they share whole
// blocks alone.
const shareUnit = 64 << 10

// Share prepares for content that begins like f, in its first n bytes: Write then
// compares what it is given with the ingest's own file, which shares blocks with
// f, and writes what differs. So it decides which blocks are used for the content
// and never what the content is, whatever f holds and becomes.
//
// The reader gives what is shared, from the ingest's own file: whoever expects
// f's bytes there has them in memory for Write. It can be used from several
// goroutines, also while others Write, until the Ingest ends. It is empty where
// something was written before or the system cannot share the blocks.
func (i *Ingest) Share(f *os.File, n int64) (*io.SectionReader, error) {
	if n = max(0, n-n%shareUnit); n > 0 {
		switch err := i.begin(func() error { return i.t.Share(f, n) }); {
		case err == nil:
		case errors.Is(err, errors.ErrUnsupported):
			n = 0
		default:
			return nil, err
		}
	}
	return i.t.Section(n), nil
}

// cloned reads the file that an Ingest was cloned from.
type cloned struct{ i *Ingest }

// Read hashes what it gives.
func (c *cloned) Read(p []byte) (int, error) {
	i := c.i
	switch {
	case i.err == nil:
		return 0, io.EOF
	case i.err != errUnread:
		return 0, i.err
	}
	n, err := i.t.Read(p)
	i.hash.Write(p[:n])
	i.count(n)
	switch {
	case err == io.EOF:
		i.err = nil
	case err != nil:
		i.err = fmt.Errorf("reading a blob of %s: %w", i.s.dir, err)
		err = i.err
	}
	return n, err
}

// Size is the number of bytes written, or read of a clone, so far.
func (i *Ingest) Size() int64 { return i.size }

// Digest is the digest of the bytes written, or read of a clone, so far.
func (i *Ingest) Digest() digest.Digest {
	if i.known != "" {
		return i.known
	}
	return digest.NewDigest(i.algorithm, i.hash)
}

// Commit makes the content a blob: synced, read-only, under the name of its
// digest. When that blob stands there already and is intact, by its hash, it is
// kept and created is false; one that is torn is replaced. SyncBlobs makes the
// names of committed blobs durable. Commit ends the Ingest, also with an error.
func (i *Ingest) Commit(ctx context.Context) (dgst digest.Digest, size int64, created bool, err error) {
	return i.CommitAfter(ctx, nil)
}

// FileID is the number of a file, unique in its file system and kept by renames.
type FileID = disk.FileID

// Announce says beforehand that a blob is going to be put into the layout: its
// content is complete in a temporary file that will not change any more, and whose
// identity the blob's file will have; nil where the system does not tell files apart.
// What it begins to write durable waits for, and durable is called while the content is
// synced, before the blob gets its name; nil is nothing to wait for.
type Announce func(desc ocispec.Descriptor, file *FileID) (durable func() error, err error)

// CommitAfter is Commit with an announcement of a blob that is created. An error
// of the announcement ends the call, and nothing remains.
func (i *Ingest) CommitAfter(ctx context.Context, announce Announce) (dgst digest.Digest, size int64, created bool, err error) {
	defer func() { err = errors.Join(err, i.Abort()) }()
	if i.err != nil {
		return "", 0, false, i.err
	}
	dgst, size = i.Digest(), i.size
	state, err := i.s.Check(ctx, ocispec.Descriptor{Digest: dgst, Size: size})
	if err != nil {
		return "", 0, false, err
	}
	if state == Intact {
		return dgst, size, false, nil
	}
	if err := i.publish(announce); err != nil {
		return "", 0, false, i.failed(err)
	}
	return dgst, size, true, nil
}

func (i *Ingest) publish(announce Announce) error {
	if err := i.directory(); err != nil {
		return err
	}
	if err := i.t.Complete(blobMode); err != nil {
		return err
	}
	durable := func() error { return nil }
	if announce != nil {
		wait, err := i.announce(announce)
		if err != nil {
			return err
		}
		if wait != nil {
			durable = wait
		}
	}
	// Both reach the disk at once; a power cut may keep the name of the blob alone
	// of all that follows.
	if err := errors.Join(i.t.Sync(), durable()); err != nil {
		return err
	}
	return i.named()
}

// directory makes the directory of the blob.
func (i *Ingest) directory() error {
	d, err := i.s.disk()
	if err != nil {
		return err
	}
	_, err = d.Mkdir(blobsDir + "/" + string(i.algorithm))
	return err
}

// named gives content that is durable the name of its digest.
func (i *Ingest) named() error {
	dgst := i.Digest()
	name, err := blobPath(dgst)
	if err != nil {
		return err
	}
	d, err := i.s.disk()
	if err != nil {
		return err
	}
	if err := i.t.Rename(name); err != nil {
		return err
	}
	cache := i.s.remembered()
	if cache == nil {
		return nil
	}
	info, err := d.Lstat(name)
	if err != nil {
		return err
	}
	if info.Size() == i.size {
		cache.Trust(cacheKey(name), info, dgst)
	}
	return nil
}

func (i *Ingest) announce(announce Announce) (durable func() error, err error) {
	info, err := i.t.Stat()
	if err != nil {
		return nil, err
	}
	desc := i.desc()
	if id, ok := disk.Identity(info); ok {
		return announce(desc, &id)
	}
	return announce(desc, nil)
}

// Identity is that of the file of a blob; false when there is no regular file of the
// size that desc says, or the system does not tell.
func (s *Store) Identity(desc ocispec.Descriptor) (FileID, bool) {
	name, err := blobPath(desc.Digest)
	if err != nil {
		return FileID{}, false
	}
	d, err := s.disk()
	if err != nil {
		return FileID{}, false
	}
	info, err := d.Lstat(name)
	if err != nil || info.Size() != desc.Size {
		return FileID{}, false
	}
	return disk.Identity(info)
}

// Abort drops the content. It does nothing after Commit or Abort, so that it
// can be deferred.
func (i *Ingest) Abort() error {
	if i.err == nil {
		i.err = errors.New("the ingest has ended")
	}
	return i.t.Abort()
}

// PutBytes makes data a blob as an Ingest does and describes it; created is
// false when the blob was there and intact. Otherwise it is announced as by
// CommitAfter.
func (s *Store) PutBytes(ctx context.Context, mediaType string, data []byte, announce Announce) (desc ocispec.Descriptor, created bool, err error) {
	desc = ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	state, err := s.Check(ctx, desc)
	if err != nil || state == Intact {
		return desc, false, err
	}
	in, err := s.Ingest(ctx)
	if err != nil {
		return desc, false, err
	}
	if _, err := bytes.NewReader(data).WriteTo(in); err != nil {
		return desc, false, errors.Join(err, in.Abort())
	}
	_, _, created, err = in.CommitAfter(ctx, announce)
	return desc, created, err
}

// SyncBlobs makes the names of all committed blobs durable. It is called once,
// after the last Commit and before the Swap.
func (s *Store) SyncBlobs(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, err := s.disk()
	if err != nil {
		return ignoreMissing(err)
	}
	for _, name := range []string{blobsDir + "/sha256", blobsDir + "/sha512", blobsDir} {
		if err := d.CheckDir(name); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := d.SyncDir(name); err != nil {
			return err
		}
	}
	return nil
}
