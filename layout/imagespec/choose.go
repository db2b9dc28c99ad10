package imagespec

import (
	"slices"
	"strconv"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ChoosePlatform gives the positions of those platforms in have that suit want best,
// in order; none where no image would run. The order of preference is containerd's:
// want itself, then lower variants of its architecture, then the 32 bits that its
// processors run: 386 for amd64, arm for arm64. An os.version that is wanted has to be
// the same. Of os.features, other than win32k, which all of Windows has, a platform may
// need none that is not wanted; of those that suit otherwise, the ones that use most
// are best. Nothing depends on the machine that asks.
func ChoosePlatform(want ocispec.Platform, have []ocispec.Platform) []int {
	for _, p := range platformOrder(want) {
		best, most := []int(nil), -1
		for i, h := range have {
			features, ok := suits(p, h)
			if !ok || features < most {
				continue
			}
			if features > most {
				best, most = nil, features
			}
			best = append(best, i)
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// suits reports whether have is the platform want, and how many features it uses.
func suits(want, have ocispec.Platform) (features int, ok bool) {
	if want.OSVersion != "" && have.OSVersion != want.OSVersion {
		return 0, false
	}
	for _, f := range have.OSFeatures {
		switch {
		case slices.Contains(want.OSFeatures, f):
			features++
		case f != "win32k" || have.OS != "windows":
			return 0, false
		}
	}
	have.OSVersion, have.OSFeatures = want.OSVersion, want.OSFeatures
	return features, SamePlatform(want, have)
}

// minorsOf8 is the number of the minor version of arm64/v8 that a processor of
// arm64/v9 with the minor version 0 runs, and lastMinor8 and lastMinor9 are the last
// ones that there are.
const (
	minorsOf8  = 5
	lastMinor8 = 9
	lastMinor9 = 7
)

// platformOrder lists the platforms whose images run where those of p do, best first.
func platformOrder(p ocispec.Platform) []ocispec.Platform {
	p = NormalPlatform(p)
	order := []ocispec.Platform{p}
	add := func(architecture, variant string) {
		next := p
		next.Architecture, next.Variant = architecture, variant
		order = append(order, next)
	}
	switch p.Architecture {
	case "amd64":
		for v := major(p.Variant, 1) - 1; v >= 1; v-- {
			add("amd64", "v"+strconv.Itoa(v))
		}
		add("386", "")
	case "arm":
		for v := major(p.Variant, 7) - 1; v >= 5; v-- {
			add("arm", "v"+strconv.Itoa(v))
		}
	case "arm64":
		version, minor, known := armVersion(p.Variant)
		if !known {
			break
		}
		for v := minor - 1; v >= 0; v-- {
			add("arm64", armVariant(version, v))
		}
		if version == 9 {
			for v := min(minor+minorsOf8, lastMinor8); v >= 0; v-- {
				add("arm64", armVariant(8, v))
			}
		}
		for v := 8; v >= 5; v-- {
			add("arm", "v"+strconv.Itoa(v))
		}
	}
	return order
}

// major is the number in a variant such as v3; otherwise for none, and 0 for a variant
// of another form.
func major(variant string, otherwise int) int {
	if variant == "" {
		return otherwise
	}
	n, err := strconv.Atoi(strings.TrimPrefix(variant, "v"))
	if err != nil {
		return 0
	}
	return min(n, 99)
}

// armVersion takes a variant of arm64 such as v8.2 apart. known is false for one that
// there is not.
func armVersion(variant string) (version, minor int, known bool) {
	if variant == "" {
		return 8, 0, true
	}
	text, minorText, hasMinor := strings.Cut(variant, ".")
	version = major(text, 0)
	if hasMinor {
		minor = major(minorText, 0)
	}
	known = variant == armVariant(version, minor) && (version == 8 && minor <= lastMinor8 || version == 9 && minor <= lastMinor9)
	return version, minor, known
}

// armVariant is the variant of arm64 with a version.
func armVariant(version, minor int) string {
	if minor == 0 {
		return "v" + strconv.Itoa(version)
	}
	return "v" + strconv.Itoa(version) + "." + strconv.Itoa(minor)
}
