package spec

import (
	"fmt"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The image spec wants os and architecture to be values of GOOS and GOARCH.
// unknown is what attestations use.
var (
	knownSystems = []string{
		"aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd", "openbsd", "plan9",
		"solaris", "unknown", "wasip1", "wasip2", "windows", "zos",
	}
	knownArchitectures = []string{
		"386", "amd64", "amd64p32", "arm", "arm64", "arm64be", "armbe", "loong64", "mips", "mips64", "mips64le", "mips64p32", "mips64p32le",
		"mipsle", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64", "unknown", "wasm",
	}
	variantPattern = pattern(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	// versionPattern is what os_version and os_features are made of.
	versionPattern = pattern(`^[!-~]{1,128}$`)
	// otherNames are the names by which other tools know architectures and systems.
	otherNames = map[string]string{
		"x86_64": "amd64", "x86-64": "amd64", "x64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386", "x86": "386",
		"armv7": "arm/v7", "armv6": "arm/v6", "armhf": "arm/v7", "macos": "darwin", "osx": "darwin",
	}
)

// parsePlatform reads os/arch or os/arch/variant.
func parsePlatform(text string) (*ocispec.Platform, string) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return nil, fmt.Sprintf("%s is no platform: write os/architecture or os/architecture/variant, such as linux/arm64/v8.", shown(text))
	}
	p := &ocispec.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, platformProblem(p)
}

// platformProblem says what is wrong with the names of a platform, "" if nothing is.
func platformProblem(p *ocispec.Platform) string {
	switch {
	case !slices.Contains(knownSystems, p.OS):
		return fmt.Sprintf("%s is no operating system that Go knows.%s", shown(p.OS), platformHint(p.OS, knownSystems))
	case !slices.Contains(knownArchitectures, p.Architecture):
		return fmt.Sprintf("%s is no architecture that Go knows.%s", shown(p.Architecture), platformHint(p.Architecture, knownArchitectures))
	case p.Variant != "" && !variantPattern().MatchString(p.Variant):
		return fmt.Sprintf("%s is no variant of an architecture: v8 is one.", shown(p.Variant))
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
	return suggest(name, slices.Clone(known))
}

// platformName writes a platform as os/arch/variant, for comparison: variants
// that every reader takes for granted are left out.
func platformName(p *ocispec.Platform) string {
	name := p.OS + "/" + p.Architecture
	defaultVariant := p.Architecture == "arm64" && p.Variant == "v8" || p.Architecture == "arm" && p.Variant == "v7" ||
		p.Architecture == "amd64" && p.Variant == "v1"
	if p.Variant != "" && !defaultVariant {
		name += "/" + p.Variant
	}
	if p.OSVersion != "" {
		name += " " + p.OSVersion
	}
	if len(p.OSFeatures) > 0 {
		name += " " + strings.Join(p.OSFeatures, ",")
	}
	return name
}
