package imagespec

import (
	"errors"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Unknown is the operating system and architecture of what runs on no platform,
// such as build attestations in an index.
const Unknown = "unknown"

// systems and architectures are the values that Go has or had for GOOS and
// GOARCH, as the image spec wants them, in order. wasip2 is what WebAssembly
// images use beside Go's wasip1.
var (
	systems = [...]string{
		"aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux", "nacl", "netbsd", "openbsd", "plan9",
		"solaris", Unknown, "wasip1", "wasip2", "windows", "zos",
	}
	architectures = [...]string{
		"386", "amd64", "amd64p32", "arm", "arm64", "arm64be", "armbe", "loong64", "mips", "mips64", "mips64le", "mips64p32", "mips64p32le",
		"mipsle", "ppc", "ppc64", "ppc64le", "riscv", "riscv64", "s390", "s390x", "sparc", "sparc64", Unknown, "wasm",
	}
)

// Systems lists the operating systems that a platform may name, sorted.
func Systems() []string { return slices.Clone(systems[:]) }

// Architectures lists the architectures that a platform may name, sorted.
func Architectures() []string { return slices.Clone(architectures[:]) }

// KnownSystem reports whether s is one of Systems.
func KnownSystem(s string) bool { return slices.Contains(systems[:], s) }

// KnownArchitecture reports whether s is one of Architectures.
func KnownArchitecture(s string) bool { return slices.Contains(architectures[:], s) }

// maxVariant is the length of a variant, maxFeature that of os.version and of
// each element of os.features.
const (
	maxVariant = 64
	maxFeature = 128
)

// IsVariant reports whether s can be the variant of an architecture: 1 to 64
// letters, digits, dots, hyphens and underscores, the first a letter or digit.
func IsVariant(s string) bool {
	if len(s) == 0 || len(s) > maxVariant || !isAlphanumeric(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.ContainsRune("._-", rune(s[i])) {
			return false
		}
	}
	return true
}

// IsOSFeature reports whether s can be os.version or an element of os.features:
// 1 to 128 printable characters of ASCII without spaces.
func IsOSFeature(s string) bool {
	return len(s) > 0 && len(s) <= maxFeature && strings.IndexFunc(s, func(r rune) bool { return r < '!' || r > '~' }) < 0
}

// ParsePlatform reads os/architecture or os/architecture/variant. It checks the
// form, not whether the names are known.
func ParsePlatform(text string) (ocispec.Platform, error) {
	parts := strings.Split(text, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "") {
		return ocispec.Platform{}, errors.New("is no platform: write os/architecture or os/architecture/variant, such as linux/arm64/v8")
	}
	p := ocispec.Platform{OS: parts[0], Architecture: parts[1]}
	if len(parts) == 3 {
		p.Variant = parts[2]
	}
	return p, nil
}

// PlatformText writes a platform as os/architecture/variant, with all that is
// set, os.version and os.features included.
func PlatformText(p ocispec.Platform) string {
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
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

// NormalPlatform is the platform with its variant in one form of those that readers
// take for the same: with a v, without a minor version 0, and empty where every reader
// takes it for granted: v8 of arm64, v7 of arm, v1 of amd64. It serves comparison: what
// is written keeps its variant.
func NormalPlatform(p ocispec.Platform) ocispec.Platform {
	switch p.Architecture {
	case "arm", "arm64":
		if p.Variant != "" && strings.Trim(p.Variant, "0123456789.") == "" {
			p.Variant = "v" + p.Variant
		}
	}
	if p.Architecture == "arm64" {
		p.Variant = strings.TrimSuffix(p.Variant, ".0")
	}
	switch p.Architecture + "/" + p.Variant {
	case "arm64/v8", "arm/v7", "amd64/v1":
		p.Variant = ""
	}
	return p
}

// SamePlatform reports whether two platforms are the same in their normal form.
func SamePlatform(a, b ocispec.Platform) bool {
	a, b = NormalPlatform(a), NormalPlatform(b)
	return a.OS == b.OS && a.Architecture == b.Architecture && a.Variant == b.Variant &&
		a.OSVersion == b.OSVersion && slices.Equal(a.OSFeatures, b.OSFeatures)
}
