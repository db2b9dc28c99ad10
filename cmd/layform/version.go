package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/layform/layform/cmd/layform/view"
	"github.com/layform/layform/layout/layer"
)

// versionCmd prints the version.
type versionCmd struct{}

// Help gives examples.
func (c *versionCmd) Help() string {
	return `For example:
  layform version --json`
}

// Run prints the version and what decides the bytes of layers.
func (c *versionCmd) Run(a *app) error {
	v := &view.Version{
		Version: version(), Go: runtime.Version(), Encoding: layer.Encoding,
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if a.json {
		return a.print(view.Document{Type: view.TypeVersion, Version: v})
	}
	return writeTo(a.stdout, fmt.Sprintf("layform %s\nlayers encoded by %s, built with %s on %s\n",
		v.Version, v.Encoding, v.Go, v.Platform))
}

// version is the version of the module that the program was built from; "dev"
// for a build from a working tree or from a commit without a tag.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	v := info.Main.Version
	if v == "" || v == "(devel)" || strings.HasPrefix(v, "v0.0.0-") {
		return "dev"
	}
	return strings.TrimPrefix(v, "v")
}
