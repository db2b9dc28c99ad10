package imagespec_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout/imagespec"
)

func TestMediaTypes(t *testing.T) {
	long := strings.Repeat("a", 127)
	for s, want := range map[string]bool{
		"application/vnd.oci.image.layer.v1.tar+gzip": true,
		"a/b": true, "1!#$&^_.+-/2": true, long + "/" + long: true,
		"": false, "a": false, "/": false, "a/": false, "/b": false, "a/b/c": false, "a/b;q=1": false, " a/b": false, "a /b": false,
		"a/b\n": false, "é/b": false, "-a/b": false, "a/.b": false, long + "a/b": false, "a/" + long + "b": false,
	} {
		if got := imagespec.IsMediaType(s); got != want {
			t.Errorf("%.40q: IsMediaType is %v", s, got)
		}
	}
}

// The compression of a type and the type of a compression are one table.
func TestLayerTypes(t *testing.T) {
	for _, a := range imagespec.Algorithms() {
		if got, ok := imagespec.LayerCompression(a.MediaType()); !ok || got != a {
			t.Errorf("%s has the media type %s, which has the compression %q, %v", a, a.MediaType(), got, ok)
		}
	}
	if got := imagespec.Algorithm("").MediaType(); got != ocispec.MediaTypeImageLayerGzip {
		t.Errorf("the default media type is %s", got)
	}
	for _, mediaType := range imagespec.LayerMediaTypes() {
		a, _ := imagespec.LayerCompression(mediaType)
		for suffix, is := range map[string]imagespec.Algorithm{"gzip": imagespec.Gzip, "zstd": imagespec.Zstd, ".tar": imagespec.Uncompressed} {
			if strings.HasSuffix(mediaType, suffix) != (a == is) {
				t.Errorf("%s has the compression %s", mediaType, a)
			}
		}
		if want := strings.Contains(mediaType, "nondistributable") || strings.Contains(mediaType, "foreign"); imagespec.IsNondistributable(mediaType) != want {
			t.Errorf("%s: IsNondistributable is %v", mediaType, !want)
		}
		if !imagespec.IsMediaType(mediaType) || !imagespec.IsLayer(mediaType) || imagespec.IsManifest(mediaType) {
			t.Errorf("%s is not taken for a layer alone", mediaType)
		}
	}
	for _, other := range []string{"", "application/vnd.oci.image.layer.v1.tar+lz4", "application/vnd.oci.image.layer.v1.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar+gzip", ocispec.MediaTypeImageConfig, ocispec.MediaTypeImageLayer + "+"} {
		if imagespec.IsLayer(other) || imagespec.IsNondistributable(other) {
			t.Errorf("%q is taken for a layer", other)
		}
	}
}

func TestPlatforms(t *testing.T) {
	if !slices.IsSorted(imagespec.Systems()) || !slices.IsSorted(imagespec.Architectures()) {
		t.Error("the names of platforms are not sorted")
	}
	for text, want := range map[string]ocispec.Platform{
		"linux/amd64":    {OS: "linux", Architecture: "amd64"},
		"linux/arm64/v8": {OS: "linux", Architecture: "arm64", Variant: "v8"},
		"wasip2/wasm":    {OS: "wasip2", Architecture: "wasm"},
	} {
		p, err := imagespec.ParsePlatform(text)
		if err != nil || !imagespec.SamePlatform(p, want) || imagespec.PlatformText(p) != text {
			t.Errorf("%q is %+v, %v", text, p, err)
		}
		if !imagespec.KnownSystem(p.OS) || !imagespec.KnownArchitecture(p.Architecture) {
			t.Errorf("%q is not known", text)
		}
	}
	for _, text := range []string{"", "linux", "linux/", "/amd64", "linux//v8", "linux/arm/v7/x"} {
		if p, err := imagespec.ParsePlatform(text); err == nil {
			t.Errorf("%q is %+v", text, p)
		}
	}
	arm64 := ocispec.Platform{OS: "linux", Architecture: "arm64"}
	for _, c := range []struct {
		a, b ocispec.Platform
		same bool
	}{
		{arm64, ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, true},
		{arm64, ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v9"}, false},
		{arm64, ocispec.Platform{OS: "linux", Architecture: "arm64", OSVersion: "1"}, false},
		{arm64, ocispec.Platform{OS: "linux", Architecture: "arm64", OSFeatures: []string{"f"}}, false},
		{ocispec.Platform{OS: "linux", Architecture: "arm", Variant: "v8"}, ocispec.Platform{OS: "linux", Architecture: "arm"}, false},
	} {
		if got := imagespec.SamePlatform(c.a, c.b); got != c.same {
			t.Errorf("%+v, %+v: same is %v", c.a, c.b, got)
		}
	}
}

func TestConfigFields(t *testing.T) {
	for s, want := range map[string]bool{
		"80": true, "80/tcp": true, "80/udp": true, "1": true, "65535/tcp": true,
		"80/sctp": false, "": false, "/tcp": false, "80/": false, "0": false, "65536": false, "80/TCP": false, "80/tcp/udp": false,
		"-1": false, "+80": false, "80-90/tcp": false, " 80": false, "99999999999999999999": false, "٨٠": false,
	} {
		if err := imagespec.CheckPort(s); (err == nil) != want {
			t.Errorf("port %q: %v", s, err)
		}
	}
	for s, want := range map[string]bool{"A=b": true, "A=": true, "A=b=c": true, "=b": false, "A": false, "": false, "A=\x00": false} {
		if err := imagespec.CheckVariable(s); (err == nil) != want {
			t.Errorf("variable %q: %v", s, err)
		}
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string]bool{
		"latest": true, "v1.2.3": true, "a--b": true, "registry.example.com:5000/team/app:v1": true, "A@b+c": true,
		"a__b": true, "a..b": true, "_a": true, "a-": true, "a---b": true, "v1.": true, "registry.example.com/my__app:foo_": true, "localhost:5000/a---b:v1-": true,
		"": false, "a/": false, "a b": false, "a\n": false, "-a": false, ".a": false, "..": false, "a/../b": false, "../x": false, "a/b-": false, "a__b/c": false,
		"a:b:c_": false, "/a": false, "a//b": false, "A/b:c_:d": false, "é": false, strings.Repeat("a", 200) + "_": false,
	} {
		if err := imagespec.CheckRefName(s); (err == nil) != want {
			t.Errorf("ref name %q: %v", s, err)
		}
	}
	for s, want := range map[string]bool{"v1": true, "a__b": false, "a-": false, "app:foo_": false, "a--b": true} {
		if got := imagespec.IsRefName(s); got != want {
			t.Errorf("%q has the form of the image spec: %v", s, got)
		}
	}
	for n, want := range map[int]bool{imagespec.MaxRefName: true, imagespec.MaxRefName + 1: false} {
		if err := imagespec.CheckRefName(strings.Repeat("a", n)); (err == nil) != want {
			t.Errorf("a ref name of %d characters: %v", n, err)
		}
	}
	for s, want := range map[string]bool{
		"web": true, "web.prod": true, "0": true, strings.Repeat("a", 64): true,
		"Web": false, "": false, ".web": false, "a/b": false, "..": false, "a b": false, strings.Repeat("a", 65): false, "wéb": false,
	} {
		if err := imagespec.CheckSpecName(s); (err == nil) != want {
			t.Errorf("spec name %q: %v", s, err)
		}
	}
}

func TestTimes(t *testing.T) {
	for s, want := range map[string]string{
		"2026-03-08":                       "2026-03-08T00:00:00Z",
		"2026-03-08T01:02:03Z":             "2026-03-08T01:02:03Z",
		"2026-03-08t01:02:03z":             "2026-03-08T01:02:03Z",
		"2026-03-08T01:02:03.5+02:00":      "2026-03-07T23:02:03.5Z",
		"0000-01-01":                       "0000-01-01T00:00:00Z",
		"yesterday":                        "",
		"":                                 "",
		"2026-02-30":                       "",
		"2026-3-8":                         "",
		"2026-03-08T01:02:03":              "",
		"2026-03-08 01:02:03Z":             "",
		"2026-03-08T1:02:03Z":              "",
		"2026-03-08T01:02:03,5Z":           "",
		"2026-03-08T25:02:03Z":             "",
		"2026-03-08T01:02:03+0200":         "",
		"20260308":                         "",
		"1700000000":                       "",
		"2026-03-08T01:02:03Z\n":           "",
		"2026-03-08T01:02:03.123456789Z ":  "",
		"+2026-03-08T01:02:03.123456789Z":  "",
		"12026-03-08T01:02:03.123456789Z0": "",
	} {
		got, err := imagespec.ParseMoment(s)
		if (err == nil) != (want != "") || err == nil && got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v, %v", s, got, err)
		}
		written, err := imagespec.WriteAnnotation(ocispec.AnnotationCreated, s)
		if (err == nil) != (want != "") {
			t.Errorf("%q as an annotation: %q, %v", s, written, err)
		}
		if err == nil && imagespec.CheckAnnotation(ocispec.AnnotationCreated, written) != nil {
			t.Errorf("%q is written as %q, which no layout may hold", s, written)
		}
	}
	if err := imagespec.CheckAnnotation("", "x"); err == nil {
		t.Error("an empty key is right")
	}
	if v, err := imagespec.WriteAnnotation("org.example", "2026-03-08"); v != "2026-03-08" || err != nil {
		t.Errorf("another annotation becomes %q, %v", v, err)
	}
}

func TestPaths(t *testing.T) {
	for name, want := range map[string]bool{
		strings.Repeat("n", 255):                               false,
		strings.Repeat("n", 256):                               true,
		strings.Repeat("n", 256) + "/a":                        true,
		"a/" + strings.Repeat("n", 256) + "/a":                 true,
		strings.Repeat(strings.Repeat("n", 255)+"/", 15) + "a": false,
		strings.Repeat("d/", 2047) + "f":                       false,
		strings.Repeat("d/", 2047) + "ff":                      true,
	} {
		if got := imagespec.TooLong(name); got != want {
			t.Errorf("%.20q of %d bytes: TooLong is %v", name, len(name), got)
		}
	}
	for p, want := range map[string]string{"a": ".wh.a", "a/b": "a/.wh.b", ".": "", "": "", "a/..": "", "a/": ""} {
		if got, ok := imagespec.WhiteoutPath(p); got != want || ok != (want != "") {
			t.Errorf("the whiteout of %q is %q, %v", p, got, ok)
		}
	}
	if got := imagespec.OpaquePath("."); got != imagespec.OpaqueName {
		t.Errorf("the opaque whiteout of the root is %q", got)
	}
	for base, want := range map[string]string{".wh.a": "a", ".wh.a.wh.": "a.wh.", ".wh..a": ".a", imagespec.OpaqueName: ""} {
		if got, err := imagespec.Hidden(base); got != want || err != nil {
			t.Errorf("%q hides %q, %v", base, got, err)
		}
	}
	for _, base := range []string{".wh.", ".wh..", ".wh...", ".wh..wh.", ".wh..wh..plnk", "a", ""} {
		if got, err := imagespec.Hidden(base); err == nil {
			t.Errorf("%q hides %q", base, got)
		}
	}
}

func TestGrowth(t *testing.T) {
	const free = imagespec.RatioFree
	for _, c := range []struct {
		in, out int64
		want    bool
	}{
		{0, free, false}, {1, free + 1, true}, {free / imagespec.MaxRatio, free + 1, false}, {free, free * 1000, false}, {free, free*1001 + 1, true},
	} {
		if got := imagespec.GrowsTooMuch(c.in, c.out); got != c.want {
			t.Errorf("%d bytes that grow to %d: %v", c.in, c.out, got)
		}
	}
}

// TestOCILayer: every layer type of Docker has one of the image spec with the same
// compression, and no other type changes.
func TestOCILayer(t *testing.T) {
	for _, mediaType := range append(imagespec.LayerMediaTypes(), "text/plain", "") {
		got := imagespec.OCILayer(mediaType)
		if docker := strings.Contains(mediaType, "docker"); docker == (got == mediaType) || strings.Contains(got, "docker") {
			t.Errorf("%q is %q", mediaType, got)
		}
		is, _ := imagespec.LayerCompression(mediaType)
		if c, _ := imagespec.LayerCompression(got); c != is || imagespec.IsNondistributable(got) != imagespec.IsNondistributable(mediaType) {
			t.Errorf("%q is %q, of another compression or distribution", mediaType, got)
		}
	}
}

func TestNormalPort(t *testing.T) {
	for port, want := range map[string]string{"80": "80/tcp", "80/tcp": "80/tcp", "080": "80/tcp", "80/udp": "80/udp", "x": "x", "80/sctp": "80/sctp", "": ""} {
		if got := imagespec.NormalPort(port); got != want {
			t.Errorf("%q: %q, want %q", port, got, want)
		}
	}
}

func TestDockerMediaType(t *testing.T) {
	for mediaType, want := range map[string]string{
		ocispec.MediaTypeImageIndex: imagespec.MediaTypeDockerList, ocispec.MediaTypeImageManifest: imagespec.MediaTypeDockerManifest,
		ocispec.MediaTypeImageConfig: imagespec.MediaTypeDockerConfig, imagespec.MediaTypeDockerConfig: imagespec.MediaTypeDockerConfig,
		ocispec.MediaTypeImageLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip", ocispec.MediaTypeImageLayer: "application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
		ocispec.MediaTypeImageLayerZstd:                                "", "text/plain": "",
	} {
		if got, ok := imagespec.DockerMediaType(mediaType); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %s, %v", mediaType, got, ok)
		}
	}
}
