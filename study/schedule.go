package study

import (
	"context"
	"errors"
	"sync"
)

// Outcome is how a task ended.
type Outcome struct {
	Task *Task
	Err  error // nil when the run is finished; the context's when it was stopped
}

// Schedule runs tasks with so many at a time, in their order. A task that fails does not keep
// the others from running; when ctx ends, no further one begins. run is called from several
// goroutines. It answers the outcome of every task; those that never began have the context's
// error.
func Schedule(ctx context.Context, tasks []Task, parallel int, run func(ctx context.Context, t *Task) error) []Outcome {
	out := make([]Outcome, len(tasks))
	next := make(chan int)
	var workers sync.WaitGroup
	for range max(min(parallel, len(tasks)), 1) {
		workers.Go(func() {
			for i := range next {
				out[i].Err = run(ctx, &tasks[i])
			}
		})
	}
	for i := range tasks {
		out[i] = Outcome{&tasks[i], context.Cause(ctx)}
		select {
		case next <- i:
		case <-ctx.Done():
			out[i].Err = context.Cause(ctx)
		}
	}
	close(next)
	workers.Wait()
	return out
}

// Failed are the outcomes that are errors other than an end of the context.
func Failed(outcomes []Outcome, stopped error) []Outcome {
	var out []Outcome
	for _, o := range outcomes {
		if o.Err != nil && (stopped == nil || !errors.Is(o.Err, stopped)) {
			out = append(out, o)
		}
	}
	return out
}
