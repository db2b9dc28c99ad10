//go:build unix

package executor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/layform/layform/planner"
)

// Steps begin when all that they need is done, all of them once, and no more at a time
// than there may be.
func TestInOrder(t *testing.T) {
	var steps []planner.Step
	for i := range 500 {
		s := planner.Step{Key: fmt.Sprint(i), Needs: []string{"none of the steps"}}
		for _, n := range []int{i / 2, i / 3, i - 7} {
			if n >= 0 && n < i {
				s.Needs = append(s.Needs, fmt.Sprint(n))
			}
		}
		steps = append(steps, s)
	}
	for _, parallelism := range []int{1, 3, 1000} {
		var mu sync.Mutex
		done, running := map[string]bool{}, 0
		err := inOrder(t.Context(), steps, parallelism, func(_ context.Context, s planner.Step) error {
			mu.Lock()
			defer mu.Unlock()
			if running++; running > parallelism {
				t.Errorf("%d at a time, not %d", running, parallelism)
			}
			for _, n := range s.Needs[1:] {
				if !done[n] {
					t.Errorf("%s begins before %s is done", s.Key, n)
				}
			}
			mu.Unlock()
			mu.Lock()
			if done[s.Key] {
				t.Errorf("%s is done twice", s.Key)
			}
			done[s.Key] = true
			running--
			return nil
		})
		if err != nil || len(done) != len(steps) {
			t.Errorf("%d of %d, %v", len(done), len(steps), err)
		}
	}
	if err := inOrder(t.Context(), nil, 3, nil); err != nil {
		t.Errorf("no steps: %v", err)
	}
}

// An error or the end of the context ends it, whatever waits.
func TestInOrderStops(t *testing.T) {
	steps := []planner.Step{{Key: "a"}, {Key: "b", Needs: []string{"a"}}, {Key: "c", Needs: []string{"b"}}}
	broken := errors.New("broken")
	for _, parallelism := range []int{1, 3} {
		n := 0
		err := inOrder(t.Context(), steps, parallelism, func(_ context.Context, s planner.Step) error {
			n++
			return broken
		})
		if !errors.Is(err, broken) || n != 1 {
			t.Errorf("after an error: %d steps, %v", n, err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		err = inOrder(ctx, steps, parallelism, func(ctx context.Context, s planner.Step) error {
			cancel(broken)
			<-ctx.Done()
			return nil
		})
		if !errors.Is(err, broken) {
			t.Errorf("after the end of the context: %v", err)
		}
	}
}
