package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/moezoo/moezoo/train"
)

// bar shows training: a bar on a terminal, a line now and then elsewhere.
type bar struct {
	out      io.Writer
	progress *mpb.Progress
	bar      *mpb.Bar
	last     train.Progress
	shown    time.Time
	heldOut  string
}

// isTerminal reports whether a person looks at w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func newBar(out io.Writer, steps int) *bar {
	b := &bar{out: out}
	if isTerminal(out) {
		b.progress = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))
		b.bar = b.progress.AddBar(int64(steps),
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return fmt.Sprintf("step %d/%d ", b.last.Step, steps) })),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
				return fmt.Sprintf(" loss %.3f%s  %.0f tokens/s  %v left", b.last.Loss, b.heldOut, b.last.TokensPerS, b.last.Left.Round(time.Second))
			})))
	}
	return b
}

// start sets the bar to where a resumed run continues.
func (b *bar) start(step int) {
	b.last.Step = step
	if b.bar != nil {
		b.bar.SetCurrent(int64(step))
	}
}

func (b *bar) step(p train.Progress) {
	b.last = p
	if p.HeldOut != nil && p.HeldOut.Targets > 0 {
		b.heldOut = fmt.Sprintf(", held out %.3f bits/byte", p.HeldOut.BitsPerByte)
	}
	if b.bar != nil {
		b.bar.SetCurrent(int64(p.Step))
		return
	}
	if p.HeldOut != nil || time.Since(b.shown) > 10*time.Second {
		b.shown = time.Now()
		fmt.Fprintf(b.out, "step %d/%d loss %.3f%s, %.0f tokens/s, %v left\n", p.Step, p.Steps, p.Loss, b.heldOut, p.TokensPerS, p.Left.Round(time.Second))
	}
}

func (b *bar) log(message string) {
	if b.progress != nil {
		fmt.Fprintln(b.progress, message)
		return
	}
	fmt.Fprintln(b.out, message)
}

// done leaves the terminal in order, also when training ended early.
func (b *bar) done() {
	if b.progress == nil {
		return
	}
	if !b.bar.Completed() {
		b.bar.Abort(false)
	}
	b.progress.Wait()
}
