package kernel

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestPoolRunsEveryItemOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 4} {
		p := NewPool(threads)
		for _, n := range []int{0, 1, 2, 3, 7, 100, 1000} {
			for range 20 {
				seen := make([]atomic.Int32, n)
				p.Run(n, func(i int) { seen[i].Add(1) })
				for i := range seen {
					if c := seen[i].Load(); c != 1 {
						t.Fatalf("threads %d, n %d: item %d ran %d times", threads, n, i, c)
					}
				}
			}
		}
		p.Close()
		ran := 0
		p.Run(3, func(int) { ran++ })
		if ran != 3 {
			t.Fatalf("after Close %d of 3 items ran", ran)
		}
	}
}

func TestPoolRunsNestedAndConcurrentCallsInline(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	var total atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				p.Run(8, func(int) { p.Run(5, func(int) { total.Add(1) }) })
			}
		})
	}
	wg.Wait()
	if total.Load() != 4*50*40 {
		t.Fatalf("%d items ran, want %d", total.Load(), 4*50*40)
	}
}

type workerTask struct{ busy [4]atomic.Int32 }

func (w *workerTask) Do(_, worker int) {
	if w.busy[worker].Add(1) != 1 {
		panic("two items share a worker")
	}
	w.busy[worker].Add(-1)
}

func TestPoolWorkersAreExclusive(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	for range 200 {
		p.RunTask(64, &workerTask{})
	}
}

func TestPoolPassesAPanicToTheCaller(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	for range 20 {
		mustPanic(t, "item 40", func() {
			p.Run(100, func(i int) {
				if i == 40 {
					panic("item 40")
				}
			})
		})
	}
	n := 0
	p.Run(1, func(int) { n++ })
	var m atomic.Int32
	p.Run(10, func(int) { m.Add(1) })
	if n != 1 || m.Load() != 10 {
		t.Fatal("the pool does not work after a panic")
	}
}

func TestNilPoolRunsInline(t *testing.T) {
	var p *Pool
	n := 0
	p.Run(5, func(int) { n++ })
	if n != 5 || p.Threads() != 1 {
		t.Fatalf("ran %d of 5 items on %d threads", n, p.Threads())
	}
	p.Close()
}

func TestPoolDoesNotAllocate(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	task := &workerTask{}
	if n := testing.AllocsPerRun(100, func() { p.RunTask(10, task) }); n != 0 {
		t.Fatalf("%v allocations a run", n)
	}
}
