//go:build !linux

package walk

import "os"

// hasCapability reports false: files have no capabilities here.
func hasCapability(*os.Root, string) bool { return false }
