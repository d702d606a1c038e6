package kernel

import "sync/atomic"

// AheadPiece is how much an idle worker reads before it looks for work again: some 200 ns.
const AheadPiece = 4 << 10

// Ahead is memory in the order in which it will be read. A pool's workers that have nothing
// else to do bring the next of it into their caches (see [Pool.ReadAhead]). It has no effect
// on results.
type Ahead struct {
	pieces    [][]byte
	next, end atomic.Int64 // the pieces to read
}

// Add puts memory behind the rest.
func (a *Ahead) Add(b []byte) {
	for len(b) > 0 {
		n := min(len(b), AheadPiece)
		a.pieces = append(a.pieces, b[:n])
		b = b[n:]
	}
}

// Pieces is the number of pieces so far.
func (a *Ahead) Pieces() int { return len(a.pieces) }

// Restart forgets what has been read.
func (a *Ahead) Restart() { a.next.Store(0) }

// Move has the pieces from first to end read, but for those that were read before.
func (a *Ahead) Move(first, end int) {
	if next := a.next.Load(); next < int64(first) {
		a.next.CompareAndSwap(next, int64(first))
	}
	a.end.Store(int64(end))
}

// read reads the next piece, and tells whether there was one.
func (a *Ahead) read() bool {
	i := a.next.Load()
	if i >= a.end.Load() || !a.next.CompareAndSwap(i, i+1) {
		return false
	}
	active.touch(a.pieces[i])
	return true
}

// ReadAhead sets what idle workers read; nil ends that.
func (p *Pool) ReadAhead(a *Ahead) {
	if p != nil {
		p.ahead.Store(a)
	}
}

// EndReadAhead is ReadAhead(nil) where a is what is read.
func (p *Pool) EndReadAhead(a *Ahead) {
	if p != nil {
		p.ahead.CompareAndSwap(a, nil)
	}
}

// touchGeneric brings memory into the caches of the core. It has no effect on results, and
// here none at all.
func touchGeneric([]byte) {}
