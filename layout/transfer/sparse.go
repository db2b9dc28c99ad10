package transfer

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/remote"
)

// Sparse is a Source of a layout that lacks blobs which repositories have: these are
// read there, and nothing is stored on the way.
type Sparse struct {
	*Layout
	homes map[digest.Digest]string
	open  func(home string) (*remote.Repository, error)

	mu           sync.Mutex
	repositories map[string]*remote.Repository
}

// NewSparse makes a Source of a layout and of the repositories, HOST/REPOSITORY, in which
// the blobs are that it may lack. open is called once for each.
func NewSparse(l *Layout, homes map[digest.Digest]string, open func(home string) (*remote.Repository, error)) *Sparse {
	return &Sparse{Layout: l, homes: homes, open: open, repositories: map[string]*remote.Repository{}}
}

// Fetch reads a blob of the layout, or of the repository that has it.
func (s *Sparse) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	rc, err := s.Layout.Fetch(ctx, desc)
	home := s.homes[desc.Digest]
	if home == "" || !errors.Is(err, fs.ErrNotExist) {
		return rc, err
	}
	repo, err := s.repository(home)
	if err != nil {
		return nil, err
	}
	return repo.Fetch(ctx, desc)
}

func (s *Sparse) repository(home string) (*remote.Repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.repositories[home] == nil {
		repo, err := s.open(home)
		if err != nil {
			return nil, err
		}
		s.repositories[home] = repo
	}
	return s.repositories[home], nil
}
