package importer

import "fmt"

// grid is how one of our tensors, or one expert's share of it, lies in a peer's: ours is
// batch × rows × columns, theirs has all parts' columns side by side, and, when Transposed,
// columns before rows.
type grid struct {
	Source
	batch, rows, columns int
}

// gridOf views a shape of ours as a grid.
func (s Source) gridOf(shape []int) grid {
	g := grid{Source: s, batch: 1, rows: 1, columns: 1}
	if len(shape) > 0 {
		g.columns = shape[len(shape)-1]
		for _, n := range shape[:len(shape)-1] {
			g.rows *= n
		}
	}
	if s.Layout == Transposed && len(shape) > 1 {
		inner := shape[len(shape)-2]
		g.batch, g.rows = g.rows/max(inner, 1), inner
	}
	return g
}

// shares is how many equal parts the peer's columns fall into.
func (g grid) shares() int { return max(g.Part.Of, 1) }

// peerShape is the shape of the peer's tensor for a shape of ours.
func (s Source) peerShape(shape []int) ([]int64, error) {
	out := make([]int64, len(shape))
	for i, n := range shape {
		out[i] = int64(n)
	}
	last := len(out) - 1
	if s.Part.Of > 0 {
		if last < 0 || out[last]%int64(s.Part.Groups) != 0 {
			return nil, fmt.Errorf("the shape %v does not fall into %d groups", shape, s.Part.Groups)
		}
		out[last] *= int64(s.Part.Of)
	}
	switch {
	case s.Layout == Transposed && last > 0: // a vector is the same either way
		out[last], out[last-1] = out[last-1], out[last]
	case s.Layout == Squeezed && last > 0:
		out = append(out[:last-1:last-1], out[last])
	case s.Layout == Depthwise:
		out = append(out[:last:last], 1, out[last])
	}
	return out, nil
}

// tile is the side of the squares in which matrices are transposed, so that the lines of
// both sides stay in the cache.
const tile = 32

// move copies all elements from the peer's tensor to ours, or back.
func (g grid) move(ours, theirs []float32, back bool) {
	if g.Layout != Transposed {
		g.moveRows(ours, theirs, back)
		return
	}
	width := g.columns * g.shares()
	for b := range g.batch {
		mine, other := ours[b*g.rows*g.columns:], theirs[b*g.rows*width:]
		for r0 := 0; r0 < g.rows; r0 += tile {
			for c0 := 0; c0 < g.columns; c0 += tile {
				for c := c0; c < min(c0+tile, g.columns); c++ {
					at := g.column(c) * g.rows
					for r := r0; r < min(r0+tile, g.rows); r++ {
						if back {
							other[at+r] = mine[r*g.columns+c]
						} else {
							mine[r*g.columns+c] = other[at+r]
						}
					}
				}
			}
		}
	}
}

// moveRows is move for columns that lie together on both sides.
func (g grid) moveRows(ours, theirs []float32, back bool) {
	run := g.run()
	for r := range g.rows {
		for c := 0; c < g.columns; c += run {
			at := r*g.columns*g.shares() + g.column(c)
			mine, other := ours[r*g.columns+c:][:run], theirs[at:][:run]
			if back {
				copy(other, mine)
			} else {
				copy(mine, other)
			}
		}
	}
}

// run is how many columns of ours lie together in the peer's tensor.
func (g grid) run() int {
	if g.Part.Of == 0 {
		return g.columns
	}
	return g.columns / g.Part.Groups
}

// column is where a column of ours lies in the peer's tensor.
func (g grid) column(c int) int {
	if g.Part.Of == 0 {
		return c
	}
	run := g.run()
	return (c/run*g.Part.Of+g.Part.Index)*run + c%run
}
