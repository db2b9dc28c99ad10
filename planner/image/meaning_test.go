package image_test

import (
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/planner/image"
)

// TestSameMeaning compares documents that mean the same in other bytes, and documents of
// which one says more or something else.
func TestSameMeaning(t *testing.T) {
	const config, manifest, index = ocispec.MediaTypeImageConfig, ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageIndex
	for _, c := range []struct {
		mediaType, a, b string
		want            string
	}{
		{config, `{"os":"linux","architecture":"amd64"}`, "{\n \"architecture\": \"amd64\", \"os\": \"linux\", \"config\": null, \"history\": []}", ""},
		{config, `{"config":{"User":"","Env":[],"Labels":{}}}`, `{}`, ""},
		{config, `{"config":{"User":"a"}}`, `{}`, "config"},
		{config, `{"config":{"Env":["A=1","B=2"]}}`, `{"config":{"Env":["B=2","A=1"]}}`, "config.Env[0]"},
		{config, `{"created":"2026-01-02T03:04:05.6+02:00"}`, `{"created":"2026-01-02T01:04:05Z"}`, ""},
		{config, `{"created":"2026-01-02T03:04:05Z"}`, `{"created":"2026-01-02T03:04:06Z"}`, "created"},
		{config, `{"created":"0001-01-01T00:00:00Z"}`, `{}`, ""},
		{config, `{"history":[{"empty_layer":false,"created_by":"x"}]}`, `{"history":[{"created_by":"x"}]}`, ""},
		{config, `{"history":[{"created_by":"x"}]}`, `{"history":[{"created_by":"x"},{}]}`, "history"},
		{config, `{"x":1.50}`, `{"x":1.5}`, ""},
		{config, `{"x":10000000000000000001}`, `{"x":10000000000000000002}`, "x"},
		{config, `{"x":""}`, `{}`, "x"},
		{config, `{"x":[null]}`, `{"x":[]}`, "x"},
		{config, `{"rootfs":{"diff_ids":["a"]}}`, `{"rootfs":{"diff_ids":["b"]}}`, "rootfs.diff_ids[0]"},
		{manifest, `{"schemaVersion":2,"annotations":{}}`, `{"mediaType":"` + manifest + `","schemaVersion":2}`, ""},
		{manifest, `{"mediaType":"` + index + `"}`, `{}`, "mediaType"},
		{manifest, `{"config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","data":"e30="}}`,
			`{"config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}`, ""},
		{manifest, `{"config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","data":"eyB9"}}`,
			`{"config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}}`, "config.data"},
		{manifest, `{"layers":[{"annotations":{},"urls":[]}]}`, `{"layers":[{}]}`, ""},
		{manifest, `{"layers":[{"annotations":{"a":""}}]}`, `{"layers":[{}]}`, "layers[0].annotations"},
		{manifest, `{"subject":{"digest":"x","annotations":{"a":"b"},"artifactType":"a/b"}}`, `{"subject":{"digest":"x"}}`, ""},
		{manifest, `{"subject":{"digest":"x"}}`, `{"subject":{"digest":"y"}}`, "subject.digest"},
		{index, `{"manifests":[{"artifactType":"a/b","platform":{"os":"linux","variant":""}}]}`, `{"manifests":[{"platform":{"os":"linux"}}]}`, ""},
		{index, `{"manifests":[{"platform":{"os":"linux"}}]}`, `{"manifests":[{}]}`, "manifests[0].platform"},
		{index, `{"manifests":[{"digest":"a"},{"digest":"b"}]}`, `{"manifests":[{"digest":"b"},{"digest":"a"}]}`, "manifests[0].digest"},
		{"application/octet-stream", "{}", "{ }", "its content"},
		{"application/octet-stream", "{}", "{}", ""},
	} {
		for _, pair := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			got, err := image.SameMeaning(c.mediaType, []byte(pair[0]), []byte(pair[1]))
			if err != nil || got != c.want {
				t.Errorf("%s and %s differ in %q, %v; want %q", pair[0], pair[1], got, err, c.want)
			}
		}
	}
	for _, wrong := range []string{"", "[]", "{", `{"a":1,"a":2}`, "{}{}", "null"} {
		if where, err := image.SameMeaning(config, []byte(wrong), []byte("{}")); err == nil && where == "" {
			t.Errorf("%q means the same as {}", wrong)
		}
	}
}
