//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// call sends a request to a registry and gives the header of an answer with that status.
func call(method, url, contentType string, body []byte, status int) (http.Header, []byte, error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != status {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, data)
	}
	return resp.Header, data, err
}

// pushArtifact pushes a blob and a manifest of it, as a client does.
func pushArtifact(host, repo, tag, content string) error {
	base := "http://" + host + "/v2/" + repo
	for _, blob := range []string{"{}", content} {
		header, _, err := call("POST", base+"/blobs/uploads/", "", nil, 202)
		if err != nil {
			return err
		}
		d := digest.FromString(blob).String()
		if _, _, err := call("PUT", "http://"+host+header.Get("Location")+"?digest="+d, "application/octet-stream", []byte(blob), 201); err != nil {
			return err
		}
	}
	descriptor := func(mediaType, content string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, mediaType, digest.FromString(content), len(content))
	}
	manifest := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.example","config":` +
		descriptor("application/vnd.oci.empty.v1+json", "{}") + `,"layers":[` + descriptor("application/vnd.example.data", content) + `]}`
	_, _, err := call("PUT", base+"/manifests/"+tag, "application/vnd.oci.image.manifest.v1+json", []byte(manifest), 201)
	return err
}

// TestManyPushesAtOnce: 16 clients push 16 tags through two servers of one layout while
// an apply runs into it. Nobody fails and nothing is lost. LAYFORM_ROUNDS is the number
// of rounds.
func TestManyPushesAtOnce(t *testing.T) {
	rounds := 2
	if text := os.Getenv("LAYFORM_ROUNDS"); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"layform.hcl": oneLayer, "x": "x"})
	tool(t, dir, "layform", "apply", "--auto-approve")
	hosts := []string{serving(t, dir, "--writable", "out"), serving(t, dir, "--writable", "out")}
	want := []string{"x"}
	for round := range rounds {
		write(t, dir, map[string]string{"x": fmt.Sprint("round ", round)})
		var clients sync.WaitGroup
		clients.Go(func() {
			if out, err := exec.Command("layform", "-C", dir, "apply", "--auto-approve", "--lock-timeout", "1h").CombinedOutput(); err != nil {
				t.Errorf("apply: %v: %s", err, out)
			}
		})
		for n := range 16 {
			tag := fmt.Sprintf("r%d-%d", round, n)
			want = append(want, tag)
			clients.Go(func() {
				if err := pushArtifact(hosts[n%2], "out", tag, tag); err != nil {
					t.Error(err)
				}
			})
		}
		clients.Wait()
		for _, host := range hosts {
			for _, tag := range want {
				if _, _, err := call("GET", "http://"+host+"/v2/out/manifests/"+tag, "", nil, 200); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
		}
		valid(t, filepath.Join(dir, "out"))
	}
	_, body, err := call("GET", "http://"+hosts[0]+"/v2/out/tags/list", "", nil, 200)
	var list struct{ Tags []string }
	if err != nil || json.Unmarshal(body, &list) != nil || len(list.Tags) != len(want) {
		t.Errorf("%d tags, want %d: %v", len(list.Tags), len(want), err)
	}
	tool(t, dir, "layform", "plan", "--detailed-exitcode")
}

// startServe runs a writable server in dir and gives its URL.
func startServe(t *testing.T, dir string) (*process, string) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := start(t, dir, func(cmd *exec.Cmd) { cmd.Stdout = in }, "serve", "--listen", "127.0.0.1:0", "--writable", "registry")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	found := servedURL.FindSubmatch(line[:n])
	if err != nil || found == nil {
		t.Fatalf("%q, %v: %s", line[:n], err, &p.err)
	}
	return p, "http://" + string(found[1])
}

// TestServeLeavesNothingOpen: requests of all kinds, those that fail included, leave no
// file open, and the server ends well.
func TestServeLeavesNothingOpen(t *testing.T) {
	p, server := startServe(t, t.TempDir())
	host := strings.TrimPrefix(server, "http://")
	known := digest.FromString("content").String()
	requests := func(times int) {
		t.Helper()
		for range times {
			if err := pushArtifact(host, "app", "v1", "content"); err != nil {
				t.Fatal(err)
			}
			for path, status := range map[string]int{
				"manifests/v1": 200, "blobs/" + known: 200, "tags/list": 200, "referrers/" + known: 200, "manifests/v2": 404,
				"blobs/" + digest.FromString("unknown").String(): 404, "blobs/x": 400, "blobs/uploads/x": 404,
			} {
				if _, _, err := call("GET", server+"/v2/app/"+path, "", nil, status); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := call("POST", server+"/v2/app/blobs/uploads/?digest="+known, "", []byte("other"), 400); err != nil {
				t.Fatal(err)
			}
		}
	}
	open := func() int {
		t.Helper()
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	requests(5)
	before := open()
	requests(50)
	if after := open(); after > before {
		t.Errorf("%d files are open, after %d", after, before)
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.exits(t, 0, "GET /v2/app/manifests/v1 200")
}

// TestServeKilled: an upload goes on in the next server when one was killed in the
// middle of it.
func TestServeKilled(t *testing.T) {
	dir := t.TempDir()
	first, server := startServe(t, dir)
	header, _, err := call("POST", server+"/v2/app/blobs/uploads/", "", nil, 202)
	if err != nil {
		t.Fatal(err)
	}
	location := header.Get("Location")
	content := strings.Repeat("0123456789", 10_000)
	if _, _, err := call("PATCH", server+location, "", []byte(content[:30_000]), 202); err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	req, err := http.NewRequest("PATCH", server+location, in)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(req)
		ended <- err
	}()
	if _, err := io.WriteString(out, content[30_000:60_000]); err != nil {
		t.Fatal(err)
	}
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = out.CloseWithError(io.ErrUnexpectedEOF)
	if err := <-ended; err == nil {
		t.Error("the request that was cut was answered")
	}
	first.end(t)
	_, server = startServe(t, dir)
	header, _, err = call("GET", server+location, "", nil, 204)
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(header.Get("Range"), "-")
	n, err := strconv.Atoi(last)
	if err != nil || n < 29_999 || n >= 60_000 {
		t.Fatalf("the upload goes on at %q", header.Get("Range"))
	}
	d := digest.FromString(content).String()
	if _, _, err := call("PUT", server+location+"?digest="+d, "", []byte(content[n+1:]), 201); err != nil {
		t.Fatal(err)
	}
	if _, body, err := call("GET", server+"/v2/app/blobs/"+d, "", nil, 200); err != nil || string(body) != content {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}
