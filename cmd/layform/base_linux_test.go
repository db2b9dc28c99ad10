package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// debianLike is a base as debootstrap makes one: a merged /usr, a sticky /tmp, homes
// with owners, a file with capabilities, hard links.
const debianLike = `
layout { path = "debian" }
layer "root" {
  created_by = "debootstrap"
  directory "/tmp" { mode = "1777" }
  directory "/root" { mode = "0700" }
  directory "/home/app" {
    mode = "0700"
    uid  = 1000
    gid  = 1000
  }
  directory "/usr/bin" {}
  directory "/usr/sbin" {}
  directory "/usr/lib" {}
  symlink "/bin" { target = "usr/bin" }
  symlink "/sbin" { target = "usr/sbin" }
  symlink "/lib" { target = "usr/lib" }
  symlink "/var/run" { target = "/run" }
  directory "/run" {}
  directory "/proc" {}
  directory "/dev" {}
  directory "/sys" {}
  file "/usr/bin/ping" {
    content      = "ping"
    mode         = "0755"
    capabilities = "cap_net_raw=ep"
  }
  hardlink "/usr/bin/ping4" { target = "/usr/bin/ping" }
  file "/usr/share/doc/ping/copyright" { content = "free" }
  file "/etc/passwd" { content = "root:x:0:0::/root:/\napp:x:1000:1000::/home/app:/\n" }
}
layer "conf" {
  compression = "zstd"
  file "/etc/debian_version" { content = "13\n" }
}
config "debian" {
  platform = "linux/%[1]s"
  env      = ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
  cmd      = ["bash"]
  user     = "1000:1000"
  labels   = { vendor = "debian" }
  extra    = { "docker_version" = "1" }
}
manifest "debian" {
  config = config.debian
  layers = [layer.root%[2]s]
  tags   = ["13"]
}
`

// onDebian is an image on it that writes to where the base has links and modes.
const onDebian = `
layout { path = "dist" }
base "debian" {
  from     = "oci-archive:debian.tar:13"
  platform = "linux/%s"
}
layer "app" {
  created_by = "the app"
  copy {
    from = "bin"
    to   = "/bin"
  }
  file "/tmp/greeting" { content = "hello from /tmp\n" }
  file "/home/app/.profile" {
    content = "x"
    uid     = 1000
    gid     = 1000
  }
  file "/var/run/app.pid" { content = "1" }
  file "/root/.profile" { content = "x" }
  directory "/var/lib/hello" {
    mode = "0750"
    uid  = 1000
  }
  file "/etc/hello.conf" { content = "hello on a base\n" }
  whiteout "/usr/share/doc" {}
}
config "app" {
  env         = { GREETING = "hi" }
  entrypoint  = ["/bin/hello", "x"]
  working_dir = "/etc"
}
manifest "app" {
  base   = base.debian
  config = config.app
  layers = [layer.app]
  tags   = ["image"]
}
index "app" {
  manifests = [manifest.app]
  tags      = ["latest"]
}
`

// basedLayout builds the base, packs it into a tar, and builds the image on it.
func basedLayout(t *testing.T, layers string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"base/layform.hcl": fmt.Sprintf(debianLike, runtime.GOARCH, layers), "layform.hcl": fmt.Sprintf(onDebian, runtime.GOARCH),
		"src/main.go": helloProgram, "src/go.mod": "module hello\n\ngo 1.26\n",
	})
	build := exec.Command("go", "build", "-trimpath", "-o", "../bin/hello", ".")
	build.Dir = filepath.Join(dir, "src")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	tool(t, dir, "layform", "-C", "base", "apply", "--auto-approve")
	tool(t, dir, "layform", "layout", "export", "base/debian", "debian.tar")
	tool(t, dir, "layform", "apply", "--auto-approve")
	tool(t, dir, "layform", "layout", "validate", "dist")
	if text := tool(t, dir, "layform", "plan"); !strings.Contains(text, "No changes") {
		t.Errorf("after an apply: %s", text)
	}
	return dir
}

// TestGoContainerRegistryOnABase: go-containerregistry accepts an image on a base, and
// sees what it inherits.
func TestGoContainerRegistryOnABase(t *testing.T) {
	t.Parallel()
	dir := basedLayout(t, ", layer.conf")
	ggcrValidate(t, filepath.Join(dir, "dist"))
	var config struct {
		Version string `json:"docker_version"`
		Config  struct {
			User, WorkingDir     string
			Env, Entrypoint, Cmd []string
			Labels               map[string]string
		}
		History []struct {
			By string `json:"created_by"`
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	for text := range blobsOf(t, filepath.Join(dir, "dist")) {
		data, err := os.ReadFile(filepath.Join(dir, "dist", "blobs", "sha256", strings.TrimPrefix(text, "sha256:")))
		if err == nil && bytes.Contains(data, []byte(`"rootfs"`)) {
			if err := json.Unmarshal(data, &config); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := config.Config
	got := fmt.Sprint(config.Version, c.User, c.WorkingDir, c.Env, c.Entrypoint, c.Cmd, c.Labels, config.History, len(config.RootFS.DiffIDs))
	want := "1 1000:1000 /etc [PATH=/usr/bin:/bin LANG=C.UTF-8 GREETING=hi] [/bin/hello x] [] map[vendor:debian] [{debootstrap} {} {the app}] 3"
	if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("the config is %s\nwant %s", got, want)
	}
}

// TestUmociAndRuncOnABase: what umoci unpacks is the base and the layer by the rules of
// bases, and runc runs it.
func TestUmociAndRuncOnABase(t *testing.T) {
	need(t, "umoci", "runc")
	if os.Geteuid() != 0 {
		t.Skip("unpacking owners and running a container need root")
	}
	t.Parallel()
	dir := basedLayout(t, "")
	tool(t, dir, "umoci", "unpack", "--image", "base/debian:13", "below")
	tool(t, dir, "umoci", "unpack", "--image", "dist:image", "bundle")
	want := unpackedTree(t, filepath.Join(dir, "below", "rootfs"))
	for name := range want {
		if name == "usr/share/doc" || strings.HasPrefix(name, "usr/share/doc/") {
			delete(want, name)
		}
	}
	for name, is := range map[string]string{
		"usr/bin/hello": "-rwxr-xr-x 0:0", "tmp/greeting": "-rw-r--r-- 0:0", "home/app/.profile": "-rw-r--r-- 1000:1000", "run/app.pid": "-rw-r--r-- 0:0",
		"root/.profile": "-rw-r--r-- 0:0", "var/lib": "drwxr-xr-x 0:0", "var/lib/hello": "drwxr-x--- 1000:0", "etc/hello.conf": "-rw-r--r-- 0:0",
	} {
		want[name] = is
	}
	if diff := cmp.Diff(want, unpackedTree(t, filepath.Join(dir, "bundle", "rootfs"))); diff != "" {
		t.Errorf("the image unpacked (-want +got):\n%s", diff)
	}
	stdout := runBundle(t, dir, "layform-base")
	if want := "hello on a base\ndrwxr-x--- hi 1000 /etc [\"x\"]\n"; stdout != want {
		t.Errorf("the container says %q, want %q", stdout, want)
	}
}

// unpackedTree describes each file of an unpacked image: type, mode, owner, target and
// capabilities.
func unpackedTree(t *testing.T, root string) map[string]string {
	t.Helper()
	tree := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil || rel == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		is := fmt.Sprintf("%v %d:%d", info.Mode(), st.Uid, st.Gid)
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			is += " -> " + target
		}
		value := make([]byte, 64)
		if n, err := syscall.Getxattr(name, "security.capability", value); err == nil && info.Mode().IsRegular() {
			is += fmt.Sprintf(" %x", value[:n])
		}
		if st.Nlink > 1 && info.Mode().IsRegular() {
			is += fmt.Sprintf(" %d links", st.Nlink)
		}
		tree[rel] = is
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tree
}
