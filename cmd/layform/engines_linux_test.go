package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// engines is a folder with the clients of container engines that serve one test, each
// with a store of its own: put in front of PATH, their names mean these.
type engines struct {
	// bin is the folder, and work one whose name is short enough for sockets.
	bin, work string
}

// newEngines makes the folder. Engines need root.
func newEngines(t *testing.T) *engines {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("engines need root")
	}
	work, err := os.MkdirTemp("/tmp", "lf")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unmount(t, work)
		// podman's own cleanup of a container goes on for a moment after it.
		for range 100 {
			if err = os.RemoveAll(work); err == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
			unmount(t, work)
		}
		t.Error(err)
	})
	e := &engines{bin: filepath.Join(work, "bin"), work: work}
	if err := os.Mkdir(e.bin, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", e.bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return e
}

// unmount lets go of what engines mounted below dir.
func unmount(t *testing.T, dir string) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Error(err)
		return
	}
	for _, line := range strings.Split(string(data), "\n") {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[1], dir+"/") {
			if err := syscall.Unmount(fields[1], syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		}
	}
}

// client makes a client that the script runs; $real is the installed one.
func (e *engines) client(t *testing.T, name, script string) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	script = "#!/bin/sh\nreal=" + program + "\n" + script + "\n"
	if err := os.WriteFile(filepath.Join(e.bin, name), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}

// serve runs a daemon until the test ends, and waits until ready says that it is there.
func (e *engines) serve(t *testing.T, ready func() error, name string, args ...string) {
	t.Helper()
	log, err := os.Create(filepath.Join(e.work, filepath.Base(name)+".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = e.work, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for range 600 {
		if err = ready(); err == nil {
			return
		}
		select {
		case <-ended:
			data, _ := os.ReadFile(log.Name())
			t.Skipf("%s does not run here: %s", name, lastLines(string(data)))
		case <-time.After(100 * time.Millisecond):
		}
	}
	data, _ := os.ReadFile(log.Name())
	t.Skipf("%s does not begin to serve here: %v: %s", name, err, lastLines(string(data)))
}

func lastLines(text string) string { return text[max(0, len(text)-500):] }

// containerd runs containerd, gives its socket, and makes ctr.
func (e *engines) containerd(t *testing.T) (socket string) {
	t.Helper()
	need(t, "containerd", "ctr")
	socket = filepath.Join(e.work, "c.sock")
	e.client(t, "ctr", `export CONTAINERD_SNAPSHOTTER=native; exec $real --address `+socket+` "$@"`)
	e.serve(t, func() error {
		return exec.Command(filepath.Join(e.bin, "ctr"), "version").Run()
	}, "containerd", "--root", filepath.Join(e.work, "c"), "--state", filepath.Join(e.work, "cs"), "--address", socket)
	return socket
}

// docker runs the docker engine with more arguments, and makes docker.
func (e *engines) docker(t *testing.T, args ...string) {
	t.Helper()
	need(t, "dockerd", "docker")
	containerd, socket := e.containerd(t), "unix://"+filepath.Join(e.work, "d.sock")
	e.client(t, "docker", `case $1 in run) shift; set -- run --network none "$@";; esac; exec $real -H `+socket+` "$@"`)
	e.serve(t, func() error {
		return exec.Command(filepath.Join(e.bin, "docker"), "version").Run()
	}, "dockerd", append(args, "--bridge=none", "--iptables=false", "--storage-driver=vfs", "--containerd", containerd,
		"--data-root", filepath.Join(e.work, "d"), "--exec-root", filepath.Join(e.work, "de"), "-H", socket, "--pidfile", filepath.Join(e.work, "d.pid"))...)
}

// podman makes podman, which has no daemon, or buildah.
func (e *engines) podman(t *testing.T, name string) {
	t.Helper()
	conf := filepath.Join(e.work, "containers.conf")
	// The default limits are more than a container in a container may ask for.
	if err := os.WriteFile(conf, []byte("[containers]\ndefault_ulimits = [\"nofile=1000:1000\", \"nproc=1000:1000\"]\n[engine]\ncgroup_manager = \"cgroupfs\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	e.client(t, name, `export CONTAINERS_CONF=`+conf+`
case $1 in run) shift; set -- run --network none "$@";; esac
exec $real --root `+e.work+`/p --runroot `+e.work+`/pr --storage-driver vfs "$@"`)
}

// registry runs Debian's docker-registry, and gives its address.
func (e *engines) registry(t *testing.T) (host string) {
	t.Helper()
	need(t, "docker-registry")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(e.work, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/registry}}\nhttp: {addr: %q}\n", e.work, host)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	e.serve(t, func() error {
		c, err := net.Dial("tcp", host)
		if err == nil {
			err = c.Close()
		}
		return err
	}, "docker-registry", "serve", conf)
	return host
}

// helloExample is the example hello, applied in a new directory.
func helloExample(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "hello")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "hello"))); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "dist")); err != nil {
		t.Fatal(err)
	}
	tool(t, dir, "layform", "apply", "--auto-approve")
	return dir
}

// greeting is the output of a container of the example.
const greeting = "Hello from an image that layform built."

// says fails the test unless a command says the greeting, and skips it where no container
// can be run at all.
func says(t *testing.T, dir, command string) {
	t.Helper()
	if err := runcProbe(); err != nil {
		t.Skipf("containers cannot be run here: %v", err)
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), greeting) {
		t.Errorf("%s: %v: %s", command, err, out)
	}
}

// TestReadmeRuns runs the commands of the README's section on running images.
func TestReadmeRuns(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile("(?s)\n## Run it\n.*?```console\n(.*?)```").FindSubmatch(text)
	if section == nil {
		t.Fatal("the README has no section with commands that run images")
	}
	set := map[string]func(*testing.T, *engines){
		"docker": func(t *testing.T, e *engines) { e.docker(t) },
		"podman": func(t *testing.T, e *engines) { e.podman(t, "podman") },
		"ctr":    func(t *testing.T, e *engines) { e.containerd(t) },
		"umoci": func(t *testing.T, e *engines) {
			need(t, "umoci", "script")
			e.client(t, "runc", `exec script -qec "$real --root `+e.work+`/runc $*" /dev/null`) // it wants a terminal
		},
	}
	dir := helloExample(t)
	for _, line := range strings.Split(string(section[1]), "\n") {
		command, ok := strings.CutPrefix(line, "$ ")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(command, " ")
		if name == "layform" {
			tool(t, dir, "sh", "-c", command)
			continue
		}
		if set[name] == nil {
			t.Errorf("no test runs %s", command)
			continue
		}
		t.Run(name, func(t *testing.T) {
			set[name](t, newEngines(t))
			says(t, dir, command)
		})
		delete(set, name)
	}
	for name := range set {
		t.Errorf("the section has no line for %s", name)
	}
}

// TestEnginesLoadArchives: engines and their tools load the tars that layform writes, and
// layform reads those that they write.
func TestEnginesLoadArchives(t *testing.T) {
	dir := helloExample(t)
	tool(t, dir, "layform", "layout", "export", "dist/hello:latest", "oci.tar")
	tool(t, dir, "layform", "layout", "export", "--format", "docker", "--platform", "linux/amd64", "--name", "hello", "dist/hello:latest", "docker.tar")
	tool(t, dir, "layform", "copy", "--platform", "linux/amd64", "oci:dist/hello:latest", "docker-archive:one.tar:hello:one")
	config := strings.TrimPrefix(strings.TrimSpace(tool(t, dir, "sh", "-c", `tar -xOf docker.tar manifest.json | sed 's|.*"Config":"blobs/sha256/\([0-9a-f]*\).*|\1|'`)), "sha256:")
	// back reads a tar that an engine wrote, whose image has the same config.
	back := func(t *testing.T, file string) {
		t.Helper()
		defer func() {
			if err := os.RemoveAll(filepath.Join(dir, t.Name())); err != nil {
				t.Error(err)
			}
		}()
		tool(t, dir, "layform", "copy", file, "oci:"+t.Name())
		tool(t, dir, "layform", "layout", "validate", t.Name())
		if _, err := os.Stat(filepath.Join(dir, t.Name(), "blobs/sha256", config)); err != nil {
			t.Errorf("%s: the config is another one: %v", file, err)
		}
	}
	t.Run("docker", func(t *testing.T) {
		newEngines(t).docker(t)
		for file, name := range map[string]string{"docker.tar": "hello:latest", "one.tar": "hello:one"} {
			tool(t, dir, "docker", "load", "-i", file)
			if id := tool(t, dir, "docker", "image", "inspect", "--format", "{{.Id}}", name); strings.TrimSpace(id) != "sha256:"+config {
				t.Errorf("%s is the image %s, want %s", file, id, config)
			}
		}
		tool(t, dir, "docker", "save", "-o", "docker-saved.tar", "hello:latest", "hello:one")
		back(t, "docker-archive:docker-saved.tar:hello:one")
	})
	t.Run("podman", func(t *testing.T) {
		newEngines(t).podman(t, "podman")
		for _, file := range []string{"oci.tar", "docker.tar", "one.tar"} {
			tool(t, dir, "podman", "load", "-i", file)
		}
		if ids := tool(t, dir, "podman", "images", "--no-trunc", "--quiet"); strings.ReplaceAll(ids, "sha256:"+config+"\n", "") != "" {
			t.Errorf("the images are %s, want %s", ids, config)
		}
		tool(t, dir, "podman", "save", "-o", "podman-docker.tar", config)
		back(t, "docker-archive:podman-docker.tar")
		tool(t, dir, "podman", "save", "--format", "oci-archive", "-o", "podman-oci.tar", config)
		back(t, "oci-archive:podman-oci.tar")
	})
	t.Run("ctr", func(t *testing.T) {
		newEngines(t).containerd(t)
		for _, file := range []string{"oci.tar", "docker.tar"} {
			tool(t, dir, "ctr", "images", "import", "--base-name", "example.com/"+file, "--all-platforms", file)
			tool(t, dir, "ctr", "images", "export", "--all-platforms", "ctr-"+file, "example.com/"+file+":latest")
			back(t, "oci-archive:ctr-"+file)
			// Without the other platform its index is there all the same, and names are whole.
			tool(t, dir, "ctr", "images", "export", "ctr-docker-"+file, "example.com/"+file+":latest")
			tool(t, dir, "layform", "copy", "--platform", "linux/amd64", "docker-archive:ctr-docker-"+file+":example.com/"+file+":latest", "oci:ctr-of-"+strings.TrimSuffix(file, ".tar")+":v1")
		}
	})
	t.Run("buildah", func(t *testing.T) {
		newEngines(t).podman(t, "buildah")
		for _, ref := range []string{"oci-archive:oci.tar:latest", "docker-archive:docker.tar:hello:latest", "docker-archive:one.tar:hello:one"} {
			if id := tool(t, dir, "buildah", "pull", "--quiet", ref); strings.TrimSpace(id) != config {
				t.Errorf("%s is the image %s, want %s", ref, id, config)
			}
		}
	})
	t.Run("skopeo", func(t *testing.T) {
		need(t, "skopeo")
		tool(t, dir, "skopeo", "--insecure-policy", "copy", "--all", "oci-archive:oci.tar:latest", "oci:skopeo:v1")
		tool(t, dir, "skopeo", "--insecure-policy", "copy", "docker-archive:docker.tar:hello:latest", "oci-archive:skopeo-oci.tar:v1")
		tool(t, dir, "layform", "copy", "oci-archive:skopeo-oci.tar:v1", "oci:from-skopeo") // its config is another one
		tool(t, dir, "layform", "layout", "validate", "from-skopeo")
		tool(t, dir, "skopeo", "--insecure-policy", "copy", "docker-archive:one.tar:hello:one", "docker-archive:skopeo-docker.tar:hello:two")
		back(t, "docker-archive:skopeo-docker.tar:hello:two")
		if got, want := indexDigest(t, filepath.Join(dir, "skopeo")), tool(t, dir, "layform", "-C", dir, "output", "--raw", "digest"); got != strings.TrimSpace(want) {
			t.Errorf("skopeo copies %s, want %s", got, want)
		}
	})
}
