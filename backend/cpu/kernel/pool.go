package kernel

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// spinLimit bounds how long an idle worker polls before it parks: about 0.1 ms.
// Short enough not to disturb other goroutines, long enough to bridge the gap
// between two kernels of a training step.
const spinLimit = 100_000

// Task is a set of independent items. Do must not depend on the order of the
// items nor on worker, except to pick scratch space: worker is in
// [0, Pool.Threads()), and no two concurrent Do calls of one run share it.
type Task interface{ Do(item, worker int) }

// funcTask lets a plain function be a Task.
type funcTask func(item int)

func (f funcTask) Do(item, _ int) { f(item) }

// Pool runs the items of one Task at a time on a fixed number of threads: the
// caller's goroutine and Threads()-1 workers. A nil Pool runs everything on
// the caller. Methods other than Close may be called from several goroutines;
// a run that finds the pool busy, which includes runs nested in a Task, is
// carried out by its caller alone.
type Pool struct {
	gen    atomic.Uint32 // counts runs; workers poll it
	_      [60]byte
	next   atomic.Int64 // next item to hand out
	_      [56]byte
	active atomic.Int32 // workers that may be looking at the current run
	_      [60]byte
	open   atomic.Bool // the fields below are valid for workers
	busy   atomic.Bool // a run is in progress
	closed atomic.Bool

	task  Task
	items int64
	fault atomic.Pointer[any]   // first panic of a worker in this run
	ahead atomic.Pointer[Ahead] // what idle workers read

	spin    int
	workers []*worker
	done    sync.WaitGroup
}

type worker struct {
	parked atomic.Bool
	wake   chan struct{}
	_      [48]byte
}

// NewPool starts a pool of the given number of threads, the caller included.
// threads < 1 means runtime.GOMAXPROCS(0). Close releases the workers.
func NewPool(threads int) *Pool {
	procs := runtime.GOMAXPROCS(0)
	if threads < 1 {
		threads = procs
	}
	p := &Pool{}
	if threads <= procs {
		p.spin = spinLimit // otherwise a polling worker could keep one with work off its core
	}
	for w := 1; w < threads; w++ {
		p.workers = append(p.workers, &worker{wake: make(chan struct{}, 1)})
	}
	p.done.Add(len(p.workers))
	for i, w := range p.workers {
		go p.serve(w, i+1)
	}
	return p
}

// Threads is the number of items that can be in progress at once.
func (p *Pool) Threads() int {
	if p == nil {
		return 1
	}
	return len(p.workers) + 1
}

// Close stops the workers. The pool must be idle; runs after Close are carried
// out by the caller.
func (p *Pool) Close() {
	if p == nil || p.closed.Swap(true) {
		return
	}
	for _, w := range p.workers {
		if w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
	p.done.Wait()
}

// Run calls f(0) … f(n-1), in any order and concurrently, and returns when all
// are done. A closure made at the call escapes to the heap; use RunTask where
// that matters.
func (p *Pool) Run(n int, f func(i int)) { p.RunTask(n, funcTask(f)) }

// RunTask calls t.Do for items 0 … n-1, in any order and concurrently, and
// returns when all are done. A panic in an item reaches the caller.
func (p *Pool) RunTask(n int, t Task) {
	if n <= 0 {
		return
	}
	if p == nil || n == 1 || len(p.workers) == 0 || p.closed.Load() || !p.busy.CompareAndSwap(false, true) {
		for i := range n {
			t.Do(i, 0)
		}
		return
	}
	p.task, p.items = t, int64(n)
	p.next.Store(0)
	p.open.Store(true)
	p.gen.Add(1)
	p.rouse(n - 1)
	defer p.finish()
	p.drain(0)
}

// rouse wakes parked workers, at most want of them; polling ones need no help.
func (p *Pool) rouse(want int) {
	for _, w := range p.workers {
		if want == 0 {
			return
		}
		want--
		if w.parked.CompareAndSwap(true, false) {
			w.wake <- struct{}{}
		}
	}
}

// drain takes items until none are left.
func (p *Pool) drain(id int) {
	for {
		i := p.next.Add(1) - 1
		if i >= p.items {
			return
		}
		p.task.Do(int(i), id)
	}
}

// finish closes the run and waits for the workers inside it. A worker that
// wakes up late finds open false and touches nothing, so nobody waits for it.
func (p *Pool) finish() {
	p.next.Store(p.items)
	p.open.Store(false)
	for n := 0; p.active.Load() != 0; n++ {
		switch {
		case n > 50_000:
			time.Sleep(20 * time.Microsecond) // the worker has lost its core: let it have ours
		case n > 1_000:
			runtime.Gosched()
		}
	}
	p.task = nil
	fault := p.fault.Swap(nil)
	p.busy.Store(false)
	if fault != nil {
		panic(*fault)
	}
}

// serve is the life of one worker.
func (p *Pool) serve(w *worker, id int) {
	defer p.done.Done()
	var last uint32
	for {
		last = p.await(w, last)
		if p.closed.Load() {
			return
		}
		p.active.Add(1)
		if p.open.Load() {
			p.assist(id)
		}
		p.active.Add(-1)
	}
}

// assist drains items and keeps a panic for the caller of RunTask.
func (p *Pool) assist(id int) {
	defer func() {
		if r := recover(); r != nil {
			p.fault.CompareAndSwap(nil, &r)
			p.next.Store(p.items)
		}
	}()
	p.drain(id)
}

// await returns the run counter once it differs from last, or when the pool is
// closed: first by polling, between pieces of what is to be read ahead, then parked.
func (p *Pool) await(w *worker, last uint32) uint32 {
	for n := 0; ; n++ {
		if g := p.gen.Load(); g != last || p.closed.Load() {
			return g
		}
		if a := p.ahead.Load(); a != nil && p.spin > 0 && a.read() {
			continue
		}
		if n < p.spin {
			continue
		}
		w.parked.Store(true)
		if (p.gen.Load() != last || p.closed.Load()) && w.parked.CompareAndSwap(true, false) {
			continue
		}
		<-w.wake
		n = 0
	}
}

// freeList keeps task records between calls, so that handing one to a pool,
// which makes it escape, does not allocate each time. Unlike sync.Pool it is
// not emptied by the garbage collector.
type freeList[T any] struct {
	mu   sync.Mutex
	free []*T
}

func (l *freeList[T]) get() *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		t := l.free[n-1]
		l.free = l.free[:n-1]
		return t
	}
	return new(T)
}

// put clears t, so that it keeps no slice alive, and stores it.
func (l *freeList[T]) put(t *T) {
	var zero T
	*t = zero
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, t)
}
