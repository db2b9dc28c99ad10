//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/layform/layform/layout/registrytest"
)

// shipped is a spec with an index of two platforms and an artifact of two files.
var shipped = map[string]string{
	"notes.txt": "notes\n",
	"layform.hcl": `
layout { path = "dist/app" }
locals { platforms = toset(["amd64", "arm64"]) }
layer "app" {
  for_each = local.platforms
  file "/app" { content = each.key }
}
layer "notes" {
  blob        = "notes.txt"
  media_type  = "text/plain"
  annotations = { "org.opencontainers.image.title" = "notes.txt" }
}
config "app" {
  for_each = local.platforms
  platform = "linux/${each.key}"
}
manifest "app" {
  for_each = local.platforms
  config   = config.app[each.key]
  layers   = [layer.app[each.key]]
}
index "app" {
  manifests = values(manifest.app)
  tags      = ["v1"]
}
manifest "notes" {
  artifact_type = "text/plain"
  layers        = [layer.notes]
  tags          = ["notes"]
}
`}

// TestReadmeShips runs the commands of the README's section on registries, with a
// registry of the test in the place of registry.example.com.
func TestReadmeShips(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile("(?s)\n## Ship it\n.*?```console\n(.*?)```").FindSubmatch(text)
	if section == nil {
		t.Fatal("the README has no section with commands on registries")
	}
	reg := registrytest.New(t)
	dir := t.TempDir()
	write(t, dir, shipped)
	tool(t, dir, "layform", "apply", "--auto-approve")
	n := 0
	for _, line := range strings.Split(string(section[1]), "\n") {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		n++
		command, _, _ = strings.Cut(command, "  #")
		command = strings.ReplaceAll(command, "registry.example.com", reg.Host())
		args := strings.Fields(command)
		tool(t, dir, args[0], args[1:]...)
	}
	if n < 5 {
		t.Errorf("it has %d commands", n)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "files", "notes.txt")); err != nil || string(data) != "notes\n" {
		t.Errorf("the artifact's file holds %q: %v", data, err)
	}
	if reg.Tag("team/app", "v1") == "" || reg.Tag("mirror/app", "v1") != reg.Tag("team/app", "v1") {
		t.Errorf("the tags are %q and %q", reg.Tag("team/app", "v1"), reg.Tag("mirror/app", "v1"))
	}
}

// TestSignaturesInAnyOrder: signatures that are attached by tags come along from a
// registry that lists its tags in any order, and from one that does so in order with one
// page alone.
func TestSignaturesInAnyOrder(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, shipped)
	tool(t, dir, "layform", "apply", "--auto-approve")
	for _, reverse := range []bool{false, true} {
		reg := registrytest.New(t)
		if !reverse {
			reg.Page = 4
		}
		tool(t, dir, "layform", "push", "docker://"+reg.Host()+"/app")
		index := reg.Tag("app", "v1")
		sig := "sha256-" + index.Encoded() + ".sig"
		for _, tag := range []string{"a", "b", "c", "V3", sig, "w1", "w2", "w3", "w4", "w5", "w6", "w7"} {
			reg.SetTag("app", tag, index)
		}
		reg.Reverse = reverse
		reg.Forget()
		to := fmt.Sprint("copy-", reverse)
		tool(t, dir, "layform", "copy", "docker://"+reg.Host()+"/app:v1", "oci:"+to)
		if entries, err := os.ReadFile(filepath.Join(dir, to, "index.json")); err != nil || !strings.Contains(string(entries), sig) {
			t.Errorf("reverse %v: the signature is not in %s, %v", reverse, entries, err)
		}
		if n := reg.Count("GET", "/tags/list"); !reverse && n != 1 {
			t.Errorf("%d requests for the tags of a registry that has them in order", n)
		}
	}
}

// TestInterruptedPush: a push that waits for a registry ends soon after an interrupt,
// says so, and leaves no tag.
func TestInterruptedPush(t *testing.T) {
	reg := registrytest.New(t)
	dir := t.TempDir()
	write(t, dir, shipped)
	tool(t, dir, "layform", "apply", "--auto-approve")
	waiting := make(chan struct{})
	reg.Fault(registrytest.Fault{Method: "PUT", Times: 1, Stall: time.Hour, Do: func() { close(waiting) }})
	p := start(t, dir, nil, "push", "docker://"+reg.Host()+"/app")
	<-waiting
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	p.exits(t, exitError, "interrupted")
	if reg.Tag("app", "v1") != "" {
		t.Error("there is a tag")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "dist/app/.layform/holds/*")); err != nil || len(left) != 0 {
		t.Errorf("holds are left: %q, %v", left, err)
	}
}

// TestMirrorExample runs the commands of the example mirror, with registries of the test
// in the place of its two.
func TestMirrorExample(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mirror")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "mirror"))); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "dist")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	from, to := registrytest.New(t), registrytest.New(t)
	hosts := strings.NewReplacer("registry.example.com", from.Host(), "mirror.example.com", to.Host())
	n := 0
	for _, line := range strings.Split(string(text), "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			n++
			args := strings.Fields(hosts.Replace(command))
			tool(t, dir, args[0], args[1:]...)
		}
	}
	if n < 7 {
		t.Errorf("it has %d commands", n)
	}
	want := from.Tag("team/app", "v1")
	for _, repo := range []string{"team/app", "by-tar/app"} {
		if got := to.Tag(repo, "v1"); got != want || want == "" {
			t.Errorf("%s:v1 is %s, want %s", repo, got, want)
		}
		// The SBOM and the note are there, and so pull as referrers.
		tool(t, dir, "layform", "pull", "docker://"+to.Host()+"/"+repo+":v1", "oci:"+filepath.Join("back", repo)+":v1")
		if blobs := blobsOf(t, filepath.Join(dir, "back", repo)); len(blobs) != len(blobsOf(t, filepath.Join(dir, "dist", "app"))) {
			t.Errorf("%s has %d blobs", repo, len(blobs))
		}
	}
	if got := to.Tag("amd64/app", "v1"); got == want || got == "" {
		t.Errorf("one platform alone is %q", got)
	}
}
