//go:build !linux

package walk

import (
	"io/fs"
	"os"
)

func keep(*Found, *os.Root, string, fs.FileInfo) error { return ErrKeep }

func device(*Found, fs.FileInfo) error { return ErrKeep }
