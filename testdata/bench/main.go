// Command bench measures layform against the tools that people use for the same
// work, and prints a table of ratios with peak memory.
//
//	go run ./testdata/bench                  # all cases; takes some minutes and 12 GiB of disk
//	go run ./testdata/bench -case tree,plan  # some of them
//	go run ./testdata/bench -scale 0.1       # smaller trees, for a quick look
//
// Every case runs its commands in turn (A B C A B C …) after a warm-up, so that
// a machine whose speed drifts does not favour one of them, and compares
// medians. Tools that are not installed are left out. umoci, buildah, skopeo,
// pigz, zstd, git and tar come from Debian; crane, oras and regctl are built by `go install` from
// the module proxy, and oras-go is built in.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// contender is one command of a case.
type contender struct {
	name string
	// before is a shell line that prepares a run and is not timed; run is timed.
	before, run string
	// fresh is set where the registry is empty before each run.
	fresh bool
	// needs are the programs without which the contender is left out.
	needs []string
	// size is a glob of files whose largest is the result, to compare sizes.
	size string
}

// bench is a set of contenders; the others are compared with the first.
type bench struct {
	name, title string
	// prepare makes what the contenders work on.
	prepare    func(*lab) error
	contenders []contender
	// registry is set where the contenders reach $REGISTRY, whose requests are counted.
	registry bool
}

// lab is where the benches run.
type lab struct {
	dir   string
	runs  int
	scale float64
	// server is the registry of the cases that have one; nil for the others.
	server *server
}

func main() {
	var l lab
	cases := flag.String("case", "", "comma-separated names of cases; empty for all")
	list := flag.Bool("list", false, "list the cases and end")
	flag.StringVar(&l.dir, "dir", "", "work here and keep it; empty for a temporary folder")
	flag.IntVar(&l.runs, "runs", 5, "counted runs of each command")
	flag.Float64Var(&l.scale, "scale", 1, "size of the generated trees")
	oras := flag.Bool("oras", false, "push FILE into the layout DIR with oras-go: bench -oras DIR FILE")
	asRegistry := flag.Bool("registry", false, "be the registry of the cases that copy images, until the standard input ends")
	flag.Parse()
	if *asRegistry {
		if err := serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *oras {
		if err := orasPush(flag.Arg(0), flag.Arg(1)); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *list {
		for _, b := range benches() {
			fmt.Printf("%-8s %s\n", b.name, b.title)
		}
		return
	}
	if err := l.main(*cases); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// main runs the chosen cases.
func (l *lab) main(cases string) error {
	if l.dir == "" {
		dir, err := os.MkdirTemp("", "layform-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		l.dir = dir
	}
	var err error
	if l.dir, err = filepath.Abs(l.dir); err != nil {
		return err
	}
	bin := filepath.Join(l.dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(bin, "layform"), "./cmd/layform")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("run it in the root of the repository: %w\n%s", err, out)
	}
	if err := os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Setenv("BENCH", self); err != nil {
		return err
	}
	installPeers(bin)
	fmt.Printf("%d processors, %s/%s, %s, medians of %d\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), l.runs)
	for _, b := range benches() {
		if cases != "" && !slices.Contains(strings.Split(cases, ","), b.name) {
			continue
		}
		if err := l.run(b); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	return nil
}

// installPeers builds the peers that the module proxy serves. Without them their rows
// are missing. oras-go is a part of this program.
func installPeers(bin string) {
	for _, peer := range []string{
		"github.com/google/go-containerregistry/cmd/crane@v0.22.1",
		"oras.land/oras/cmd/oras@v1.3.6",
		"github.com/regclient/regclient/cmd/regctl@v0.11.7",
	} {
		cmd := exec.Command("go", "install", peer)
		cmd.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "bench: without %s: %v\n%s", peer, err, out)
		}
	}
}

// sample is one run.
type sample struct {
	wall time.Duration
	cpu  time.Duration
	// peak is the largest resident set of a process, in bytes.
	peak int64
	// requests is the number of those that the registry got.
	requests int64
}

// run measures one case and prints its table.
func (l *lab) run(b bench) (err error) {
	dir := filepath.Join(l.dir, b.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	here := *l
	here.dir = dir
	if b.registry {
		here.server = &server{}
		stop, startErr := here.server.start()
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	if b.prepare != nil {
		if err := b.prepare(&here); err != nil {
			return err
		}
	}
	contenders := slices.DeleteFunc(slices.Clone(b.contenders), func(c contender) bool {
		return slices.ContainsFunc(c.needs, func(p string) bool { _, err := exec.LookPath(p); return err != nil })
	})
	samples := make([][]sample, len(contenders))
	for round := range l.runs + 1 {
		for i, c := range contenders {
			s, err := here.once(c)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if round > 0 { // the first is the warm-up
				samples[i] = append(samples[i], s)
			}
		}
	}
	return here.table(os.Stdout, b, contenders, samples)
}

// once runs a contender.
func (l *lab) once(c contender) (sample, error) {
	if c.fresh {
		if err := l.server.reset(); err != nil {
			return sample{}, err
		}
	}
	if c.before != "" {
		if out, err := l.shell(c.before).CombinedOutput(); err != nil {
			return sample{}, fmt.Errorf("before: %w\n%s", err, out)
		}
	}
	cmd := l.shell(c.run)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	asked, err := l.asked()
	if err != nil {
		return sample{}, err
	}
	started := time.Now()
	if err := cmd.Run(); err != nil {
		return sample{}, fmt.Errorf("%w\n%s", err, complaint.String())
	}
	s := sample{wall: time.Since(started), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = usage.Maxrss * 1024
	}
	all, err := l.asked()
	s.requests = all - asked
	return s, err
}

// asked is the number of requests that the registry got, if there is one.
func (l *lab) asked() (int64, error) {
	if l.server == nil {
		return 0, nil
	}
	return l.server.requests()
}

func (l *lab) shell(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-ec", line)
	cmd.Dir = l.dir
	return cmd
}

// table prints the medians of a case, with ratios of the first contender to the others.
func (l *lab) table(w io.Writer, b bench, contenders []contender, samples [][]sample) error {
	fmt.Fprintf(w, "\n%s: %s\n", b.name, b.title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\twall s\tcpu s\tpeak MiB\tblob MB\twall ratio\tsize ratio\trequests\t")
	var wall0 time.Duration
	var size0 int64
	for i, c := range contenders {
		wall := median(samples[i], func(s sample) time.Duration { return s.wall })
		cpu := median(samples[i], func(s sample) time.Duration { return s.cpu })
		peak := median(samples[i], func(s sample) int64 { return s.peak })
		size, err := l.largest(c.size)
		if err != nil {
			return err
		}
		if i == 0 {
			wall0, size0 = wall, size
		}
		blob, sizeRatio := "", ""
		if size > 0 {
			blob = fmt.Sprintf("%.1f", float64(size)/1e6)
			sizeRatio = fmt.Sprintf("%.3f", float64(size0)/float64(size))
		}
		resident, requests := fmt.Sprintf("%.0f", float64(peak)/(1<<20)), ""
		if b.registry {
			requests = fmt.Sprint(median(samples[i], func(s sample) int64 { return s.requests }))
		}
		fmt.Fprintf(t, "%s\t%.3f\t%.3f\t%s\t%s\t%.2f\t%s\t%s\t\n", c.name, wall.Seconds(), cpu.Seconds(), resident, blob, wall0.Seconds()/wall.Seconds(), sizeRatio, requests)
	}
	return t.Flush()
}

// largest is the size of the largest file that matches a glob.
func (l *lab) largest(glob string) (int64, error) {
	if glob == "" {
		return 0, nil
	}
	names, err := filepath.Glob(filepath.Join(l.dir, glob))
	var size int64
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		size = max(size, info.Size())
	}
	return size, err
}

func median[T int64 | time.Duration](samples []sample, of func(sample) T) T {
	var all []T
	for _, s := range samples {
		all = append(all, of(s))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
