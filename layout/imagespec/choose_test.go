package imagespec_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

// variants are those that there are of an architecture, with their other forms.
func variants(architecture string) []string {
	all := []string{""}
	switch architecture {
	case "amd64":
		all = append(all, "v1", "v2", "v3", "v4")
	case "arm":
		all = append(all, "5", "6", "7", "8", "v5", "v6", "v7", "v8")
	case "arm64":
		all = append(all, "8", "9", "9.0")
		for v := range 10 {
			all = append(all, fmt.Sprintf("v8.%d", v))
		}
		for v := range 8 {
			all = append(all, fmt.Sprintf("v9.%d", v))
		}
		all = append(all, "v8", "v9")
	}
	return all
}

// TestChoosePlatformAsContainerd holds that of all pairs of platforms of a system the
// one is chosen that containerd chooses.
func TestChoosePlatformAsContainerd(t *testing.T) {
	var all []ocispec.Platform
	for _, architecture := range imagespec.Architectures() {
		for _, v := range variants(architecture) {
			all = append(all, ocispec.Platform{OS: "linux", Architecture: architecture, Variant: v})
		}
	}
	for _, want := range all {
		m := platforms.Only(want)
		for i, a := range all {
			if got := imagespec.ChoosePlatform(want, []ocispec.Platform{a}); (got != nil) != m.Match(a) {
				t.Fatalf("%s for %s: chosen %v, containerd %v", imagespec.PlatformText(a), imagespec.PlatformText(want), got, m.Match(a))
			}
			for _, b := range all[:i] {
				var theirs []int
				if m.Match(a) || m.Match(b) {
					switch {
					case m.Less(a, b):
						theirs = []int{0}
					case m.Less(b, a):
						theirs = []int{1}
					default:
						theirs = []int{0, 1}
					}
				}
				if got := imagespec.ChoosePlatform(want, []ocispec.Platform{a, b}); !slices.Equal(got, theirs) {
					t.Fatalf("%s and %s for %s: chosen %v, containerd %v",
						imagespec.PlatformText(a), imagespec.PlatformText(b), imagespec.PlatformText(want), got, theirs)
				}
			}
		}
	}
}

func TestChoosePlatform(t *testing.T) {
	have := []ocispec.Platform{
		{}, // none is said
		{OS: imagespec.Unknown, Architecture: imagespec.Unknown},
		{OS: "linux", Architecture: "arm", Variant: "v6"},
		{OS: "linux", Architecture: "arm", Variant: "v7"},
		{OS: "linux", Architecture: "arm64", Variant: "v8"},
		{OS: "linux", Architecture: "386"},
		{OS: "windows", Architecture: "amd64", OSVersion: "10.0.17763.1", OSFeatures: []string{"win32k"}},
		{OS: "windows", Architecture: "amd64", OSVersion: "10.0.20348.1"},
		{OS: "linux", Architecture: "riscv64", OSFeatures: []string{"erofs"}},
		{OS: "linux", Architecture: "riscv64"},
		{OS: "linux", Architecture: "arm64"},
		{OS: "linux", Architecture: "mips", Variant: "odd"},
	}
	for want, positions := range map[string][]int{
		"linux/arm":                  {3},
		"linux/arm/v6":               {2},
		"linux/arm/v5":               nil,
		"linux/arm/v8":               {3},
		"linux/arm64":                {4, 10},
		"linux/arm64/v8.4":           {4, 10},
		"linux/amd64":                {5},
		"linux/s390x":                nil,
		"windows/amd64":              {6, 7},
		"windows/amd64 10.0.20348.1": {7},
		"linux/riscv64":              {9},
		"linux/riscv64 erofs":        {8},
		"linux/mips/odd":             {11},
		"linux/mips":                 nil,
	} {
		var features []string
		text, version := want, ""
		if n, _ := fmt.Sscanf(want, "%s %s", &text, &version); n == 2 && version == "erofs" {
			features, version = []string{version}, ""
		}
		p, err := imagespec.ParsePlatform(text)
		if err != nil {
			t.Fatal(err)
		}
		p.OSVersion, p.OSFeatures = version, features
		if diff := cmp.Diff(positions, imagespec.ChoosePlatform(p, have)); diff != "" {
			t.Errorf("%s: %s", want, diff)
		}
	}
}
