package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// serving runs layform serve in dir until the test ends, and gives its HOST:PORT. It must
// end well.
func serving(t *testing.T, dir string, args ...string) (host string) {
	t.Helper()
	var log strings.Builder
	cmd := exec.Command("layform", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir, cmd.Stderr = dir, &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("serve ended with %v", err)
		}
		if t.Failed() {
			t.Logf("serve %q: %s", args, log.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if found := servedURL.FindStringSubmatch(line); found != nil {
		return found[1]
	}
	t.Fatalf("serve says %q, %v: %s", line, err, log.String())
	return ""
}

// sample skips what LAYFORM_CLIENTS=all asks for, unless it is one of those that are
// always run: all of it takes the better part of a minute.
func sample(t *testing.T, name string, always ...string) {
	t.Helper()
	if os.Getenv("LAYFORM_CLIENTS") != "all" && !slices.Contains(always, name) {
		t.Skip("LAYFORM_CLIENTS=all runs it")
	}
}

// moreCommands are what clients do beyond registryClients with SRC, which has two
// platforms and the digest DIGEST, and with DST, to which they have pushed.
var moreCommands = map[string]string{
	"docker":  "docker pull NAME@DIGEST && docker pull --platform linux/arm64 SRC",
	"ctr":     "ctr images pull --plain-http --platform linux/arm64 NAME@DIGEST",
	"podman":  "podman pull --tls-verify=false NAME@DIGEST && podman pull --tls-verify=false --arch arm64 SRC",
	"buildah": "buildah pull --tls-verify=false NAME@DIGEST",
	"skopeo": `skopeo list-tags --tls-verify=false docker://NAME | grep '"latest"' &&
		skopeo inspect --tls-verify=false docker://NAME@DIGEST && skopeo inspect --tls-verify=false --override-arch arm64 docker://SRC &&
		skopeo delete --tls-verify=false docker://DST && ! skopeo inspect --tls-verify=false docker://DST`,
	"regctl": `regctl tag ls NAME | grep '^latest$' && regctl repo ls HOST && regctl manifest get NAME@DIGEST && regctl manifest get --platform linux/arm64 SRC &&
		echo note > note && regctl artifact put --artifact-type application/vnd.example.note --subject SRC -f note && regctl artifact list SRC | grep vnd.example.note &&
		regctl tag rm DST && ! regctl manifest head DST`,
	"crane": `crane ls --insecure NAME | grep '^latest$' && crane catalog --insecure HOST && crane pull --insecure --platform linux/arm64 NAME@DIGEST arm.tar &&
		crane tag --insecure DST two && crane delete --insecure DST && ! crane digest --insecure DST && crane digest --insecure HOST/from/crane:two`,
	"oras": `oras repo tags --plain-http NAME | grep '^latest$' && oras repo ls --plain-http HOST && oras manifest fetch --plain-http NAME@DIGEST &&
		echo note > note && oras attach --plain-http --artifact-type application/vnd.example.note SRC note:text/plain && oras discover --plain-http SRC | grep vnd.example.note &&
		oras manifest delete --plain-http -f DST && ! oras manifest fetch --plain-http DST`,
}

// clientOf is a client that can be run against servers of the example hello, which has
// the digest.
type clientOf struct {
	registryClient
	name, dir, digest string
}

// shell runs commands of the client in a directory of their own.
func (c *clientOf) shell(t *testing.T, commands, host, repo string) (string, error) {
	t.Helper()
	commands = strings.NewReplacer("SRC", host+"/"+repo+":latest", "NAME", host+"/"+repo, "DST", host+"/"+c.pushes(), "HOST", host, "DIGEST", c.digest).Replace(commands)
	cmd := exec.Command("sh", "-c", commands)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// pushes is the tag that the client pushes.
func (c *clientOf) pushes() string { return "from/" + c.name + ":v1" }

// writes has the client pull and push, and do more if that is asked for.
func (c *clientOf) writes(t *testing.T, repo, more string, args ...string) {
	t.Helper()
	work := t.TempDir()
	if err := os.CopyFS(work, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	host := serving(t, work, append([]string{"--writable"}, args...)...)
	if !slices.Contains(args, "dist/hello") {
		tool(t, work, "layform", "push", "docker://"+host+"/"+repo)
	}
	if out, err := c.shell(t, c.commands, host, repo); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tool(t, work, "layform", "pull", "docker://"+host+"/"+c.pushes(), "oci:back:v1")
	tool(t, work, "layform", "layout", "validate", "back")
	if got := indexDigest(t, filepath.Join(work, "back")); c.same && got != c.digest {
		t.Errorf("%s pushed %s, want %s", c.name, got, c.digest)
	}
	if out, err := c.shell(t, more, host, repo); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if more != "" {
		tool(t, work, "layform", "layout", "validate", args[len(args)-1])
	}
}

// reads has the client pull, and be told that it cannot push.
func (c *clientOf) reads(t *testing.T) {
	t.Helper()
	host := serving(t, c.dir, "dist/hello")
	pull, push, _ := strings.Cut(c.commands, " && ")
	if c.name == "crane" {
		pull, push = "crane manifest --insecure SRC", c.commands
	}
	if out, err := c.shell(t, pull, host, "hello"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := c.shell(t, pull+" && "+push, host, "hello")
	if err == nil {
		t.Errorf("the push went well: %s", out)
	}
	if c.name != "ctr" && !strings.Contains(out, "layform serve --writable") { // it shows the status alone
		t.Errorf("it does not say why: %s", out)
	}
}

// TestClientsOfServe: engines and tools pull from and push to layform serve, whatever it
// serves.
func TestClientsOfServe(t *testing.T) {
	dir := helloExample(t)
	digest := strings.TrimSpace(tool(t, dir, "layform", "output", "--raw", "digest"))
	for name, client := range registryClients {
		t.Run(name, func(t *testing.T) {
			sample(t, name, "skopeo", "regctl", "crane", "oras")
			need(t, name)
			e := newEngines(t)
			client.set(t, e)
			t.Setenv("REGCTL_CONFIG", filepath.Join(e.work, "regctl.json"))
			c := &clientOf{client, name, dir, digest}
			t.Run("read-only", func(t *testing.T) { c.reads(t) })
			t.Run("writable", func(t *testing.T) { c.writes(t, "team/hello", moreCommands[name], "registry") })
			t.Run("per-repository", func(t *testing.T) {
				sample(t, "per-repository")
				c.writes(t, "team/hello", "", "--per-repository", "registry")
			})
			t.Run("default-repo", func(t *testing.T) {
				sample(t, "default-repo")
				c.writes(t, "team/hello", "", "--default-repo", "team/hello", "dist/hello")
			})
		})
	}
}

// mirrorFile is a file of the example, for a server at host.
func mirrorFile(t *testing.T, name, host string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "examples", "registry", name))
	if err != nil || !strings.Contains(string(data), "127.0.0.1:5000") {
		t.Fatalf("%s: %s, %v", name, data, err)
	}
	return strings.ReplaceAll(string(data), "127.0.0.1:5000", host)
}

// TestMirrors: engines get images of another registry from layform serve, by the files
// of the example.
func TestMirrors(t *testing.T) {
	dir := helloExample(t)
	// hub/library/hello is what docker.io/library/hello is for its clients.
	tool(t, dir, "layform", "copy", "oci:dist/hello:latest", "oci:hub:hub/library/hello:latest")
	t.Run("ctr", func(t *testing.T) {
		e := newEngines(t)
		host := serving(t, dir, "--namespace", "docker.io=hub", "hub")
		e.containerd(t)
		write(t, e.work, map[string]string{"certs.d/docker.io/hosts.toml": mirrorFile(t, "hosts.toml", host)})
		tool(t, e.work, "ctr", "images", "pull", "--hosts-dir", filepath.Join(e.work, "certs.d"), "--all-platforms", "docker.io/library/hello:latest")
	})
	t.Run("podman", func(t *testing.T) {
		e := newEngines(t)
		host := serving(t, dir, "hub")
		e.podman(t, "podman")
		write(t, e.work, map[string]string{"registries.conf": mirrorFile(t, "registries.conf", host)})
		t.Setenv("CONTAINERS_REGISTRIES_CONF", filepath.Join(e.work, "registries.conf"))
		tool(t, e.work, "podman", "pull", "docker.io/library/hello:latest")
	})
	t.Run("docker", func(t *testing.T) {
		sample(t, "docker")
		e := newEngines(t)
		host := serving(t, dir, "--namespace", "docker.io=hub", "library/hello=dist/hello")
		write(t, e.work, map[string]string{"daemon.json": mirrorFile(t, "daemon.json", host)})
		e.docker(t, "--config-file", filepath.Join(e.work, "daemon.json"))
		tool(t, e.work, "docker", "pull", "hello:latest")
	})
}

// logins are how clients log in to HOST as ann and push an image to it, and how they
// pull it without.
var logins = map[string]struct{ login, push, pull string }{
	"docker": {"docker login -u ann -p secret HOST", "docker pull FROM && docker tag FROM DST && docker push DST", "docker pull DST"},
	"podman": {"podman login --tls-verify=false -u ann -p secret HOST", "podman pull --tls-verify=false FROM && podman push --tls-verify=false FROM docker://DST", "podman pull --tls-verify=false DST"},
	"skopeo": {"skopeo login --tls-verify=false -u ann -p secret HOST", "skopeo --insecure-policy copy --all --src-tls-verify=false --dest-tls-verify=false docker://FROM docker://DST", "skopeo inspect --tls-verify=false docker://DST"},
	"regctl": {"regctl registry set --skip-check --tls disabled FROMHOST && regctl registry set --skip-check --tls disabled HOST && regctl registry login -u ann -p secret HOST", "regctl image copy FROM DST", "regctl registry set --skip-check --tls disabled HOST && regctl manifest get DST"},
	"crane":  {"crane auth login -u ann -p secret HOST", "crane copy --insecure FROM DST", "crane pull --insecure DST x.tar"},
	"oras":   {"oras login --plain-http -u ann -p secret HOST", "oras cp --from-plain-http --to-plain-http FROM DST", "oras manifest fetch --plain-http DST"},
	"ctr":    {"true", "ctr images pull --plain-http --all-platforms FROM && ctr images tag FROM DST && ctr images push --plain-http -u ann:secret DST", "ctr images pull --plain-http DST"},
}

// TestLogins: clients log in and push, and pull without a login where that is allowed.
func TestLogins(t *testing.T) {
	dir := helloExample(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{"users": "ann:" + string(hash) + "\n"})
	for name, c := range logins {
		t.Run(name, func(t *testing.T) {
			sample(t, name, "crane", "oras", "skopeo")
			need(t, name)
			e := newEngines(t)
			registryClients[name].set(t, e)
			from := serving(t, dir, "dist/hello")
			for _, mode := range [][]string{{"--anonymous-read"}, nil} {
				host := serving(t, dir, append(mode, "--writable", "--htpasswd", "users", "registry")...)
				shell := func(home, commands string) (string, error) {
					commands = strings.NewReplacer("FROMHOST", from, "FROM", from+"/hello:latest", "HOST", host, "DST", host+"/from/"+name+":v1").Replace(commands)
					cmd := exec.Command("sh", "-c", commands)
					cmd.Dir = t.TempDir()
					home = filepath.Join(cmd.Dir, home)
					cmd.Env = append(os.Environ(), "HOME="+home, "DOCKER_CONFIG="+home+"/docker", "REGISTRY_AUTH_FILE="+home+"/auth.json", "REGCTL_CONFIG="+home+"/regctl.json")
					write(t, home, map[string]string{"docker/config.json": "{}", "auth.json": "{}"})
					out, err := cmd.CombinedOutput()
					return string(out), err
				}
				if out, err := shell("ann", c.login+" && "+c.push); err != nil {
					t.Fatalf("%q: %v: %s", mode, err, out)
				}
				if out, err := shell("nobody", c.pull); (err == nil) != (mode != nil) {
					t.Errorf("%q: a pull without a login: %v: %s", mode, err, out)
				}
				if out, err := shell("nobody", strings.NewReplacer(" -u ann:secret", "", "DST", "DST2").Replace(c.push)); err == nil {
					t.Errorf("%q: a push without a login went well: %s", mode, out)
				}
			}
		})
	}
}

// TestRegistryJob runs the example of a registry that lasts as long as a job.
func TestRegistryJob(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "example")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "examples", "registry"))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PORT", "0")
	out := tool(t, dir, "sh", "job.sh")
	if !strings.Contains(out, "dist/pulled is a valid layout.") {
		t.Errorf("%s", out)
	}
	tool(t, dir, "layform", "layout", "validate", "dist/registry")
}
