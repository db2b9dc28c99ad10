package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/layform/layform/layout/durable"
)

// readRegular reads a regular file of at most limit bytes. It never waits for
// a FIFO and reads no device.
func readRegular(name string, limit int64) ([]byte, error) { return readBegun(name, nil, limit) }

// readBegun is readRegular, and reads no more than the beginning of a file for
// whose first bytes begins is false: those are at most 64.
func readBegun(name string, begins func([]byte) bool, limit int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	_, err = io.CopyN(data, f, 64)
	if err != nil && err != io.EOF {
		return nil, err
	}
	if begins == nil || begins(data.Bytes()) {
		_, err = data.ReadFrom(io.LimitReader(f, limit+1-int64(data.Len())))
	}
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case int64(data.Len()) > limit:
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return data.Bytes(), nil
}

// removeTemporaries removes what killed runs left beside a file that they wrote.
func removeTemporaries(name string) error {
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer root.Close()
	return durable.RemoveTemporaries(root, filepath.Base(name))
}

// readAll reads a stream of at most limit bytes.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return data, nil
}
