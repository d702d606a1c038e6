package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Unique lists the different elements of x in ascending order, how to find their first
// appearance in x, the position of each element of x in the list, and how often each
// appears. The length of the list is known at run time only.
func Unique(x Value) (values, first, inverse, counts Value) {
	out := many(unique, nil, 4, x)
	return out[0], out[1], out[2], out[3]
}

var unique *graph.Op

func init() {
	unique = graph.Register(&graph.Op{
		Name: "Unique", Since: 11, Doc: "y = the different elements of x, or the different slices along axis",
		Inputs: []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{
			{Name: "y", Doc: "[n], or x with extent n at axis"},
			{Name: "indices", Doc: "int64 [n], first appearance", Optional: true},
			{Name: "inverse", Doc: "int64 [elements of x, or extent of axis]", Optional: true},
			{Name: "counts", Doc: "int64 [n]", Optional: true},
		},
		Attrs: []graph.Attr{
			{Name: "axis", Kind: graph.IntAttr, Doc: "axis of slices; the elements of all of x when absent"},
			{Name: "sorted", Kind: graph.IntAttr, Doc: "0: in order of appearance, 1 by default: ascending"},
		},
		Infer:  inferUnique,
		NoGrad: "the choice of elements jumps; gather by the inverse instead",
	})
}

func inferUnique(c *graph.Infer) error {
	x := c.Shape(0)
	total, axis := x.Elements(), -1
	if c.Node.Has("axis") {
		var err error
		if axis, err = x.Axis(c.Int("axis", 0)); err != nil {
			return err
		}
		total = x[axis]
	}
	var n graph.Dim
	if t := c.Data(0); t != nil {
		count, err := countUnique(t, axis)
		if err != nil {
			return err
		}
		n = graph.Const(count)
	} else {
		n = c.Graph().FreshSymbol("unique", total)
	}
	out := graph.Shape{n}
	if axis >= 0 {
		out = append(graph.Shape(nil), x...)
		out[axis] = n
	}
	c.Out(0, c.DType(0), out)
	c.Out(1, graph.Int64, graph.Shape{n})
	c.Out(2, graph.Int64, graph.Shape{total})
	c.Out(3, graph.Int64, graph.Shape{n})
	return nil
}

// countUnique counts different elements, or different slices along an axis. Elements
// are compared by their bits, so that every NaN pattern is one element.
func countUnique(t *graph.Tensor, axis int) (int64, error) {
	size := t.DType.Size()
	if size == 0 {
		return 0, fmt.Errorf("%v elements cannot be compared", t.DType)
	}
	if t.Elements() == 0 {
		return 0, nil
	}
	outer, extent, inner := 1, t.Elements(), 1
	if axis >= 0 {
		for _, d := range t.Shape[:axis] {
			outer *= d
		}
		for _, d := range t.Shape[axis+1:] {
			inner *= d
		}
		extent = t.Shape[axis]
	}
	seen := map[string]bool{}
	for i := range extent {
		var key []byte
		for o := range outer {
			at := (o*extent + i) * inner * size
			key = append(key, t.Data[at:at+inner*size]...)
		}
		seen[string(key)] = true
	}
	return int64(len(seen)), nil
}
