package kernel

import "sync/atomic"

// maxRanges is the largest number of threads that get ranges of their own.
const maxRanges = 64

// ranges hands out items so that each worker takes those of a range one after the other:
// what lies behind one another in memory is then read in one line by one core. A worker whose
// range is empty takes from the end of the longest that is left.
type ranges struct {
	workers int
	left    [maxRanges]itemRange
}

type itemRange struct {
	ends atomic.Uint64 // first and, in the upper half, behind the last
	next int           // behind the item that this worker took last
	_    [48]byte
}

// reset makes a range of n items for each thread of the pool.
func (r *ranges) reset(p *Pool, n int) {
	r.workers = min(p.Threads(), maxRanges)
	for w := range r.workers {
		r.left[w].ends.Store(uint64(w*n/r.workers) | uint64((w+1)*n/r.workers)<<32)
		r.left[w].next = -1
	}
}

// take answers the next item of a worker, and whether it follows the one before. It may be
// called as often as there are items.
func (r *ranges) take(worker int) (item int, follows bool) {
	if worker < r.workers {
		own := &r.left[worker]
		for {
			ends := own.ends.Load()
			first, end := int(uint32(ends)), int(ends>>32)
			if first == end {
				break
			}
			if own.ends.CompareAndSwap(ends, ends+1) {
				follows, own.next = own.next == first, first+1
				return first, follows
			}
		}
	}
	for {
		most, victim, ends := 0, 0, uint64(0)
		for w := range r.workers {
			e := r.left[w].ends.Load()
			if n := int(e>>32) - int(uint32(e)); n > most {
				most, victim, ends = n, w, e
			}
		}
		if most > 0 && r.left[victim].ends.CompareAndSwap(ends, ends-1<<32) {
			return int(ends>>32) - 1, false
		}
	}
}
