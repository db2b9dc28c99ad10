package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/executor"
	"github.com/layform/layform/planner"
	"github.com/layform/layform/spec"
)

// output gives a file to write to and a function that reads what was written.
func output(t *testing.T) (*os.File, func() string) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, func() string {
		data, err := os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
}

func TestInterruptedSaysSo(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("a signal"))
	for _, err := range []error{
		fmt.Errorf("layer.app: %w", context.Canceled),
		hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Interrupted"}},
	} {
		out, text := output(t)
		a := newApp(os.Stdin, out, out, nil)
		if code := a.fail(ctx, err); code != exitError {
			t.Errorf("an interrupted run exits with %d, want %d", code, exitError)
		}
		if got, want := text(), "layform: error: interrupted\n"; got != want {
			t.Errorf("an interrupted run says %q, want %q", got, want)
		}
	}
}

func TestColors(t *testing.T) {
	tests := []struct {
		name     string
		terminal bool
		noColor  bool
		json     bool
		environ  []string
		want     bool
	}{
		{name: "terminal", terminal: true, want: true},
		{name: "no terminal"},
		{name: "flag", terminal: true, noColor: true},
		{name: "JSON", terminal: true, json: true},
		{name: "NO_COLOR", terminal: true, environ: []string{"NO_COLOR=1"}},
		{name: "empty NO_COLOR", terminal: true, environ: []string{"NO_COLOR="}, want: true},
		{name: "CI", terminal: true, environ: []string{"CI=true"}},
		{name: "dumb", terminal: true, environ: []string{"TERM=dumb"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, _ := output(t)
			a := newApp(os.Stdin, out, out, tt.environ)
			if a.terminal.out || a.terminal.err {
				t.Fatal("a file counts as a terminal")
			}
			a.terminal.out, a.terminal.err = tt.terminal, tt.terminal
			a.configure(tt.noColor, tt.json)
			if a.out.Color != tt.want || a.err.Color != tt.want {
				t.Errorf("colours are %v and %v, want %v", a.out.Color, a.err.Color, tt.want)
			}
		})
	}
}

func TestEpoch(t *testing.T) {
	for _, text := range []string{"x", "-1", "1.5", "1e9", " 1", "253402300800", "0x10"} {
		a := &app{environ: []string{"SOURCE_DATE_EPOCH=" + text}}
		if got, err := a.epoch(); err == nil {
			t.Errorf("SOURCE_DATE_EPOCH=%s is taken for %d", text, *got)
		}
	}
	for text, want := range map[string]int64{"0": 0, "1700000000": 1700000000, "253402300799": 253402300799} {
		a := &app{environ: []string{"SOURCE_DATE_EPOCH=" + text}}
		got, err := a.epoch()
		if err != nil || got == nil || *got != want {
			t.Errorf("SOURCE_DATE_EPOCH=%s gives %v, %v", text, got, err)
		}
	}
	if got, err := (&app{}).epoch(); got != nil || err != nil {
		t.Errorf("without SOURCE_DATE_EPOCH there is %v, %v", got, err)
	}
}

// TestArgumentsAreBytes has strings that are not UTF-8 on the command line.
func TestArgumentsAreBytes(t *testing.T) {
	g := &grammar{}
	parser, err := newParser(g, &app{stdout: io.Discard, stderr: io.Discard}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const name = "caf\xe9"
	if _, err := parser.Parse([]string{"-C", name, "plan", "--out=" + name, "--var-file", name, "-f", name, "--var", "a=" + name, "--target", name}); err != nil {
		t.Fatal(err)
	}
	p := g.Plan
	for flag, got := range map[string]string{
		"-C": g.Chdir, "--out": p.Out, "--var-file": p.VarFile[0].text, "-f": p.File, "--var": strings.TrimPrefix(p.Var[0].text, "a="), "--target": p.Target[0],
	} {
		if got != name {
			t.Errorf("%s is %q", flag, got)
		}
	}
}

// TestOtherCommands: a parser that knows only the commands that arguments name knows
// them as well as the whole one does, which arguments without a command get.
func TestOtherCommands(t *testing.T) {
	parse := func(args ...string) []place {
		parser, err := newParser(&grammar{}, &app{stdout: io.Discard, stderr: io.Discard}, args)
		if err != nil {
			t.Fatal(err)
		}
		return placesOf(parser.Model.Node)
	}
	all := parse()
	names := 0
	for _, p := range all[1:] {
		words := strings.Fields(p.path)
		if len(words) != 2 {
			continue
		}
		names++
		for _, args := range [][]string{{words[1]}, {"--json", "-C", "x", words[1], "--help"}, {words[1], words[1], "apple"}} {
			found := parse(args...)
			if words[1] == "completion" {
				if diff := cmp.Diff(all, found, cmp.AllowUnexported(place{}, word{})); diff != "" {
					t.Errorf("%q: %s", args, diff)
				}
				continue
			}
			var want []place
			for _, q := range all[1:] {
				if q.path == p.path || strings.HasPrefix(q.path, p.path+" ") {
					want = append(want, q)
				}
			}
			if diff := cmp.Diff(want, found[1:], cmp.AllowUnexported(place{}, word{})); diff != "" {
				t.Errorf("%q: %s", args, diff)
			}
		}
	}
	if names < 18 {
		t.Errorf("the grammar has %d commands", names)
	}
	for _, args := range [][]string{nil, {"plam"}, {"--help"}, {"-C", "x"}} {
		if got := parse(args...); len(got) != len(all) {
			t.Errorf("%q: %d places, not %d", args, len(got), len(all))
		}
	}
}

func TestValues(t *testing.T) {
	a := &app{environ: []string{"LAYFORM_VAR_a=1=2", "LAYFORM_VAR_=x", "OTHER=y", "LAYFORM_VAR_b="}}
	got, err := a.values(valueFlags{Var: valueArgs{{"c=d=e", 4}, {" f =g", 0}}, VarFile: valueArgs{{"v", 2}}})
	if err != nil {
		t.Fatal(err)
	}
	want := spec.LoadOptions{
		Environ: []spec.Assignment{
			{Name: "a", Text: "1=2", Origin: "LAYFORM_VAR_a"},
			{Name: "b", Text: "", Origin: "LAYFORM_VAR_b"},
		},
		Arguments: []spec.Argument{
			{Assignment: spec.Assignment{Name: "c", Text: "d=e", Origin: "--var"}},
			{File: "v"},
			{Assignment: spec.Assignment{Name: "f", Text: "g", Origin: "--var"}},
		},
		Version: version(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values differ (-want +got):\n%s", diff)
	}
}

func TestProgress(t *testing.T) {
	steps := []executor.Event{
		{Kind: executor.EventStart, Key: "layer.a"},
		{Kind: executor.EventProgress, Key: "layer.a", Bytes: 10},
		{Kind: executor.EventProgress, Key: "layer.b", Bytes: 30},
		{Kind: executor.EventProgress, Key: "layer.a", Bytes: 20},
		{Kind: executor.EventProgress, Key: "manifest.a", Digest: digest.FromString("base"), Bytes: 5, Total: 1000},
		{Kind: executor.EventProgress, Key: "manifest.b", Digest: digest.FromString("base"), Bytes: 15, Total: 1000},
		{Kind: executor.EventDone, Key: "layer.a", Action: planner.Create, Digest: digest.FromString("a"), Size: 7},
	}
	const line = "layer.a: built sha256:ca978112ca1b in 0s (7 B)\n"
	for _, terminal := range []bool{false, true} {
		out, text := output(t)
		a := newApp(os.Stdin, out, out, nil)
		a.terminal.err = terminal
		p := a.newProgress(&planner.Plan{Changes: []planner.Change{
			{Write: true, After: &planner.State{Content: 60}}, {Write: true, After: &planner.State{Content: 40}}, {After: &planner.State{Content: 7}},
		}})
		if p.total != 100 {
			t.Errorf("%d bytes are to be read", p.total)
		}
		p.start = p.start.Add(-2 * time.Second) // as if it had taken that long
		for _, e := range steps {
			p.event(e)
		}
		p.finish()
		if p.sum != 65 || p.total != 1100 {
			t.Errorf("%d bytes of %d were counted, want 65 of 1100: blobs of bases count, too, each once", p.sum, p.total)
		}
		switch got := text(); {
		case !terminal && got != line:
			t.Errorf("without a terminal it writes %q, want %q", got, line)
		case terminal && (!strings.Contains(got, line) || !strings.Contains(got, "%")):
			t.Errorf("on a terminal it writes %q, which has no bar or not the line %q", got, line)
		}
	}
}
