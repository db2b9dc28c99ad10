package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/google/go-containerregistry/pkg/registry"
)

// server is a registry on the loopback interface, in memory. It is a process of its own:
// what a contender uses is apart from it.
type server struct{ url string }

// The paths of the registry that no client asks for: they drop what it holds, and tell
// how many requests it got.
const (
	pathReset    = "/bench/reset"
	pathRequests = "/bench/requests"
)

// serve is the process of the registry. It prints its address and ends with its input.
func serve(in io.Reader, out io.Writer) error {
	var handler atomic.Pointer[http.Handler]
	var requests atomic.Int64
	reset := func() {
		h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
		handler.Store(&h)
		debug.FreeOSMemory()
	}
	reset()
	listening := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case pathReset:
			reset()
		case pathRequests:
			fmt.Fprint(w, requests.Load())
		default:
			requests.Add(1)
			(*handler.Load()).ServeHTTP(w, r)
		}
	}))
	defer listening.Close()
	if _, err := fmt.Fprintln(out, listening.URL); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, in)
	return err
}

// start starts the registry, at $REGISTRY. It ends when stop is called, or this program.
func (s *server) start() (stop func() error, err error) {
	cmd := exec.Command(os.Getenv("BENCH"), "-registry")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	s.url = strings.TrimSpace(line)
	return stop, os.Setenv("REGISTRY", strings.TrimPrefix(s.url, "http://"))
}

// reset drops what the registry holds.
func (s *server) reset() error {
	_, err := s.ask(pathReset)
	return err
}

// requests is the number of requests of clients so far.
func (s *server) requests() (int64, error) {
	text, err := s.ask(pathRequests)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func (s *server) ask(path string) (string, error) {
	resp, err := http.Get(s.url + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return string(data), err
}

// shippers are the commands that copy an image from a layout to a registry and back. What
// they write is new each time, unless there is nothing to do.
func shippers(name, title string, prepare func(*lab) error) []bench {
	regctl := "regctl --host reg=$REGISTRY,tls=disabled image copy "
	const push = "layform copy oci:out:x docker://$REGISTRY/x:x"
	return []bench{
		{
			name: "push-" + name, title: title + ", from a layout to a registry", prepare: prepare, registry: true,
			contenders: []contender{
				{name: "layform copy", fresh: true, run: push},
				{name: "oras cp", needs: []string{"oras"}, fresh: true, run: "oras cp --no-tty --from-oci-layout out:x --to-plain-http $REGISTRY/x:x"},
				{name: "crane push", needs: []string{"crane"}, fresh: true, run: "crane push --insecure out $REGISTRY/x:x"},
				{name: "regctl image copy", needs: []string{"regctl"}, fresh: true, run: regctl + "ocidir://out:x $REGISTRY/x:x"},
				{name: "skopeo copy", needs: []string{"skopeo"}, fresh: true, run: "skopeo copy -q --dest-tls-verify=false oci:out:x docker://$REGISTRY/x:x"},
			},
		},
		{
			name: "again-" + name, title: title + ", from a layout to a registry that has it", prepare: pushed(prepare), registry: true,
			contenders: []contender{
				{name: "layform copy", run: push},
				{name: "oras cp", needs: []string{"oras"}, run: "oras cp --no-tty --from-oci-layout out:x --to-plain-http $REGISTRY/x:x"},
				{name: "crane push", needs: []string{"crane"}, run: "crane push --insecure out $REGISTRY/x:x"},
				{name: "regctl image copy", needs: []string{"regctl"}, run: regctl + "ocidir://out:x $REGISTRY/x:x"},
			},
		},
		{
			name: "pull-" + name, title: title + ", from a registry to a layout", prepare: pushed(prepare), registry: true,
			contenders: []contender{
				{name: "layform copy", before: "rm -rf in", run: "layform copy docker://$REGISTRY/x:x oci:in:x"},
				{name: "oras cp", needs: []string{"oras"}, before: "rm -rf in", run: "oras cp --no-tty --from-plain-http --to-oci-layout $REGISTRY/x:x in:x"},
				{name: "crane pull", needs: []string{"crane"}, before: "rm -rf in", run: "crane pull --insecure --format oci $REGISTRY/x:x in"},
				{name: "regctl image copy", needs: []string{"regctl"}, before: "rm -rf in", run: regctl + "$REGISTRY/x:x ocidir://in:x"},
				{name: "skopeo copy", needs: []string{"skopeo"}, before: "rm -rf in", run: "skopeo copy -q --src-tls-verify=false docker://$REGISTRY/x:x oci:in:x"},
			},
		},
	}
}

// transfers are the cases that copy between a layout and a registry.
func transfers() []bench {
	return append(shippers("big", "one blob of 500 MB", ofBlobs(1, 500e6)), shippers("small", "500 blobs of 1 kB", ofBlobs(500, 1e3))...)
}

// pushed puts the image into the registry after prepare.
func pushed(prepare func(*lab) error) func(*lab) error {
	return func(l *lab) error {
		if err := prepare(l); err != nil {
			return err
		}
		return l.do("layform copy oci:out:x docker://$REGISTRY/x:x")
	}
}

// ofBlobs makes a layout with an image whose layers are random files.
func ofBlobs(n int, size float64) func(*lab) error {
	return func(l *lab) error {
		random := rand.NewChaCha8([32]byte{1})
		var text strings.Builder
		var names []string
		text.WriteString("layout { path = \"out\" }\nconfig \"x\" { platform = \"linux/amd64\" }\n")
		for i := range n {
			name := fmt.Sprintf("f%d", i)
			f, err := os.Create(filepath.Join(l.dir, name))
			if err != nil {
				return err
			}
			if _, err := io.CopyN(f, random, int64(size*l.scale)); err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
			fmt.Fprintf(&text, "layer %q {\n  compression = \"none\"\n  file \"/f\" { source = %q }\n}\n", name, name)
			names = append(names, "layer."+name)
		}
		fmt.Fprintf(&text, "manifest \"x\" {\n  config = config.x\n  layers = [%s]\n  tags   = [\"x\"]\n}\n", strings.Join(names, ", "))
		if err := os.WriteFile(filepath.Join(l.dir, "layform.hcl"), []byte(text.String()), 0o644); err != nil {
			return err
		}
		return l.do("layform apply --auto-approve")
	}
}
