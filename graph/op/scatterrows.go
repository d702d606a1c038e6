package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// ScatterRows brings the rows of experts that have claimed tokens back to the tokens: rows
// [E·C, D], token int64 [E, C] → y [T, D] with the sum of every token's rows, added in the
// order of the experts. T is the extent of like [T, ...]. No token stands twice in a row of
// token.
func ScatterRows(rows, token, like Value) Value { return one(scatterRows, nil, rows, token, like) }

var scatterRows *graph.Op

func init() {
	scatterRows = graph.Register(&graph.Op{
		Name: "ScatterRows", Domain: graph.Domain, Since: 1, Doc: "y[t] = Σ_{e, c: token[e, c] = t} rows[e·C + c]",
		Inputs: []graph.Arg{
			{Name: "rows", Doc: "[E·C, D]"},
			{Name: "token", Doc: "int64 [E, C], each row without repetitions"},
			{Name: "like", Doc: "[T, ...]; only its first extent counts"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "[T, D]"}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 2); err != nil {
				return err
			}
			if err := c.Want(1, graph.Int64, 2); err != nil {
				return err
			}
			if rows, token := c.Shape(0), c.Shape(1); !rows[0].Equal(token.Elements()) {
				return fmt.Errorf("%v rows for tokens %v", rows[0], token)
			}
			if len(c.Shape(2)) == 0 {
				return fmt.Errorf("like is a scalar: it has no tokens")
			}
			c.Out(0, graph.Float32, graph.Shape{c.Shape(2)[0], c.Shape(0)[1]})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			return []Value{Gather(c.DOut[0], Reshape(c.In(1), -1), 0), nil, nil}
		},
		Lower: lowerScatterRows,
	})
}

// lowerScatterRows adds the rows of one expert after those of another: inside one of them no
// token repeats, so that no runtime can add in another order.
func lowerScatterRows(c *graph.Lower) []Value {
	rows, token := c.In(0), c.In(1)
	e, d := intDim(token, 0), intDim(rows, 1)
	shape := Concat(0, Slice(ShapeOf(c.In(2)), 0, 0, 1), c.G.Int64s(d))
	y := Expand(c.G.Const("zero", graph.Floats([]int{1, 1}, 0)), shape)
	each := Reshape(rows, e, -1, d) // [E, C, D]
	for i := range e {
		at := Transpose(Slice(token, 0, i, i+1), 1, 0) // [C, 1]
		y = ScatterND(y, at, Squeeze(Slice(each, 0, i, i+1), 0), "add")
	}
	return []Value{y}
}
