//go:build !unix

package layout

// isReadOnly reports whether err comes from a read-only file system.
func isReadOnly(error) bool { return false }
