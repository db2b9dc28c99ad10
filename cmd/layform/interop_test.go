//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Other projects' tools read what layform writes. A test whose tool is not
// installed is skipped and says so.

// need skips the test unless all tools are installed.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
}

// tool runs a command in dir and returns its standard output.
func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

// write writes files below dir, by name.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const helloProgram = `package main

import (
	"fmt"
	"os"
)

func main() {
	conf, err := os.ReadFile("/etc/hello.conf")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	info, err := os.Lstat("/var/lib/hello")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	dir, err := os.Getwd()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("%s%v %s %d %s %q\n", conf, info.Mode(), os.Getenv("GREETING"), os.Getuid(), dir, os.Args[1:])
}
`

// helloSpec is an image with a program in three layers: gzip, what is asked
// for, and plain.
func helloSpec(compression string) string {
	return fmt.Sprintf(`
layout { path = "dist" }
layer "program" {
  copy {
    from = "bin"
    to   = "/usr/local/bin"
  }
  directory "/var/lib/hello" {
    mode = "0750"
    uid  = 1000
  }
  directory "/proc" {}
  directory "/dev" {}
  directory "/sys" {}
}
layer "conf" {
  compression = "%s"
  file "/etc/hello.conf" { content = "hello from a layer\n" }
}
layer "plain" {
  compression = "none"
  file "/etc/passwd" { content = "root:x:0:0::/:/\nhello:x:1000:1000::/:/\n" }
  symlink "/hello" { target = "usr/local/bin/hello" }
}
config "app" {
  platform    = "linux/%s"
  entrypoint  = ["/hello"]
  cmd         = ["a", "b"]
  env         = { GREETING = "hi", PATH = "/usr/local/bin" }
  user        = "1000:1000"
  working_dir = "/etc"
}
manifest "app" {
  config = config.app
  layers = [layer.program, layer.conf, layer.plain]
  tags   = ["image"]
}
index "app" {
  manifests = [manifest.app]
  tags      = ["latest"]
}
`, compression, runtime.GOARCH)
}

// helloLayout applies helloSpec in a new directory and returns it.
func helloLayout(t *testing.T, spec string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"layform.hcl": spec, "src/main.go": helloProgram, "src/go.mod": "module hello\n\ngo 1.26\n"})
	build := exec.Command("go", "build", "-trimpath", "-o", "../bin/hello", ".")
	build.Dir = filepath.Join(dir, "src")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	tool(t, dir, "layform", "apply", "--auto-approve")
	tool(t, dir, "layform", "layout", "validate", "dist")
	return dir
}

func TestSkopeo(t *testing.T) {
	need(t, "skopeo")
	dir := helloLayout(t, helloSpec("zstd"))
	raw := tool(t, dir, "skopeo", "inspect", "--raw", "oci:dist:latest")
	var index struct {
		Manifests []struct {
			Digest   string
			Platform struct{ Architecture string }
		}
	}
	if err := json.Unmarshal([]byte(raw), &index); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	if len(index.Manifests) != 1 || index.Manifests[0].Platform.Architecture != runtime.GOARCH {
		t.Errorf("skopeo sees the index %s", raw)
	}
	var config struct {
		Rootfs struct {
			DiffIDs []string `json:"diff_ids"`
		}
		History []struct{}
	}
	if err := json.Unmarshal([]byte(tool(t, dir, "skopeo", "inspect", "--config", "--raw", "oci:dist:image")), &config); err != nil {
		t.Fatal(err)
	}
	if len(config.Rootfs.DiffIDs) != 3 || len(config.History) != 3 {
		t.Errorf("skopeo sees %d diffIDs and %d history entries, want 3 of each", len(config.Rootfs.DiffIDs), len(config.History))
	}
	// A copy reads every blob and compares digests and diffIDs.
	tool(t, dir, "skopeo", "--insecure-policy", "copy", "--all", "oci:dist:latest", "oci:copy:latest")
	ggcrValidate(t, filepath.Join(dir, "copy"))
}

func TestUmociAndRunc(t *testing.T) {
	need(t, "umoci", "runc")
	if os.Geteuid() != 0 {
		t.Skip("unpacking owners and running a container need root")
	}
	// umoci reads no zstd before 0.5.
	dir := helloLayout(t, helloSpec("gzip"))
	if stat := tool(t, dir, "umoci", "stat", "--image", "dist:image"); !strings.Contains(stat, "1970-01-01") {
		t.Errorf("umoci shows no time of 1970 in the history:\n%s", stat)
	}
	tool(t, dir, "umoci", "unpack", "--image", "dist:image", "bundle")
	got, err := os.ReadFile(filepath.Join(dir, "bundle", "rootfs", "etc", "hello.conf"))
	if err != nil || string(got) != "hello from a layer\n" {
		t.Fatalf("umoci unpacks %q, %v", got, err)
	}
	program := tool(t, dir, "readlink", "bundle/rootfs/hello")
	if program != "usr/local/bin/hello\n" {
		t.Errorf("umoci unpacks the link to %q", program)
	}
	stdout := runBundle(t, dir, "layform-test")
	want := "hello from a layer\ndrwxr-x--- hi 1000 /etc [\"a\" \"b\"]\n"
	if stdout != want {
		t.Errorf("the container says %q, want %q", stdout, want)
	}
}

// runcProbe runs a container of the machine's own programs, in which layform has no part:
// where that works, a container that does not run is the fault of its image. The error
// says what keeps runc from running anything at all.
var runcProbe = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"usr", "proc", "dev", "sys"} {
		if err := os.MkdirAll(filepath.Join(dir, "rootfs", name), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"bin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(dir, "rootfs", name)); err != nil {
			return err
		}
	}
	if out, err := exec.Command("runc", "spec", "--bundle", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("runc spec: %w: %s", err, out)
	}
	config := filepath.Join(dir, "config.json")
	var bundle map[string]any
	data, err := os.ReadFile(config)
	if err == nil {
		err = json.Unmarshal(data, &bundle)
	}
	if err != nil {
		return err
	}
	process := bundle["process"].(map[string]any)
	process["terminal"], process["args"] = false, []string{"/bin/echo", "it", "runs"}
	bundle["mounts"] = append(bundle["mounts"].([]any), map[string]any{"destination": "/usr", "type": "bind", "source": "/usr", "options": []string{"rbind", "ro"}})
	if data, err = json.Marshal(bundle); err == nil {
		err = os.WriteFile(config, data, 0o644)
	}
	if err != nil {
		return err
	}
	out, err := exec.Command("runc", "--root", filepath.Join(dir, "runc"), "run", "--bundle", dir, fmt.Sprintf("probe-%d", os.Getpid())).CombinedOutput()
	if err == nil && string(out) != "it runs\n" {
		err = errors.New("the container said something else")
	}
	if err != nil {
		return fmt.Errorf("runc run: %w: %s", err, out)
	}
	return nil
})

// runBundle runs the container of the bundle in dir, and returns what it prints. The test is
// skipped where runc can run no containers at all.
func runBundle(t *testing.T, dir, name string) string {
	t.Helper()
	if err := runcProbe(); err != nil {
		t.Skipf("runc cannot run containers here: %v", err)
	}
	runnable(t, filepath.Join(dir, "bundle"))
	cmd := exec.Command("runc", "--root", filepath.Join(dir, "runc"), "run", "--bundle", filepath.Join(dir, "bundle"), fmt.Sprintf("%s-%d", name, os.Getpid()))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("runc: %v\n%s%s", err, stdout.Bytes(), stderr.Bytes())
	}
	return stdout.String()
}

// runnable edits the bundle's config.json so that the container needs no terminal.
func runnable(t *testing.T, bundle string) {
	t.Helper()
	name := filepath.Join(bundle, "config.json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	terminal := regexp.MustCompile(`"terminal":\s*true`)
	data = terminal.ReplaceAll(data, []byte(`"terminal": false`))
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestForeignImage holds that an image that umoci made in the same layout
// stays, bit for bit, through apply, change and destroy.
func TestForeignImage(t *testing.T) {
	need(t, "umoci")
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"tree/etc/theirs": "made by umoci\n",
		"ours":            "one\n",
		"layform.hcl": `
layout { path = "dist" }
layer "app" {
  file "/ours" { source = "ours" }
}
config "app" { platform = "linux/amd64" }
manifest "app" {
  config = config.app
  layers = [layer.app]
  tags   = ["ours"]
}
`,
	})
	tool(t, dir, "umoci", "init", "--layout", "dist")
	tool(t, dir, "umoci", "new", "--image", "dist:theirs")
	tool(t, dir, "umoci", "insert", "--image", "dist:theirs", "tree/etc", "/etc")
	tool(t, dir, "umoci", "gc", "--layout", "dist")
	before, entry := blobsOf(t, filepath.Join(dir, "dist")), entryOf(t, dir, "theirs")
	if len(before) < 3 || entry == "" {
		t.Fatalf("umoci left %d blobs and the entry %q", len(before), entry)
	}
	steps := []func(){
		func() { tool(t, dir, "layform", "apply", "--auto-approve") },
		func() {
			write(t, dir, map[string]string{"ours": "two\n"})
			tool(t, dir, "layform", "apply", "--auto-approve")
		},
		func() { tool(t, dir, "layform", "destroy", "--auto-approve") },
	}
	for i, step := range steps {
		step()
		after := blobsOf(t, filepath.Join(dir, "dist"))
		for name, what := range before {
			if after[name] != what {
				t.Errorf("step %d: the foreign blob %s was %s and is %s", i, name, what, after[name])
			}
		}
		if got := entryOf(t, dir, "theirs"); got != entry {
			t.Errorf("step %d: the foreign entry was %s and is %s", i, entry, got)
		}
		ggcrValidate(t, filepath.Join(dir, "dist"))
	}
	if after := blobsOf(t, filepath.Join(dir, "dist")); len(after) != len(before) {
		t.Errorf("after destroy there are %d blobs, want the %d foreign ones", len(after), len(before))
	}
	tool(t, dir, "umoci", "stat", "--image", "dist:theirs")
}

// blobsOf describes the blobs of a layout: digest of the name, inode, time.
func blobsOf(t *testing.T, layout string) map[string]string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(layout, "blobs", "sha256", "*"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if out[filepath.Base(name)], err = describe(name, info); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// entryOf is the raw entry of index.json with a ref name; empty without one.
func entryOf(t *testing.T, dir, ref string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "dist", "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index struct{ Manifests []json.RawMessage }
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(index.Manifests, func(m json.RawMessage) bool {
		return strings.Contains(string(m), `"`+ref+`"`)
	})
	if i < 0 {
		return ""
	}
	return string(index.Manifests[i])
}
