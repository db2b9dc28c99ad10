package walk

import (
	"sync"
	"sync/atomic"
)

// descent shares the directories of a walk among goroutines: a stack of those
// that are still to be read. What is on top is read first, so that few
// directories are open at once, however deep or wide the tree is.
type descent struct {
	w     *walker
	mu    sync.Mutex
	more  sync.Cond
	stack []pendingDir
	// busy goroutines may add to the stack, idle ones wait for that.
	busy, idle int
}

// pendingDir is a directory that is still to be read: found in parent, or top.
type pendingDir struct {
	parent *openDir
	top    directory
	rel    string
	found  *Found
}

// openDir is a directory that stays open until all directories in it were opened.
type openDir struct {
	directory
	// unopened is the number of directories that are still to be opened in it.
	unopened atomic.Int32
}

// descend reads the tree of found, several directories at once. It closes top.
func (w *walker) descend(top directory, found *Found) {
	d := &descent{w: w, stack: []pendingDir{{top: top, found: found}}}
	d.more.L = &d.mu
	var g sync.WaitGroup
	for range w.opts.Parallelism - 1 {
		g.Go(d.work)
	}
	d.work()
	g.Wait()
}

func (d *descent) work() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		for len(d.stack) == 0 && d.busy > 0 {
			d.idle++
			d.more.Wait()
			d.idle--
		}
		if len(d.stack) == 0 {
			d.more.Broadcast()
			return
		}
		last := len(d.stack) - 1
		p := d.stack[last]
		d.stack[last] = pendingDir{}
		d.stack = d.stack[:last]
		d.busy++
		d.mu.Unlock()
		below := d.read(p)
		d.mu.Lock()
		d.busy--
		d.stack = append(d.stack, below...)
		if d.idle > 0 && (len(d.stack) > 1 || d.busy == 0) {
			d.more.Broadcast()
		}
	}
}

// read reads one directory and gives those below it, the first one last.
func (d *descent) read(p pendingDir) []pendingDir {
	w, dir := d.w, p.top
	if p.parent != nil {
		var err error
		dir, err = p.parent.open(w, p.found)
		if p.parent.unopened.Add(-1) == 0 {
			p.parent.close()
		}
		if err != nil {
			w.opts.Problem(p.rel, Cause(err))
			return nil
		}
	}
	if w.ctx.Err() != nil {
		dir.close()
		return nil
	}
	here, err := w.list(dir, p.rel)
	p.found.Below.Found = here
	if err != nil {
		w.opts.Problem(p.rel, Cause(err))
	}
	o := &openDir{directory: dir}
	var below []pendingDir
	for i := len(here) - 1; i >= 0; i-- {
		if f := &here[i]; f.Below != nil {
			below = append(below, pendingDir{parent: o, rel: join(p.rel, f.Name), found: f})
		}
	}
	o.unopened.Store(int32(len(below)))
	if len(below) == 0 {
		dir.close()
	}
	return below
}
