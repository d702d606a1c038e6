package op

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
)

// Slice is x from start up to, but without, end along an axis; negative bounds count
// from the end of the axis, and bounds outside of it are clamped.
func Slice(x Value, axis, start, end int64) Value {
	g := x.Graph()
	return one(slice, nil, x, g.Int64s(start), g.Int64s(end), g.Int64s(axis))
}

// SliceBy is Slice with bounds, int64 [1], that may be known only at run time.
func SliceBy(x Value, axis int64, start, end Value) Value {
	return one(slice, nil, x, start, end, x.Graph().Int64s(axis))
}

var slice, sliceGrad *graph.Op

func init() {
	bounds := []graph.Arg{
		{Name: "starts", Doc: "int64 [n]"},
		{Name: "ends", Doc: "int64 [n], not included"},
		{Name: "axes", Doc: "int64 [n], 0 … n−1 when absent", Optional: true},
		{Name: "steps", Doc: "int64 [n], not 0, 1 when absent; negative ones run backwards", Optional: true},
	}
	slice = graph.Register(&graph.Op{
		Name: "Slice", Since: 13, Doc: "y = x[starts:ends:steps] along axes, as in numpy",
		Inputs:  append([]graph.Arg{{Name: "x", Doc: "any shape"}}, bounds...),
		Outputs: []graph.Arg{{Name: "y", Doc: "the elements chosen"}},
		Infer:   inferSlice,
		Grad: func(c *graph.Grad) []Value {
			in := append([]Value{c.DOut[0], ShapeOf(c.In(0))}, c.Inputs[1:]...)
			return append([]Value{one(sliceGrad, nil, in...)}, make([]Value, len(c.Inputs)-1)...)
		},
	})
	sliceGrad = graph.Register(&graph.Op{
		Name: "SliceGrad", Domain: graph.Domain, Since: 1, Doc: "dx = 0 but for dx[starts:ends:steps] = dy",
		Inputs:  append([]graph.Arg{{Name: "dy", Doc: "of Slice"}, {Name: "shape", Doc: "of x, int64 [rank]"}}, bounds...),
		Outputs: []graph.Arg{{Name: "dx", Doc: "of that shape"}},
		Infer: func(c *graph.Infer) error {
			shape, ok := c.Content(1)
			if !ok {
				return fmt.Errorf("the shape must be known while the graph is built")
			}
			c.Out(0, c.DType(0), shape)
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}

func inferSlice(c *graph.Infer) error {
	x := c.Shape(0)
	starts, ok1 := sliceInts(c, 1)
	ends, ok2 := sliceInts(c, 2)
	if !ok1 || !ok2 || len(starts) != len(ends) {
		return fmt.Errorf("starts and ends must be known and equally long")
	}
	axes, steps, err := sliceAxes(c, x, len(starts))
	if err != nil {
		return err
	}
	out := append(graph.Shape(nil), x...)
	for i, a := range axes {
		if out[a], err = sliceExtent(x[a], starts[i], ends[i], steps[i]); err != nil {
			return err
		}
	}
	c.Out(0, c.DType(0), out)
	content, known := c.Content(0)
	if !known || len(x) != 1 || len(axes) != 1 {
		return nil
	}
	start, okStart := starts[0].Int()
	n, okN := out[0].Int()
	if !okStart || !okN || steps[0] == 0 {
		return nil
	}
	at := SliceStart(int64(len(content)), start, steps[0])
	picked := make([]graph.Dim, n)
	for i := range picked {
		picked[i] = content[at+int64(i)*steps[0]]
	}
	c.SetContent(0, picked)
	return nil
}

func sliceInts(c *graph.Infer, i int) ([]graph.Dim, bool) {
	if dims, ok := c.Content(i); ok {
		return dims, true
	}
	ints, ok := c.ConstInts(i)
	return graph.Dims(ints...), ok
}

// sliceAxes are the axes and steps of a slice with n bounds.
func sliceAxes(c *graph.Infer, x graph.Shape, n int) (axes []int, steps []int64, err error) {
	named := make([]int64, n)
	steps = make([]int64, n)
	for i := range n {
		named[i], steps[i] = int64(i), 1
	}
	ok := true
	if c.Has(3) {
		named, ok = c.ConstInts(3)
	}
	if ok && c.Has(4) {
		steps, ok = c.ConstInts(4)
	}
	if !ok || len(named) != n || len(steps) != n {
		return nil, nil, fmt.Errorf("axes and steps must be known and as long as starts")
	}
	seen := map[int]bool{}
	for i, a := range named {
		axis, err := x.Axis(a)
		if err != nil {
			return nil, nil, err
		}
		if seen[axis] {
			return nil, nil, fmt.Errorf("axis %d is named twice", axis)
		}
		if steps[i] == 0 {
			return nil, nil, fmt.Errorf("step 0 along axis %d", axis)
		}
		seen[axis] = true
		axes = append(axes, axis)
	}
	return axes, steps, nil
}

// sliceExtent is the number of elements from start to end of an axis of extent d.
func sliceExtent(d, start, end graph.Dim, step int64) (graph.Dim, error) {
	dn, ok0 := d.Int()
	s, ok1 := start.Int()
	e, ok2 := end.Int()
	if ok0 && ok1 && ok2 {
		return graph.Const(SliceCount(dn, s, e, step)), nil
	}
	if step < 0 {
		return graph.Dim{}, fmt.Errorf("a backward slice needs numbers: [%v:%v:%d] of %v", start, end, step, d)
	}
	n := clampTo(end, d).Sub(clampTo(start, d)).CeilDiv(graph.Const(step))
	if !n.NonNegative() {
		n = n.Max(graph.Const(0))
	}
	return n, nil
}

// clampTo is a bound of a slice as an index 0 … d.
func clampTo(v, d graph.Dim) graph.Dim {
	n, isInt := v.Int()
	switch {
	case isInt && n >= math.MaxInt32:
		return d
	case isInt && n <= math.MinInt32:
		return graph.Const(0)
	case isInt && n < 0, !isInt && graph.Const(0).Sub(v).NonNegative():
		v = d.Add(v)
	}
	if !v.NonNegative() {
		v = v.Max(graph.Const(0))
	}
	switch {
	case d.Sub(v).NonNegative():
		return v
	case v.Sub(d).NonNegative():
		return d
	}
	return v.Min(d)
}

// SliceStart is the first index of a slice of an axis of extent d, clamped as numpy
// does.
func SliceStart(d, start, step int64) int64 {
	if start < 0 {
		start += d
	}
	if step < 0 {
		return min(max(start, -1), d-1)
	}
	return min(max(start, 0), d)
}

// SliceCount is the number of elements of a slice of an axis of extent d.
func SliceCount(d, start, end, step int64) int64 {
	first := SliceStart(d, start, step)
	if end < 0 {
		end += d
	}
	if step < 0 {
		end = min(max(end, -1), d-1)
		if first <= end {
			return 0
		}
		if step == math.MinInt64 {
			return 1
		}
		return (first-end-1)/-step + 1
	}
	end = min(max(end, 0), d)
	if end <= first {
		return 0
	}
	return (end-first-1)/step + 1
}
