package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Tile repeats x along each axis.
func Tile(x Value, repeats ...int64) Value { return one(tile, nil, x, x.Graph().Int64s(repeats...)) }

var tile *graph.Op

func init() {
	tile = graph.Register(&graph.Op{
		Name: "Tile", Since: 13, Doc: "y = x repeated repeats[i] times along axis i",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}, {Name: "repeats", Doc: "int64 [rank of x]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "extents of x times repeats"}},
		Infer: func(c *graph.Infer) error {
			repeats, ok := c.Content(1)
			if !ok {
				return fmt.Errorf("the repeats must be known while the graph is built")
			}
			if len(repeats) != len(c.Shape(0)) {
				return fmt.Errorf("%d repeats for %v", len(repeats), c.Shape(0))
			}
			out := make(graph.Shape, len(repeats))
			for i, d := range c.Shape(0) {
				out[i] = d.Mul(repeats[i])
			}
			c.Out(0, c.DType(0), out)
			return nil
		},
		Grad: gradTile,
	})
}

// gradTile sums over the repetitions: dy as [r₀, x₀, r₁, x₁, …] without the axes rᵢ.
func gradTile(c *graph.Grad) []Value {
	x, repeats := c.In(0), c.In(1)
	if x.Rank() == 0 {
		return []Value{c.DOut[0], nil}
	}
	var extents []Value
	var axes []int64
	for i := range int64(x.Rank()) {
		extents = append(extents, Slice(repeats, 0, i, i+1), Extent(x, i))
		axes = append(axes, 2*i)
	}
	return []Value{ReduceSum(ReshapeTo(c.DOut[0], Concat(0, extents...)), axes, false), nil}
}
