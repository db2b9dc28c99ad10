package layout

import ocispec "github.com/opencontainers/image-spec/specs-go/v1"

// Vouched reports whether the Cache knows the file of a blob, by what the file
// system says of it, and its content as that of desc.
func (s *Store) Vouched(desc ocispec.Descriptor) bool {
	name, err := blobPath(desc.Digest)
	if err != nil {
		return false
	}
	cache := s.remembered()
	d, err := s.disk()
	if cache == nil || err != nil {
		return false
	}
	info, err := d.Lstat(name)
	if err != nil {
		return false
	}
	got, ok := cache.Lookup(cacheKey(name), info)
	return ok && got == desc.Digest
}
