package spec_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/spec"
)

func pointer(s string) *string { return &s }

// TestOver merges configs over one base: what is set, what is inherited, and what is
// unset.
func TestOver(t *testing.T) {
	yes := true
	base := spec.Config{
		Image: &spec.Image{
			Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"},
			Author:   pointer("base"), User: pointer("1:1"), WorkingDir: pointer("/base"), StopSignal: pointer("SIGTERM"), ArgsEscaped: &yes,
			Env: []string{"PATH=/bin", "B=1", "A=1"}, Entrypoint: []string{"/entry"}, Cmd: []string{"sh", "-c"},
			ExposedPorts: map[string]struct{}{"80/tcp": {}}, Volumes: map[string]struct{}{"/data": {}}, Labels: map[string]string{"a": "b", "c": "d"},
		},
		Extra:       map[string]json.RawMessage{"docker_version": json.RawMessage(`"1"`)},
		ConfigExtra: map[string]json.RawMessage{"Healthcheck": json.RawMessage(`{"Test":["CMD"]}`), "OnBuild": json.RawMessage(`["RUN x"]`)},
	}
	whole := func(change func(*spec.Image)) *spec.Image {
		i := *base.Image
		change(&i)
		return &i
	}
	for name, c := range map[string]struct {
		over spec.Config
		want *spec.Image
		// inherited is a path that must be inherited, gone one that must not.
		inherited, gone string
	}{
		"nothing set": {
			over: spec.Config{Image: &spec.Image{}}, want: whole(func(*spec.Image) {}), inherited: `env["B"]`, gone: "created",
		},
		"an entrypoint drops the cmd": {
			over:      spec.Config{Image: &spec.Image{Entrypoint: []string{"/app"}}},
			want:      whole(func(i *spec.Image) { i.Entrypoint, i.Cmd, i.ArgsEscaped = []string{"/app"}, nil, nil }),
			inherited: "user", gone: "cmd[0]",
		},
		"an entrypoint with a cmd": {
			over: spec.Config{Image: &spec.Image{Entrypoint: []string{"/app"}, Cmd: []string{"x"}}},
			want: whole(func(i *spec.Image) { i.Entrypoint, i.Cmd, i.ArgsEscaped = []string{"/app"}, []string{"x"}, nil }),
			gone: "entrypoint[0]",
		},
		"a cmd alone keeps the entrypoint": {
			over:      spec.Config{Image: &spec.Image{Cmd: []string{"x"}}},
			want:      whole(func(i *spec.Image) { i.Cmd, i.ArgsEscaped = []string{"x"}, nil }),
			inherited: "entrypoint[0]", gone: "cmd[1]",
		},
		"a cmd of nothing": {
			over: spec.Config{Image: &spec.Image{Cmd: []string{}}},
			want: whole(func(i *spec.Image) { i.Cmd, i.ArgsEscaped = []string{}, nil }), gone: "cmd[0]",
		},
		"a user of nothing": {
			over: spec.Config{Image: &spec.Image{User: pointer("")}}, want: whole(func(i *spec.Image) { i.User = pointer("") }), gone: "user",
		},
		"variables by name, in the order of the base": {
			over: spec.Config{Image: &spec.Image{Env: []string{"A=2", "Z=1", "C=3"}}},
			want: whole(func(i *spec.Image) { i.Env = []string{"PATH=/bin", "B=1", "A=2", "Z=1", "C=3"} }), inherited: `env["PATH"]`, gone: `env["A"]`,
		},
		"maps by name": {
			over: spec.Config{Image: &spec.Image{
				Labels: map[string]string{"a": "x", "e": "f"}, ExposedPorts: map[string]struct{}{"81/tcp": {}}, Volumes: map[string]struct{}{"/data": {}},
			}},
			want: whole(func(i *spec.Image) {
				i.Labels = map[string]string{"a": "x", "c": "d", "e": "f"}
				i.ExposedPorts = map[string]struct{}{"80/tcp": {}, "81/tcp": {}}
			}),
			inherited: `labels["c"]`, gone: `labels["a"]`,
		},
		"unset": {
			over: spec.Config{Image: &spec.Image{}, Unset: []spec.Unset{
				{Name: "cmd"}, {Name: "env", Key: "B"}, {Name: "labels"}, {Name: "exposed_ports", Key: "80/tcp"}, {Name: "volumes"}, {Name: "user"},
				{Name: "author"}, {Name: "working_dir"}, {Name: "stop_signal"}, {Name: "args_escaped"}, {Name: "entrypoint"},
			}},
			want: &spec.Image{Platform: base.Image.Platform, Env: []string{"PATH=/bin", "A=1"}}, inherited: "platform", gone: `env["B"]`,
		},
		"one port in two forms": {
			over: spec.Config{Image: &spec.Image{ExposedPorts: map[string]struct{}{"80": {}, "80/udp": {}}}},
			want: whole(func(i *spec.Image) { i.ExposedPorts = map[string]struct{}{"80": {}, "80/udp": {}} }), gone: `exposed_ports["80/tcp"]`,
		},
		"unset of a port in another form": {
			over: spec.Config{Image: &spec.Image{}, Unset: []spec.Unset{{Name: "exposed_ports", Key: "80"}}},
			want: whole(func(i *spec.Image) { i.ExposedPorts = nil }), gone: `exposed_ports["80/tcp"]`,
		},
		"another platform": {
			over: spec.Config{Image: &spec.Image{Platform: &ocispec.Platform{OS: "linux", Architecture: "arm64"}}},
			want: whole(func(i *spec.Image) { i.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"} }), gone: "platform",
		},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := json.Marshal(base.Image)
			merged, inherited := c.over.Over(&base)
			if diff := cmp.Diff(c.want, merged.Image); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			paths := map[string]bool{}
			for _, f := range inherited {
				paths[f.Path] = true
			}
			if c.inherited != "" && !paths[c.inherited] || paths[c.gone] {
				t.Errorf("inherited are %v, want %s and not %s", inherited, c.inherited, c.gone)
			}
			if after, _ := json.Marshal(base.Image); string(before) != string(after) {
				t.Errorf("the base became %s", after)
			}
		})
	}
}

// TestOverKeepsUnknownMembers: what the image spec does not define is inherited by name.
func TestOverKeepsUnknownMembers(t *testing.T) {
	base := spec.Config{
		Image:       &spec.Image{},
		Extra:       map[string]json.RawMessage{"docker_version": json.RawMessage(`"1"`), "id": json.RawMessage(`"x"`)},
		ConfigExtra: map[string]json.RawMessage{"Healthcheck": json.RawMessage(`{"Test":["CMD"]}`), "OnBuild": json.RawMessage(`["RUN x"]`)},
	}
	over := spec.Config{
		Image: &spec.Image{}, Unset: []spec.Unset{{Name: "config_extra", Key: "OnBuild"}},
		Extra: map[string]json.RawMessage{"Docker_Version": json.RawMessage(`"2"`)},
	}
	merged, inherited := over.Over(&base)
	if diff := cmp.Diff(map[string]json.RawMessage{"Docker_Version": json.RawMessage(`"2"`), "id": json.RawMessage(`"x"`)}, merged.Extra); diff != "" {
		t.Errorf("extra (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]json.RawMessage{"Healthcheck": json.RawMessage(`{"Test":["CMD"]}`)}, merged.ConfigExtra); diff != "" {
		t.Errorf("config_extra (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]spec.Field{{Path: `config_extra["Healthcheck"]`, Value: `{"Test":["CMD"]}`}, {Path: `extra["id"]`, Value: `"x"`}}, inherited); diff != "" {
		t.Errorf("inherited (-want +got):\n%s", diff)
	}
}
