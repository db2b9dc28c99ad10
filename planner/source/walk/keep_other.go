//go:build !linux

package walk

import (
	"io/fs"
	"os"
)

func keepMetadata(*Found, *os.Root, string, fs.FileInfo) error { return ErrKeep }

func setDevice(*Found, fs.FileInfo) error { return ErrKeep }
