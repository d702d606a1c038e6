package cpu

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// chunk is how many elements one row of an elementwise function's parallel work has.
const chunk = 256

// maxAxes bounds the axes of a walk. Neighbouring axes are merged where all operands
// allow it, so that real tensors need few.
const maxAxes = 32

// layout describes a walk over the elements of a result, in row-major order, together
// with up to three operands whose elements lie at regular steps.
type layout struct {
	rank  int
	size  [maxAxes]int    // of the result, innermost first, merged
	step  [maxAxes][3]int // how far each operand moves along the axis
	start [3]int
}

// push adds the next axis outwards.
func (l *layout) push(size int, step [3]int) {
	if size == 1 {
		return
	}
	if l.rank > 0 {
		in, merge := l.rank-1, true
		for k := range step {
			merge = merge && step[k] == l.step[in][k]*l.size[in]
		}
		if merge {
			l.size[in] *= size
			return
		}
	}
	l.size[l.rank], l.step[l.rank] = size, step
	l.rank++
}

// broadcast sets the walk over a result of shape out whose operands broadcast to it. Nil
// operands stand still.
func (l *layout) broadcast(out []int, a, b, c []int) {
	*l = layout{}
	dense := [3]int{1, 1, 1}
	operands := [3][]int{a, b, c}
	for i := range out {
		axis := len(out) - 1 - i
		var step [3]int
		for k, s := range operands {
			if j := len(s) - 1 - i; j >= 0 {
				if s[j] != 1 {
					step[k] = dense[k]
				}
				dense[k] *= s[j]
			}
		}
		l.push(out[axis], step)
	}
}

// strided sets the walk over a result of shape out with one operand whose element
// start + Σ index·steps belongs to each index.
func (l *layout) strided(out, steps []int, start int) {
	*l = layout{start: [3]int{start}}
	for i := len(out) - 1; i >= 0; i-- {
		l.push(out[i], [3]int{steps[i]})
	}
}

// each calls f for runs of the result between elements from and to along which every
// operand moves evenly: at is the run's place in the result, n its length, off where
// the operands begin and step how they move.
func (l *layout) each(from, to int, f func(at, n int, off, step [3]int)) {
	if from >= to {
		return
	}
	if l.rank == 0 {
		f(from, to-from, l.start, [3]int{})
		return
	}
	var index [maxAxes]int
	off := l.start
	rest := from
	for i := range l.rank {
		index[i] = rest % l.size[i]
		rest /= l.size[i]
		for k := range off {
			off[k] += index[i] * l.step[i][k]
		}
	}
	for at := from; at < to; {
		n := min(l.size[0]-index[0], to-at)
		f(at, n, off, l.step[0])
		at += n
		l.advance(&index, &off, n)
	}
}

// advance moves n elements along the innermost axis, which they do not leave, and on to
// the next run.
func (l *layout) advance(index *[maxAxes]int, off *[3]int, n int) {
	index[0] += n
	for k := range off {
		off[k] += n * l.step[0][k]
	}
	for i := 0; i < l.rank && index[i] == l.size[i]; i++ {
		for k := range off {
			off[k] -= index[i] * l.step[i][k]
		}
		index[i] = 0
		if i+1 < l.rank {
			index[i+1]++
			for k := range off {
				off[k] += l.step[i+1][k]
			}
		}
	}
}

// elements runs f over ranges of the elements of output 0, in parallel. f gets ranges in
// chunks.
func (d *Device) elements(c *backend.Call, f rowsFunc) error {
	return d.overRows(c, chunks(c.Output(0).Elements()), f)
}

// rowsFunc computes a range of rows or chunks of a call.
type rowsFunc = func(c *backend.Call, from, to int)

func chunks(n int) int { return (n + chunk - 1) / chunk }

// span turns a range of chunks into a range of n elements.
func span(from, to, n int) (int, int) { return from * chunk, min(to*chunk, n) }

// number is what arithmetic works on.
type number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

// byType holds one function for each element type that an operator takes.
type byType map[graph.DType]rowsFunc

// product is the product of extents.
func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// lanes splits a shape at an axis: outer × extent × inner.
func lanes(shape []int, axis int) (outer, extent, inner int) {
	return product(shape[:axis]), shape[axis], product(shape[axis+1:])
}

// axisOf is a possibly negative axis as 0 … rank−1.
func axisOf(axis int64, rank int) int {
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis)
}
