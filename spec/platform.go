package spec

import (
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/spec/eval"
	"github.com/layform/layform/spec/internal/suggest"
)

// otherNames are the names by which other tools know architectures and systems.
var otherNames = map[string]string{
	"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386", "x86": "386",
	"armv7": "arm/v7", "armv6": "arm/v6", "armhf": "arm/v7", "macos": "darwin", "osx": "darwin",
}

// parsePlatform reads os/arch or os/arch/variant.
func parsePlatform(text string) (*ocispec.Platform, string) {
	p, err := imagespec.ParsePlatform(text)
	if err != nil {
		return nil, fmt.Sprintf("%s %s.", eval.Quote(text), err)
	}
	return &p, platformProblem(&p)
}

// platformProblem checks the names of a platform; "" if they are right.
func platformProblem(p *ocispec.Platform) string {
	switch {
	case !imagespec.KnownSystem(p.OS):
		return fmt.Sprintf("%s is no operating system that Go knows.%s", eval.Quote(p.OS), platformHint(p.OS, imagespec.Systems()))
	case !imagespec.KnownArchitecture(p.Architecture):
		return fmt.Sprintf("%s is no architecture that Go knows.%s", eval.Quote(p.Architecture), platformHint(p.Architecture, imagespec.Architectures()))
	case p.Variant != "" && !imagespec.IsVariant(p.Variant):
		return fmt.Sprintf("%s is no variant of an architecture: v8 is one.", eval.Quote(p.Variant))
	}
	return ""
}

func platformHint(name string, known []string) string {
	if other, ok := otherNames[strings.ToLower(name)]; ok {
		return fmt.Sprintf(" Did you mean %q?", other)
	}
	if slices.Contains(known, strings.ToLower(name)) {
		return fmt.Sprintf(" Did you mean %q?", strings.ToLower(name))
	}
	return suggest.Closest(name, known)
}
