package kernel

import (
	"fmt"
	"math"
)

// rotaryRows is the number of positions one item of Rotary handles.
const rotaryRows = 16

// RotaryShape describes vectors to be rotated by position.
type RotaryShape struct {
	Batch, Length, Heads, Dim int // x is [B, L, H, Dh]
	Rot                       int // the first Rot of Dh values are rotated; even
	Base                      float64
	Interleaved               bool      // pairs (2i, 2i+1); otherwise (i, i+Rot/2)
	Scale                     []float32 // [Rot/2], of the frequencies; empty for none
}

// RotaryScratch is the scratch of [Rotary]: cosines and sines.
func RotaryScratch(s RotaryShape) int { return s.Length * s.Rot }

// Rotary rotates pairs of values by position t = offset + l:
//
//	θ = t·Base^(-2i/Rot)·Scale[i]      (x1, x2) → (x1·cos θ - x2·sin θ, x2·cos θ + x1·sin θ)
//
// with i in [0, Rot/2). inverse rotates back, which is also the gradient. x, y
// [B, L, H, Dh]; y may be x; values from Rot on are copied.
func Rotary(p *Pool, s RotaryShape, offset int, inverse bool, x, y, scratch []float32) {
	const name = "Rotary"
	extents(name, "B, L, H, Dh, Rot", s.Batch, s.Length, s.Heads, s.Dim, s.Rot)
	if s.Rot%2 != 0 || s.Rot > s.Dim {
		panic(fmt.Sprintf("kernel: Rotary: Rot is %d, must be even and at most Dh = %d", s.Rot, s.Dim))
	}
	if len(s.Scale) > 0 {
		need(name, "Scale", len(s.Scale), s.Rot/2)
	}
	n := s.Batch * s.Length * s.Heads * s.Dim
	need(name, "x", len(x), n)
	need(name, "y", len(y), n)
	need(name, "scratch", len(scratch), RotaryScratch(s))
	t := rotaryTasks.get()
	defer rotaryTasks.put(t)
	t.RotaryShape, t.offset, t.inverse, t.x, t.y, t.table = s, offset, inverse, x, y, scratch
	t.fillTable()
	p.RunTask(ceilDiv(s.Batch*s.Length, rotaryRows), t)
}

var rotaryTasks freeList[rotaryTask]

type rotaryTask struct {
	RotaryShape
	offset      int
	inverse     bool
	x, y, table []float32 // table [L, 2, Rot/2]: cosines, sines
}

// fillTable computes angles in float64: positions of many thousands times a
// frequency of 1 leave too few bits for the angle in float32.
func (t *rotaryTask) fillTable() {
	half := t.Rot / 2
	for i := range half {
		f := math.Pow(t.Base, -2*float64(i)/float64(t.Rot))
		if len(t.Scale) > 0 {
			f *= float64(t.Scale[i])
		}
		for l := range t.Length {
			sin, cos := math.Sincos(float64(t.offset+l) * f)
			if t.inverse {
				sin = -sin
			}
			t.table[l*t.Rot+i] = float32(cos)
			t.table[l*t.Rot+half+i] = float32(sin)
		}
	}
}

func (t *rotaryTask) Do(item, _ int) {
	for r := item * rotaryRows; r < min((item+1)*rotaryRows, t.Batch*t.Length); r++ {
		t.row(r)
	}
}

// row rotates the heads of one position of one sequence.
func (t *rotaryTask) row(r int) {
	half, l := t.Rot/2, r%t.Length
	cos := t.table[l*t.Rot : l*t.Rot+half]
	sin := t.table[l*t.Rot+half : (l+1)*t.Rot]
	for h := range t.Heads {
		at := (r*t.Heads + h) * t.Dim
		x, y := t.x[at:at+t.Dim], t.y[at:at+t.Dim]
		if t.Interleaved {
			for i, c := range cos {
				a, b := x[2*i], x[2*i+1]
				y[2*i], y[2*i+1] = a*c-b*sin[i], b*c+a*sin[i]
			}
		} else {
			for i, c := range cos {
				a, b := x[i], x[half+i]
				y[i], y[half+i] = a*c-b*sin[i], b*c+a*sin[i]
			}
		}
		copy(y[t.Rot:], x[t.Rot:])
	}
}
