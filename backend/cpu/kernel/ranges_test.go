package kernel

import (
	"sync/atomic"
	"testing"
)

// rangesTask counts how often each item is handed out.
type rangesTask struct {
	ranges
	taken []atomic.Int32
}

func (t *rangesTask) Do(_, worker int) {
	item, _ := t.take(worker)
	t.taken[item].Add(1)
}

func TestRangesHandOutEveryItemOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		p := NewPool(threads)
		for n := range 40 {
			task := &rangesTask{taken: make([]atomic.Int32, n)}
			task.reset(p, n)
			p.RunTask(n, task)
			for i := range task.taken {
				if got := task.taken[i].Load(); got != 1 {
					t.Fatalf("%d threads, %d items: item %d was handed out %d times", threads, n, i, got)
				}
			}
		}
		p.Close()
	}
}

func TestARangeIsTakenInOrderAndThenFromTheEndOfOthers(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	var r ranges
	r.reset(p, 6)
	for _, want := range []struct {
		worker, item int
		follows      bool
	}{{0, 0, false}, {0, 1, true}, {1, 3, false}, {0, 2, true}, {0, 5, false}, {1, 4, true}} {
		if item, follows := r.take(want.worker); item != want.item || follows != want.follows {
			t.Errorf("worker %d: item %d, follows %v; want %+v", want.worker, item, follows, want)
		}
	}
}
