package executor

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/layform/layform/planner"
)

// inOrder calls do for every step, each once do has returned for all that it needs, at
// most parallelism at a time. What a step needs beside the steps is taken for done. It
// returns the first error, and begins nothing after it, or after the context ended.
func inOrder(ctx context.Context, steps []planner.Step, parallelism int, do func(context.Context, planner.Step) error) error {
	q := newQueue(steps)
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, q.stop)()
	for range min(parallelism, len(steps)) {
		group.Go(func() error {
			for {
				i, ok := q.next()
				if !ok {
					return context.Cause(ctx)
				}
				if err := do(ctx, steps[i]); err != nil {
					return err
				}
				q.done(i)
			}
		})
	}
	return group.Wait()
}

// queue gives steps as soon as all that they need is done, as numbers: there may be
// many, and few are at work.
type queue struct {
	mu    sync.Mutex
	more  sync.Cond
	ready []int
	// unmet is the number of dependencies of each step that are not done, and dependents
	// are the steps that depend on it.
	unmet      []int
	dependents [][]int
	// left is the number of steps that next has not given; 0 once it is stopped.
	left int
}

func newQueue(steps []planner.Step) *queue {
	q := &queue{unmet: make([]int, len(steps)), dependents: make([][]int, len(steps)), left: len(steps)}
	q.more.L = &q.mu
	numbers := make(map[string]int, len(steps))
	for i, s := range steps {
		numbers[s.Key] = i
	}
	for i, s := range steps {
		for _, n := range s.Needs {
			if k, ok := numbers[n]; ok {
				q.unmet[i]++
				q.dependents[k] = append(q.dependents[k], i)
			}
		}
		if q.unmet[i] == 0 {
			q.ready = append(q.ready, i)
		}
	}
	return q
}

// next waits for a step that is ready, and reports false when there are no more.
func (q *queue) next() (step int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) == 0 && q.left > 0 {
		q.more.Wait()
	}
	if q.left == 0 {
		return 0, false
	}
	step, q.ready = q.ready[0], q.ready[1:]
	if q.left--; q.left == 0 {
		q.more.Broadcast()
	}
	return step, true
}

// done makes what waited for nothing but this step ready.
func (q *queue) done(step int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, i := range q.dependents[step] {
		if q.unmet[i]--; q.unmet[i] == 0 {
			q.ready = append(q.ready, i)
			q.more.Signal()
		}
	}
}

// stop has next report false.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.left = 0
	q.more.Broadcast()
}
