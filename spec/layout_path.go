package spec

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/layform/layform/layout/imagespec"
)

// referencePattern matches references to images in the forms of other tools:
// transport:name and scheme://host. A single letter is a drive.
var referencePattern = imagespec.Pattern(`^([A-Za-z][A-Za-z0-9+.-]+):(//)?(.*)$`)

// hostPortPattern matches what follows the host of a reference: a port and a name.
var hostPortPattern = imagespec.Pattern(`^[0-9]+/`)

// shellPattern matches a path that begins with a variable of a shell.
var shellPattern = imagespec.Pattern(`^(\$\w+|%\w+%)([/\\]|$)`)

// tarSuffixes end the names of tars, compressed or not.
var tarSuffixes = []string{".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2"}

// layoutPathProblem checks the path of a layout, which is a directory. What other
// tools would read as a reference, a tar or a home directory would silently
// become a directory of that name: the error says what to write, also for who
// means it. A slash at the end makes anything a directory.
func layoutPathProblem(text string) error {
	if text == "" || strings.ContainsRune(text, 0) {
		return errors.New("it is empty or contains a NUL character")
	}
	const directory = "The layout is a directory"
	if m := referencePattern().FindStringSubmatch(text); m != nil {
		transport, rest := m[1], m[3]
		name, _, _ := strings.Cut(rest, ":")
		switch {
		case m[2] != "" && transport != "ocidir" && transport != "file", hostPortPattern().MatchString(rest):
			return fmt.Errorf("%q is a reference. %s: write its path, such as \"dist/app\", and copy it to a registry afterwards", text, directory)
		case name == "" || strings.HasSuffix(transport, "archive"):
			return fmt.Errorf("%q is a reference. %s: write its path alone, such as \"dist/app\"", text, directory)
		case slices.Contains([]string{"oci", "ocidir", "file", "dir", "docker", "docker-daemon", "containers-storage"}, transport):
			return fmt.Errorf("%q is a reference. %s: write its path alone, %q. The names of images in it are tags of manifests and indexes. For a directory of that name, write %q",
				text, directory, name, "./"+text+"/")
		}
	}
	if err := shellPathProblem(text, "directory"); err != nil {
		return err
	}
	if strings.HasSuffix(text, "/") {
		return nil
	}
	base := path.Base(text)
	if i := slices.IndexFunc(tarSuffixes, func(suffix string) bool { return strings.HasSuffix(strings.ToLower(base), suffix) }); i >= 0 {
		return fmt.Errorf("%q is the name of a tar. %s: write %q. For a directory of that name, end it with a slash: %q", text, directory, text[:len(text)-len(tarSuffixes[i])], text+"/")
	}
	if name, tag, found := strings.Cut(base, ":"); found && (len(name) > 1 || base != text) {
		return fmt.Errorf("%q ends like a reference with the tag %q. %s: write %q, and tags = [%q] in the manifest or index. For a directory of that name, end it with a slash: %q",
			text, tag, directory, strings.TrimSuffix(text, ":"+tag), tag, text+"/")
	}
	return nil
}

// shellPathProblem refuses a path that a shell would make another one; what names the kind
// of file.
func shellPathProblem(text, what string) error {
	if strings.HasPrefix(text, "~") {
		return fmt.Errorf("%q begins with ~, which only a shell reads as a home directory. Write an absolute path, or %q for a %s of that name", text, "./"+text, what)
	}
	if m := shellPattern().FindStringSubmatch(text); m != nil {
		return fmt.Errorf("%q begins with %s, which only a shell replaces. Declare a variable and write ${var.name}, or %q for a %s of that name", text, m[1], "./"+text, what)
	}
	return nil
}
