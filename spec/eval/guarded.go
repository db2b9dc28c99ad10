package eval

import (
	"runtime/debug"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Guard runs f and waits for it, as long as the meters that share w count.
// f runs on its own goroutine. When nothing was counted for MaxSilence, f goes on
// until it next looks at w.stop; finished is then false. A panic in f becomes a
// diagnostic.
func Guard(w *Watch, f func() hcl.Diagnostics) (diags hcl.Diagnostics, finished bool) {
	return guardedFor(w, MaxSilence, f)
}

func guardedFor(w *Watch, silent time.Duration, f func() hcl.Diagnostics) (diags hcl.Diagnostics, finished bool) {
	result := make(chan hcl.Diagnostics, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				result <- hcl.Diagnostics{Errorf(nil, "Defect in layform", "The evaluation of the spec broke off: %v. Please report this with the spec.\n%s", r, debug.Stack())}
			}
		}()
		result <- f()
	}()
	ticker := time.NewTicker(silent)
	defer ticker.Stop()
	for counted := w.counted.Load(); ; {
		select {
		case diags := <-result:
			return diags, true
		case <-ticker.C:
		}
		now := w.counted.Load()
		switch {
		case w.stop.Load():
			return hcl.Diagnostics{Errorf(nil, "Expression too large", "%s", silence+" Make the expressions of the spec smaller.")}, false
		case now == counted:
			w.stop.Store(true) // an evaluation that counts again stops by itself, and knows the place
		}
		counted = now
	}
}
