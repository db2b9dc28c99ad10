package main

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/layform/layform/cmd/layform/view/text"
	"github.com/layform/layform/executor"
	"github.com/layform/layform/layout/transfer"
	"github.com/layform/layform/planner"
)

// progress shows on standard error how an apply goes: one line for every object that is
// done and, on a terminal, a bar once it takes longer than a second.
type progress struct {
	w        io.Writer
	style    text.Style
	terminal bool
	total    int64
	start    time.Time

	mu   sync.Mutex
	read map[string]int64
	sum  int64
	bar  *progressbar.ProgressBar
}

func (a *app) newProgress(p *planner.Plan) *progress {
	var total int64
	for _, c := range p.Changes {
		if c.Write {
			total += c.After.Content
		}
	}
	return a.newBar(total)
}

// newBar is a bar for the reading of so many bytes.
func (a *app) newBar(total int64) *progress {
	return &progress{
		w: a.stderr, style: a.err, terminal: a.terminal.err && !a.json && a.getenv("CI") == "",
		total: total, start: time.Now(), read: map[string]int64{},
	}
}

// transferred takes one step of a transfer. It may be called from several
// goroutines.
func (p *progress) transferred(e transfer.Event) {
	if e.Action == transfer.There {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	key := string(e.Descriptor.Digest)
	p.sum += e.Bytes - p.read[key]
	p.read[key] = e.Bytes
	p.draw()
}

// event takes one step of the apply. It may be called from several goroutines.
func (p *progress) event(e executor.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == executor.EventProgress {
		key := e.Key
		if e.Digest != "" {
			key = string(e.Digest) // of a base, which the total does not know yet
			if _, known := p.read[key]; !known {
				p.total += e.Total
			}
		}
		p.sum += e.Bytes - p.read[key]
		p.read[key] = e.Bytes
		p.draw()
		return
	}
	if line := text.Step(e, p.style); line != "" {
		p.clear()
		// A closed standard error does not stop an apply.
		_ = writeTo(p.w, line+"\n")
	}
}

// draw shows the bar, on a terminal and after a second.
func (p *progress) draw() {
	if !p.terminal || p.total <= 0 || time.Since(p.start) < time.Second {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(p.total,
			progressbar.OptionSetWriter(p.w),
			progressbar.OptionShowBytes(true),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
		)
	}
	if p.bar.GetMax64() != p.total {
		p.bar.ChangeMax64(p.total)
	}
	_ = p.bar.Set64(min(p.sum, p.total))
}

// clear takes the bar away for a line of text.
func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// finish takes the bar away for good.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.bar = nil
}
