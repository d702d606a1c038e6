package op

import (
	"math"

	"github.com/moezoo/moezoo/graph"
)

// Size is the number of elements of x, an int64 scalar.
func Size(x Value) Value { return one(size, nil, x) }

// Extent is the extent of one axis of x, int64 [1].
func Extent(x Value, axis int64) Value { return Slice(ShapeOf(x), 0, axis, endAfter(axis)) }

// endAfter is the end of a slice that holds only this index.
func endAfter(i int64) int64 {
	if i == -1 {
		return maxInt64
	}
	return i + 1
}

var size *graph.Op

func init() {
	size = graph.Register(&graph.Op{
		Name: "Size", Since: 13, Doc: "y = the number of elements of x",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "int64 scalar"}},
		Infer: func(c *graph.Infer) error {
			c.Out(0, graph.Int64, nil)
			if n := c.Shape(0).Elements(); !n.Is(math.MaxInt64) {
				c.SetContent(0, []graph.Dim{n})
			}
			return nil
		},
		NoGrad: intOutput,
	})
}
