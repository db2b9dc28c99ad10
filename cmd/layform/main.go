// Layform plans and applies OCI image layouts that are described in HCL files.
//
// Results go to standard output, all else to standard error. It exits with 0
// when all went well and with 1 on an error; plan and show exit with 2 when
// asked for --detailed-exitcode and there are changes, fmt with 3 when asked to
// --check and a file would change.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"reflect"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitChanges     = 2
	exitUnformatted = 3
)

func main() {
	collectLate()
	// A closed pipe is a write error like any other, and exits with 1.
	signal.Ignore(syscall.SIGPIPE)
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	finished := make(chan struct{})
	var patient patience
	context.AfterFunc(ctx, func() {
		stop() // a second signal ends the process at once
		giveUp(finished, patient.duration())
	})
	code := run(ctx, os.Args[1:], os.Environ(), &patient)
	close(finished)
	os.Exit(code)
}

// How much memory there may be: fewMegabytes, up to which a collection is not worth its
// time, someMegabytes, which is aimed at while roomyGarbage fits into it, and as much as
// that takes up to manyMegabytes; stayMegabytes, which a process that stays aims at;
// besideHeap is what takes room beside the heap.
const (
	fewMegabytes  = 40 << 20
	stayMegabytes = 46 << 20
	someMegabytes = 80 << 20
	manyMegabytes = 96 << 20
	besideHeap    = 12 << 20
)

// How much garbage there may be, in percent of what is in use: below manyMegabytes, and
// above.
const (
	lateGarbage  = 200
	oftenGarbage = 100
	roomyGarbage = 50
	manyGarbage  = 35
)

// garbage is the percentage below manyMegabytes, and aim the memory that is aimed at.
var garbage, aim atomic.Int64

// collectLate leaves garbage alone while there is little of it: most plans end
// before there is more. Then, or when layers are built, whose memory is bounded,
// collections come as usual: see collectOften.
func collectLate() {
	garbage.Store(lateGarbage)
	aim.Store(someMegabytes)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(fewMegabytes)
	adjust()
}

// collectOften keeps the heap below twice what is in use, and closer where that is much.
func collectOften() {
	garbage.Store(oftenGarbage)
	setGarbage()
}

// collectClosely keeps the heap close to what is in use, for a process that stays: its
// memory is taken from others all the time, and not while a command runs.
func collectClosely() {
	garbage.Store(roomyGarbage)
	aim.Store(stayMegabytes)
	setGarbage()
}

// setGarbage sets the percentage for what is in use.
func setGarbage() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	inUse := int64(0)
	if live[0].Value.Kind() == metrics.KindUint64 {
		inUse = int64(live[0].Value.Uint64())
	}
	percent, limit := bounds(inUse, garbage.Load(), aim.Load())
	debug.SetGCPercent(percent)
	debug.SetMemoryLimit(limit)
}

// adjust sets the percentage after each collection.
func adjust() {
	// A collection finds this out of use.
	runtime.AddCleanup(new([16]byte), func(struct{}) {
		setGarbage()
		adjust()
	}, struct{}{})
}

// bounds gives the percentage of garbage and the limit of all memory for what is in use:
// at most most in a limit, aim, that leaves room for roomyGarbage, or manyGarbage without a
// limit, for collections within one that is too small come all the time.
func bounds(inUse, most, aim int64) (percent int, limit int64) {
	if wanted := inUse + inUse*roomyGarbage/100 + besideHeap; wanted <= manyMegabytes {
		return int(most), max(aim, wanted)
	}
	return manyGarbage, math.MaxInt64
}

// usualPatience is the time that a command has to clean up after a signal.
const usualPatience = 1500 * time.Millisecond

// patience is the time that this command has to clean up after a signal: usualPatience,
// unless it asks for more.
type patience struct{ more atomic.Int64 }

// extend asks for more time.
func (p *patience) extend(d time.Duration) { p.more.Store(int64(d)) }

func (p *patience) duration() time.Duration { return usualPatience + time.Duration(p.more.Load()) }

// giveUp ends a process that does not stop after a signal: one that waits for a full
// pipe, or for a disk. A layout is whole at any instant, and the next run removes what
// this one leaves behind.
func giveUp(finished <-chan struct{}, patience time.Duration) {
	select {
	case <-finished:
		return
	default:
	}
	// Standard error may be what does not move.
	go fmt.Fprintln(os.Stderr, "layform: interrupted; stopping. Interrupt again to stop at once.")
	select {
	case <-finished:
		return
	case <-time.After(patience):
	}
	go fmt.Fprintln(os.Stderr, "layform: error: interrupted, and stopped without tidying up, which the next run does; layform status tells whether the changes were made")
	time.Sleep(100 * time.Millisecond)
	os.Exit(exitError)
}

// run parses the command line and runs its command. It returns the exit code.
func run(ctx context.Context, args, environ []string, patient *patience) int {
	a := newApp(os.Stdin, os.Stdout, os.Stderr, environ)
	a.patience = patient
	return a.run(ctx, args)
}

// run is the function run for streams and an environment of the caller's.
func (a *app) run(ctx context.Context, args []string) int {
	if len(args) == 0 {
		if err := writeTo(a.stdout, startPage); err != nil {
			return a.fail(ctx, err)
		}
		return exitOK
	}
	g := &grammar{}
	args = helped(args)
	parser, err := newParser(g, a, args)
	if err != nil {
		return a.fail(ctx, err)
	}
	args, err = doubled(parser.Model.Node, args)
	var kctx *kong.Context
	if err == nil {
		kctx, err = parser.Parse(args)
	}
	asked := jsonAsked(args)
	a.configure(g.NoColor, g.JSON || (err != nil && asked))
	if bareGroup(err) && !asked {
		return a.help(ctx, parser, args)
	}
	if err != nil {
		return a.failUsage(ctx, err)
	}
	return a.runParsed(ctx, g, kctx)
}

// failUsage reports a mistake on the command line, which other commands may explain than
// those that the line names.
func (a *app) failUsage(ctx context.Context, err error) int {
	whole, problem := newParser(&grammar{}, a, nil)
	if problem != nil {
		return a.fail(ctx, errors.Join(err, problem))
	}
	return a.fail(ctx, usageError(err, whole.Model.Node))
}

// runParsed runs the command of a command line that was parsed.
func (a *app) runParsed(ctx context.Context, g *grammar, kctx *kong.Context) int {
	var err error
	if g.Chdir != "" {
		if a.started, err = os.Getwd(); err != nil {
			return a.fail(ctx, err)
		}
		a.chdir = g.Chdir
		if err := os.Chdir(g.Chdir); err != nil {
			return a.fail(ctx, &failure{message: fmt.Sprintf("-C %s: %v", g.Chdir, cause(err))})
		}
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	if err := kctx.Run(a); err != nil {
		return a.fail(ctx, err)
	}
	return a.code
}

// newParser builds the parser of the grammar, as far as args can mean it.
func newParser(g *grammar, a *app, args []string) (*kong.Kong, error) {
	return kong.New(g,
		kong.IgnoreFields(otherCommands(args)),
		kong.Name("layform"),
		kong.Description(description),
		kong.Vars{"version": version()},
		kong.KindMapper(reflect.String, kong.MapperFunc(verbatim)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.ValueFormatter(valueHelp),
		kong.Help(commandHelp),
		kong.ExplicitGroups(helpGroups()),
		kong.Writers(a.stdout, a.stderr),
	)
}

// jsonAsked reports whether a command line that could not be parsed asks for JSON.
func jsonAsked(args []string) bool {
	for _, arg := range args {
		if arg == "--" {
			return false
		}
		if arg == "--json" {
			return true
		}
	}
	return false
}

// cause is the error within an error about paths, which the caller names itself.
func cause(err error) error {
	var path *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// writeTo writes text and returns the writer's error.
func writeTo(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}
