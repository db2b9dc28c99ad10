package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/archive"
	"github.com/layform/layform/layout/ref"
)

// openedLayout is a layout that a command reads: a directory, or a tar that holds one.
type openedLayout struct {
	*layout.Reader
	// store is nil for an archive, and tar for a directory.
	store *layout.Store
	tar   *archive.Archive
	file  *os.File
	info  fs.FileInfo
}

// wholeLayout is the path of a layout that is meant as a whole, written as all
// references to layouts are.
func wholeLayout(text string) (string, error) {
	at, err := ref.LocateLayout(text)
	if err != nil {
		return "", err
	}
	if at.Name != "" || at.Digest != "" {
		return "", &failure{message: text + " names one image, and the whole layout is meant", hint: "write " + at.Path}
	}
	return at.Path, nil
}

// openLayoutAt opens the layout in a directory or an archive for reading. With inspect
// set it may be damaged. The caller closes it.
func openLayoutAt(ctx context.Context, path string, inspect bool) (*openedLayout, error) {
	// Without O_NONBLOCK a FIFO would be waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) && !inspect {
		return nil, noLayout(path)
	}
	if err != nil {
		return nil, &failure{message: fmt.Sprintf("%s: %v", path, cause(err))}
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if info.IsDir() {
		if err := f.Close(); err != nil {
			return nil, err
		}
		store, err := openExisting(path, layout.Options{Inspect: inspect})
		if err != nil {
			return nil, err
		}
		return &openedLayout{Reader: store.Reader, store: store}, nil
	}
	if !info.Mode().IsRegular() {
		return nil, errors.Join(&failure{message: path + " is no directory and no archive"}, f.Close())
	}
	tar, err := archive.Open(ctx, f, info.Size(), archive.Options{Dir: os.TempDir()})
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	in := &openedLayout{tar: tar, file: f, info: info}
	if err := in.read(ctx, path, inspect); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// read looks at what the archive holds.
func (l *openedLayout) read(ctx context.Context, path string, inspect bool) error {
	if inspect {
		l.Reader = layout.NewInspector(l.tar, path, layout.Limits{})
		return nil
	}
	if problems := l.tar.Problems(); len(problems) > 0 {
		return &failure{message: fmt.Sprintf("%s: %v", path, problems[0]), hint: "layform layout validate says all that is wrong with it"}
	}
	tree, err := archive.Layout(ctx, l.tar)
	if err != nil {
		return &failure{message: fmt.Sprintf("%s: %v", path, err), err: err}
	}
	l.Reader, err = layout.NewReader(tree, path, layout.Limits{})
	return err
}

// Close closes the layout.
func (l *openedLayout) Close() error {
	if l.store != nil {
		return l.store.Close()
	}
	return errors.Join(l.tar.Close(), l.file.Close())
}
