package ref_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/layform/layform/layout/ref"
	"github.com/opencontainers/go-digest"
)

const hex = "0a4eaa0eecf5f8c050e5bba433f58c052be7587ee8af3e8b3910ef9ab5fbe9f5"

var dgst = digest.Digest("sha256:" + hex)

func image(host, repository, tag string, d digest.Digest) ref.Reference {
	return ref.Reference{Transport: ref.Registry, Image: ref.Image{Host: host, Repository: repository, Tag: tag, Digest: d}}
}

func layoutAt(path, name string, d digest.Digest) ref.Reference {
	return ref.Reference{Transport: ref.Layout, Path: path, Name: name, Digest: d}
}

// parsed are references with what they mean; canonical is what String writes, and
// empty where that is the text itself.
var parsed = []struct {
	text      string
	want      ref.Reference
	canonical string
}{
	{text: "oci:dist/hello", want: layoutAt("dist/hello", "", "")},
	{text: "oci:.", want: layoutAt(".", "", "")},
	{text: "oci:..", want: layoutAt("..", "", "")},
	{text: "oci:/srv/images/", want: layoutAt("/srv/images/", "", "")},
	{text: "oci:dist/hello:latest", want: layoutAt("dist/hello", "latest", "")},
	{text: "oci:dist/hello:registry.example.com/team/app:v1", want: layoutAt("dist/hello", "registry.example.com/team/app:v1", "")},
	{text: "oci:dist/hello:localhost:5000/app:v1", want: layoutAt("dist/hello", "localhost:5000/app:v1", "")},
	{text: "oci:dist/hello:my__app:v1_", want: layoutAt("dist/hello", "my__app:v1_", "")},
	{text: "oci:dist/hello@sha256:" + hex, want: layoutAt("dist/hello", "", dgst)},
	{text: "oci:dist/hello:sha256:" + hex, want: layoutAt("dist/hello", "", dgst), canonical: "oci:dist/hello@sha256:" + hex},
	{text: "oci:dist/hello:v1@sha256:" + hex, want: layoutAt("dist/hello", "v1", dgst)},
	{text: "oci:my layout/a.b:v1", want: layoutAt("my layout/a.b", "v1", "")},
	{text: "oci:a@b/c:v1", want: layoutAt("a@b/c", "v1", "")},
	{text: "oci:100%:v1", want: layoutAt("100%", "v1", "")},
	{text: "oci:a%3Ab:v1", want: layoutAt("a:b", "v1", "")},
	{text: "oci:a%3ab", want: layoutAt("a:b", "", ""), canonical: "oci:a%3Ab"},
	{text: "oci:a%253Ab", want: layoutAt("a%3Ab", "", "")},
	{text: `oci:C:\layouts\app:v1`, want: layoutAt(`C:\layouts\app`, "v1", "")},
	{text: `oci:c:/layouts/app`, want: layoutAt("c:/layouts/app", "", "")},
	{text: `oci:\\server\share\app:v1`, want: layoutAt(`\\server\share\app`, "v1", "")},
	{text: "oci-archive:hello.tar", want: ref.Reference{Transport: ref.Archive, Path: "hello.tar"}},
	{text: "oci-archive:./hello-world.tar:v1", want: ref.Reference{Transport: ref.Archive, Path: "./hello-world.tar", Name: "v1"}},
	{text: "docker-archive:save.tar:busybox:latest", want: ref.Reference{Transport: ref.DockerArchive, Path: "save.tar", Name: "busybox:latest"}},
	{text: "docker://localhost:5000/hello:v1", want: image("localhost:5000", "hello", "v1", "")},
	{text: "docker://ghcr.io/team/app", want: image("ghcr.io", "team/app", "", "")},
	{text: "docker://ghcr.io/team/app:v1@sha256:" + hex, want: image("ghcr.io", "team/app", "v1", dgst)},
	{text: "docker://ghcr.io/team/app@sha256:" + hex, want: image("ghcr.io", "team/app", "", dgst)},
	{text: "docker://GHCR.io/team/app", want: image("ghcr.io", "team/app", "", ""), canonical: "docker://ghcr.io/team/app"},
	{text: "docker://[::1]:5000/app:v1", want: image("[::1]:5000", "app", "v1", "")},
	{text: "docker://127.0.0.1:5000/app", want: image("127.0.0.1:5000", "app", "", "")},
	{text: "docker://alpine:3.20", want: image("docker.io", "library/alpine", "3.20", ""), canonical: "docker://docker.io/library/alpine:3.20"},
	{text: "docker://docker.io/alpine", want: image("docker.io", "library/alpine", "", ""), canonical: "docker://docker.io/library/alpine"},
	{text: "docker://index.docker.io/team/app", want: image("docker.io", "team/app", "", ""), canonical: "docker://docker.io/team/app"},
	{text: "docker://team/app", want: image("docker.io", "team/app", "", ""), canonical: "docker://docker.io/team/app"},
	{text: "docker://a.b-c__d/e---f.g/h:_T.9-", want: image("a.b-c__d", "e---f.g/h", "_T.9-", "")},
}

func TestParse(t *testing.T) {
	for _, test := range parsed {
		got, err := ref.Parse(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if got != test.want {
			t.Errorf("%s:\n got %#v\nwant %#v", test.text, got, test.want)
		}
		want := test.canonical
		if want == "" {
			want = test.text
		}
		if got.String() != want {
			t.Errorf("%s: written as %s, want %s", test.text, got, want)
		}
		if again, err := ref.Parse(got.String()); err != nil || again != got {
			t.Errorf("%s: read again as %#v, %v", got, again, err)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                           "write oci:DIR[:NAME]",
		"alpine":                     "docker://alpine",
		"dist/hello:v1":              "oci:dist/hello:v1",
		"./dist/hello":               "oci:./dist/hello",
		`C:\x`:                       `oci:C:\x`,
		"https://ghcr.io/team/app":   "docker://ghcr.io/team/app",
		"docker:ghcr.io/team/app":    "docker://ghcr.io/team/app",
		"docker:/ghcr.io/team/app":   "docker://ghcr.io/team/app",
		"docker-daemon:app:latest":   "docker-archive:FILE",
		"dir:out":                    "oci:out",
		"oci:":                       "no path",
		"oci::v1":                    "no path",
		"oci:dist:":                  "leave the colon out",
		"oci:dist:v1:":               "%3A",
		"oci:dist:a b":               "%3A",
		"oci:dist:-x":                "ref name",
		"oci://dist/hello":           "write oci:dist/hello",
		"oci:a\x00b":                 "zero byte",
		"docker://":                  "repository",
		"docker://ghcr.io/":          "repository",
		"docker://localhost:5000":    "docker://localhost:5000/REPOSITORY",
		"docker://127.0.0.1:5791":    "no repository",
		"docker://reg.example:5000":  "docker://docker.io/library/reg.example:5000",
		"docker://ubuntu:2404":       "",
		"docker://ghcr.io":           "", // a repository of Docker Hub with that name
		"docker://ghcr.io/Team/app":  "write team/app",
		"docker://ghcr.io/a//b":      "repository",
		"docker://Team/app":          "write team/app",
		"docker://ghcr.io/app:":      "empty",
		"docker://ghcr.io/app:a:b":   "tag",
		"docker://ghcr.io/app:-x":    "tag",
		"docker://ghcr.io/app@":      "64 hexadecimal digits",
		"docker://ghcr.io/app@x":     "64 hexadecimal digits",
		"docker://ghcr.io/a@md5:abc": "sha512",
		"docker://ghcr.io:/app":      "port",
		"docker://ghcr.io:0/app":     "1 to 65535",
		"docker://ghcr.io:65536/app": "1 to 65535",
		"docker://ghcr.io:080/app":   "1 to 65535",
		"docker://[::1/app":          "IPv6",
		"docker://[fe80::1%25e]/app": "IPv6",
		"docker://user@ghcr.io/app":  "HOST:PORT",
		"docker://.ghcr.io/app":      "host",
		"docker://docker.io/library/reg.example:5000":          "",
		"docker://ghcr.io/app:" + strings.Repeat("t", 129):     "128",
		"docker://ghcr.io/" + strings.Repeat("a", 256):         "255",
		"docker://ghcr.io/" + strings.Repeat("a", 250):         "255",
		"docker://ghcr.io/app@sha256:" + strings.ToUpper(hex):  "64 hexadecimal digits",
		"docker://" + strings.Repeat("h", 64) + ".example/app": "host",
	} {
		got, err := ref.Parse(text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && err == nil:
			t.Errorf("%q was parsed as %#v", text, got)
		case want != "" && !strings.Contains(err.Error(), want):
			t.Errorf("%q: the error does not say %q: %v", text, want, err)
		}
		if want != "" && got != (ref.Reference{}) {
			t.Errorf("%q: an error and %#v", text, got)
		}
	}
}

func TestParseLayout(t *testing.T) {
	for text, want := range map[string]ref.Reference{
		"dist/hello":                layoutAt("dist/hello", "", ""),
		"dist/hello:v1":             layoutAt("dist/hello", "v1", ""),
		".":                         layoutAt(".", "", ""),
		`C:\layouts\app:v1`:         layoutAt(`C:\layouts\app`, "v1", ""),
		"hello:sha256:" + hex:       layoutAt("hello", "", dgst),
		"dist/hello.tar:v1":         {Transport: ref.Archive, Path: "dist/hello.tar", Name: "v1"},
		"HELLO.TGZ":                 {Transport: ref.Archive, Path: "HELLO.TGZ"},
		"oci:hello.tar":             layoutAt("hello.tar", "", ""),
		"oci-archive:hello":         {Transport: ref.Archive, Path: "hello"},
		"docker-archive:save:app:1": {Transport: ref.DockerArchive, Path: "save", Name: "app:1"},
	} {
		if got, err := ref.ParseLayout(text); err != nil || got != want {
			t.Errorf("%s:\n got %#v, %v\nwant %#v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                     "DIR[:NAME]",
		"docker://ghcr.io/app": "in a registry",
		"https://ghcr.io/app":  "docker://ghcr.io/app",
		"dist:":                "leave the colon out",
	} {
		if _, err := ref.ParseLayout(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error does not say %q: %v", text, want, err)
		}
	}
}

func TestImage(t *testing.T) {
	i, err := ref.ParseImage("alpine")
	if err != nil {
		t.Fatal(err)
	}
	if got := i.WithDefaultTag().String(); got != "docker.io/library/alpine:latest" {
		t.Errorf("alpine is %s", got)
	}
	if i.Tag != "" {
		t.Error("WithDefaultTag changed its receiver")
	}
	i.Digest = dgst
	if got := i.WithDefaultTag(); got != i || got.Reference() != dgst.String() {
		t.Errorf("a digest got the tag %q", got.Tag)
	}
	if got := (ref.Image{Repository: "team/app", Tag: "v1"}); got.String() != "team/app:v1" || got.Name() != "team/app" || got.Reference() != "v1" {
		t.Errorf("a name without a host is %s", got)
	}
	pinned := map[ref.Image]bool{i: true} // comparable
	if again, err := ref.ParseImage(i.String()); err != nil || !pinned[again] {
		t.Errorf("%s was read again as %#v, %v", i, again, err)
	}
}

func ExampleParse() {
	for _, s := range []string{"oci:dist/hello:v1", "docker://alpine:3.20"} {
		r, err := ref.Parse(s)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Printf("%s | path %q, name %q | %s\n", r.Transport, r.Path, r.Name, r)
	}
	// Output:
	// oci | path "dist/hello", name "v1" | oci:dist/hello:v1
	// docker | path "", name "" | docker://docker.io/library/alpine:3.20
}

func FuzzParse(f *testing.F) {
	if len(parsed) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range parsed {
		f.Add(seed.text)
	}
	for _, seed := range []string{"oci:%%3A%25:x", "oci:a%2%3A", "oci:x:a@b", "oci:C%3A/x", "docker://a/b:c@sha256:" + hex, "oci:d:sha256:" + hex + "@sha256:" + hex} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (ref.Reference, error){ref.Parse, ref.ParseLayout} {
			r, err := parse(s)
			if err != nil {
				if r != (ref.Reference{}) || err.Error() == "" {
					t.Fatalf("%q: %v and %#v", s, err, r)
				}
				continue
			}
			again, err := ref.Parse(r.String())
			if err != nil || again != r {
				t.Fatalf("%q is %#v, written as %q and read again as %#v, %v", s, r, r, again, err)
			}
		}
		if i, err := ref.ParseImage(s); err == nil {
			if again, err := ref.ParseImage(i.String()); err != nil || again != i {
				t.Fatalf("%q is %#v, written as %q and read again as %#v, %v", s, i, i, again, err)
			}
		}
	})
}
