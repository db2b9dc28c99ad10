//go:build !unix

package disk

// IsReadOnly reports whether err comes from a read-only file system.
func IsReadOnly(error) bool { return false }
