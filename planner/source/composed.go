package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/text/unicode/norm"

	"github.com/layform/layform/planner/source/walk"
)

// explainMissing explains the error of looking for a name in a directory below root.
// Names of a spec are in composed form, for HCL composes all text, but compared
// as bytes: one that differs from a file's in that alone is named.
func explainMissing(root *os.Root, dir, name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sub, openErr := walk.OpenDir(root, dir)
	if openErr != nil {
		return err
	}
	defer func() { _ = sub.Close() }()
	names, readErr := readNames(sub)
	if readErr != nil {
		return err
	}
	for _, n := range names {
		if composedTwin(n, name) {
			return fmt.Errorf("there is %+q, which is written with combining characters, while text in a spec is composed to %+q; rename the file, or copy the directory with include and match its name with * or ?", n, name)
		}
	}
	return err
}

// composedTwin reports whether a name differs from one of a spec in its Unicode
// form alone.
func composedTwin(name, composed string) bool {
	return name != composed && norm.NFC.String(name) == norm.NFC.String(composed)
}

// readNames lists a directory, in any order.
func readNames(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return names, err
}
