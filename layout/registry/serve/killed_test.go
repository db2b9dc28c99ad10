package serve_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/layouttest"
	"github.com/layform/layform/layout/registry"
	"github.com/layform/layform/layout/registry/serve"
)

// errKilled is what every step of a process gives that was killed.
var errKilled = errors.New("the process was killed")

// killer lets a number of steps pass that change something, and nothing after that.
type killer struct {
	mu    sync.Mutex
	left  int
	fired bool
}

func (k *killer) fault(step layouttest.Step) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.fired:
		return errKilled
	case step.Op == layouttest.OpOpen:
		return nil
	case k.left == 0:
		k.fired = true
		return errKilled
	}
	k.left--
	return nil
}

func (k *killer) killed() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fired
}

// doomed serves dir until n steps were done. end lets its files go, as the death of a
// process does.
func doomed(t *testing.T, dir string, n int) (s *server, k *killer, end func()) {
	t.Helper()
	k = &killer{left: n}
	reg, err := registry.Open(dir, registry.Options{Layout: layout.Options{Fault: k.fault}})
	if err != nil {
		t.Fatal(err)
	}
	s = serveMounts(t, []serve.Mount{{Registry: reg}}, serve.Options{})
	return s, k, func() {
		s.CloseClientConnections()
		s.Close()
		_ = reg.Close() // whatever it wants to do, a dead process does not
	}
}

// TestKilled kills a server at each step of a push to the disk. The next one finds a
// valid layout and every tag, the upload goes on where it was, the push ends well, and
// no temporary file is left over.
func TestKilled(t *testing.T) {
	t.Parallel()
	stride := 1
	if testing.Short() {
		stride = 4
	}
	origin := start(t, registry.Options{}, serve.Options{})
	old := origin.image("app", "old")
	origin.put("app", "v1", old)
	for n := 0; ; n += stride {
		dir := filepath.Join(t.TempDir(), "layout")
		if err := os.CopyFS(dir, os.DirFS(origin.dir)); err != nil {
			t.Fatal(err)
		}
		s, k, end := doomed(t, dir, n)
		location := pushUntilKilled(s, k, old)
		end()
		pushAgain(t, dir, location, old)
		if !k.killed() {
			if n < 20 {
				t.Errorf("a push has %d steps only", n)
			}
			return
		}
	}
}

// pushed is the content that TestKilled pushes, in two chunks.
var pushed = []byte("the first chunk, the second chunk")

// moved is the manifest of the image that v1 becomes.
func moved(old []byte) []byte {
	return bytes.Replace(old, []byte(digest.FromString("old")+`","size":3`), []byte(digest.FromBytes(pushed).String()+`","size":`+strconv.Itoa(len(pushed))), 1)
}

// pushUntilKilled pushes as far as it gets, and gives the place of the upload.
func pushUntilKilled(s *server, k *killer, old []byte) (location string) {
	s.t.Helper()
	step := func(method, path string, body []byte, headers ...string) bool {
		r, err := s.try(method, path, bytes.NewReader(body), headers...)
		if location == "" && err == nil {
			location = r.header.Get("Location")
		}
		if !k.killed() && (err != nil || r.status >= 300) {
			s.t.Fatalf("%s %s: %d %s, %v", method, path, r.status, r.body, err)
		}
		return !k.killed()
	}
	half := len(pushed) / 2
	_ = step("POST", "/v2/app/blobs/uploads/", nil) &&
		step("PATCH", location, pushed[:half], "Content-Range", rangeOf(0, half-1)) &&
		step("PATCH", location, pushed[half:], "Content-Range", rangeOf(half, len(pushed)-1)) &&
		step("PUT", location+"?digest="+digest.FromBytes(pushed).String(), nil) &&
		step("PUT", "/v2/app/manifests/v1", moved(old), "Content-Type", "application/vnd.oci.image.manifest.v1+json")
	return location
}

// pushAgain goes on with a push in another process.
func pushAgain(t *testing.T, dir, location string, old []byte) {
	t.Helper()
	s := at(t, dir, registry.Options{}, serve.Options{})
	s.sound()
	if r := s.get("/v2/app/manifests/v1", 200); !bytes.Equal(r.body, old) && !bytes.Equal(r.body, moved(old)) {
		t.Fatalf("v1 is %s", r.body)
	}
	d := digest.FromBytes(pushed).String()
	if r := s.do("GET", "/v2/app/blobs/"+d, nil); r.status == 404 {
		from := 0
		if location != "" {
			if r = s.do("GET", location, nil); r.status == 204 {
				_, last, _ := strings.Cut(r.header.Get("Range"), "-")
				if n, err := strconv.Atoi(last); err != nil {
					t.Fatalf("%v", r.header)
				} else if n > 0 {
					from = n + 1
				}
			}
		}
		if r.status != 204 {
			location = s.upload("app")
		}
		var headers []string
		if from < len(pushed) {
			headers = []string{"Content-Range", rangeOf(from, len(pushed)-1)}
		}
		s.want(s.do("PUT", location+"?digest="+d, bytes.NewReader(pushed[from:]), headers...), 201, "")
	}
	s.put("app", "v1", moved(old))
	s.get("/v2/app/blobs/"+d, 200)
	s.sound()
	left, err := os.ReadDir(filepath.Join(dir, layout.IngestDir))
	if err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
