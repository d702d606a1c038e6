package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// ExpertRows gives each row the vector of the expert it belongs to: v [E, D] → [R, D],
// 0 for rows that belong to nobody. Experts' biases and gains are applied with it.
func ExpertRows(v Value, d Dispatched) Value { return one(expertRows, nil, v, d.Offsets, d.Order) }

var expertRows, groupedSum *graph.Op

func init() {
	expertRows = graph.Register(&graph.Op{
		Name: "ExpertRows", Domain: graph.Domain, Since: 1, Doc: "y[r] = v[e] for offsets[e] ≤ r < offsets[e+1], 0 from offsets[E] on",
		Inputs: []graph.Arg{
			{Name: "v", Doc: "[E, D]"}, {Name: "offsets", Doc: "int64 [E+1]"}, {Name: "order", Doc: "int64 [R]; only its length counts"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "[R, D]"}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 2); err != nil {
				return err
			}
			if err := c.WantShape(1, graph.Int64, c.Shape(0)[0].Add(graph.Const(1))); err != nil {
				return err
			}
			if err := c.Want(2, graph.Int64, 1); err != nil {
				return fmt.Errorf("order: %w", err)
			}
			c.Out(0, graph.Float32, graph.Shape{c.Shape(2)[0], c.Shape(0)[1]})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			return []Value{one(groupedSum, nil, c.DOut[0], c.In(1)), nil, nil}
		},
		Lower: func(c *graph.Lower) []Value {
			v, offsets, order := c.In(0), c.In(1), c.In(2)
			e := intDim(v, 0)
			row := Unsqueeze(Range(c.G.Int64(0), Squeeze(ShapeOf(order), 0), c.G.Int64(1)), 1) // [R, 1]
			ended := Cast(GreaterOrEqual(row, Slice(offsets, 0, 1, maxInt64)), graph.Int64)    // [R, E]
			expert := ReduceSum(ended, []int64{1}, false)                                      // [R], E for nobody
			rows := Gather(v, Min(expert, c.G.Int64(e-1)), 0)
			return []Value{Where(Unsqueeze(Less(expert, c.G.Int64(e)), 1), rows, c.G.Float(0))}
		},
	})
	groupedSum = graph.Register(&graph.Op{
		Name: "GroupedSum", Domain: graph.Domain, Since: 1, Doc: "y[e] = Σ_{r of e} x[r]",
		Inputs:  []graph.Arg{{Name: "x", Doc: "[R, D]"}, {Name: "offsets", Doc: "int64 [E+1]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "[E, D]"}},
		Infer: func(c *graph.Infer) error {
			c.Out(0, graph.Float32, graph.Shape{c.Shape(1)[0].Sub(graph.Const(1)), c.Shape(0)[1]})
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}
