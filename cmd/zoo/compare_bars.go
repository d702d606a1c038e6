package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// studyBars show the runs of a study: bars on a terminal, lines elsewhere.
type studyBars struct {
	sync.Mutex
	out      io.Writer
	progress *mpb.Progress
	all      *mpb.Bar
	runs     map[string]*runBar
	total    int
	ended    int
	shown    time.Time
}

// runBar is a run's bar; what it shows is read while it is drawn, so it takes no lock.
type runBar struct {
	bar  *mpb.Bar
	last atomic.Pointer[told]
}

func newStudyBars(out io.Writer, total int) *studyBars {
	b := &studyBars{out: out, runs: map[string]*runBar{}, total: total}
	if isTerminal(out) {
		b.progress = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
		b.all = b.progress.AddBar(int64(total), mpb.BarPriority(1<<30),
			mpb.PrependDecorators(decor.Name("runs "), decor.CountersNoUnit("%d/%d ")), mpb.AppendDecorators(decor.Elapsed(decor.ET_STYLE_GO)))
	}
	return b
}

func (b *studyBars) begin(name string) {
	b.Lock()
	defer b.Unlock()
	r := &runBar{}
	r.last.Store(&told{})
	b.runs[name] = r
}

func (b *studyBars) step(name string, p told) {
	b.Lock()
	defer b.Unlock()
	r := b.runs[name]
	if p.Log != "" {
		fmt.Fprintf(b.writer(), "%s: %s\n", name, p.Log)
		return
	}
	if p.BitsPerByte == 0 {
		p.BitsPerByte = r.last.Load().BitsPerByte
	}
	r.last.Store(&p)
	switch {
	case b.progress == nil:
		if time.Since(b.shown) > 10*time.Second {
			b.shown = time.Now()
			fmt.Fprintf(b.out, "%s: step %d/%d loss %.3f, %.0f tokens/s (run %d of %d)\n", name, p.Step, p.Steps, p.Loss, p.TokensPerS, b.ended+1, b.total)
		}
		return
	case r.bar == nil:
		r.bar = b.progress.AddBar(int64(p.Steps), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(name+" "), decor.CountersNoUnit("%d/%d ")),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
				p := r.last.Load()
				return fmt.Sprintf(" loss %.3f, held out %.3f bits/byte, %.0f tokens/s", p.Loss, p.BitsPerByte, p.TokensPerS)
			})))
	}
	r.bar.SetCurrent(int64(p.Step))
}

func (b *studyBars) end(name string, err error) {
	b.Lock()
	defer b.Unlock()
	r := b.runs[name]
	b.ended++
	if r.bar != nil && !r.bar.Completed() {
		r.bar.Abort(true)
	}
	if b.all != nil {
		b.all.IncrBy(1)
	}
	switch {
	case err != nil:
		fmt.Fprintf(b.writer(), "%s: %v\n", name, err)
	case r.last.Load().Steps > 0: // it was not finished before
		p := r.last.Load()
		fmt.Fprintf(b.writer(), "%s: %d steps, held out %.3f bits/byte (%d of %d)\n", name, p.Steps, p.BitsPerByte, b.ended, b.total)
	}
}

func (b *studyBars) writer() io.Writer {
	if b.progress != nil {
		return b.progress
	}
	return b.out
}

// done leaves the terminal in order.
func (b *studyBars) done() {
	if b.progress == nil {
		return
	}
	if !b.all.Completed() {
		b.all.Abort(false)
	}
	b.progress.Wait()
}
