//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// servedKey is the key of the server of a script.
type servedKey struct{}

// served is a server that runs.
type served struct {
	cmd *exec.Cmd
	err *bytes.Buffer
}

// servedURL is the address of a server, in what it prints.
var servedURL = regexp.MustCompile(`https?://([0-9.:]+)`)

// cmdServe runs a server, whose HOST:PORT is then $SERVED, until stops.
func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: serve ARG...")
	}
	cmd := exec.Command("layform", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	s := &served{cmd: cmd, err: &bytes.Buffer{}}
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), s.err
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() { _ = cmd.Process.Kill() })
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		said.WriteString(line + "\n")
		if found := servedURL.FindStringSubmatch(line); found != nil {
			ts.Setenv("SERVED", found[1])
		}
		if line == "}" || strings.HasPrefix(line, "Serving ") {
			*ts.Value(servedKey{}).(**served) = s
			_, err := io.WriteString(ts.Stdout(), said.String())
			ts.Check(err)
			return
		}
	}
	_ = cmd.Wait() // it says why
	ts.Fatalf("it does not serve: %s", s.err)
}

// cmdStops ends the server, which must end well.
func cmdStops(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: stops")
	}
	s := *ts.Value(servedKey{}).(**served)
	ts.Check(s.cmd.Process.Signal(syscall.SIGTERM))
	if err := s.cmd.Wait(); err != nil {
		ts.Fatalf("the server ended with %v: %s", err, s.err)
	}
}
