package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// TakeRows gives every assignment its token's row, in the order of a dispatch:
// x [T, D] → [R, D] with y[r] = x[⌊order[r]/k⌋].
func TakeRows(x Value, d Dispatched) Value {
	return one(takeRows, graph.Attrs{"k": d.K}, x, d.Order, d.Inverse)
}

// SumRows adds up the rows of each token: x [R, D] → [T, D] with y[t] = Σ_j x[inverse[t·k + j]].
func SumRows(x Value, d Dispatched) Value {
	return one(sumRows, graph.Attrs{"k": d.K}, x, d.Order, d.Inverse)
}

// Combine brings the experts' rows back to their tokens: rows [R, D], weight [T, k] →
// y [T, D] with y[t] = Σ_j weight[t, j] · rows[inverse[t·k + j]], added in the order of j.
func Combine(rows, weight Value, d Dispatched) Value {
	return one(combine, graph.Attrs{"k": d.K}, rows, weight, d.Order, d.Inverse)
}

var takeRows, sumRows, combine, combineGrad *graph.Op

func init() {
	k := []graph.Attr{{Name: "k", Kind: graph.IntAttr, Doc: "assignments per token", Required: true}}
	order := []graph.Arg{{Name: "order", Doc: "int64 [T·k]"}, {Name: "inverse", Doc: "int64 [T·k]"}}
	takeRows = graph.Register(&graph.Op{
		Name: "TakeRows", Domain: graph.Domain, Since: 1, Doc: "y[r] = x[⌊order[r]/k⌋]",
		Inputs:  append([]graph.Arg{{Name: "x", Doc: "[T, D]"}}, order...),
		Outputs: []graph.Arg{{Name: "y", Doc: "[T·k, D]"}},
		Attrs:   k,
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 2); err != nil {
				return err
			}
			rows := c.Shape(0)[0].Mul(graph.Const(c.Int("k", 1)))
			if err := c.WantShape(1, graph.Int64, rows); err != nil {
				return err
			}
			c.Out(0, graph.Float32, graph.Shape{rows, c.Shape(0)[1]})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			return []Value{one(sumRows, c.Attrs, c.DOut[0], c.In(1), c.In(2)), nil, nil}
		},
		Lower: func(c *graph.Lower) []Value {
			return []Value{Gather(c.In(0), Div(c.In(1), c.G.Int64(c.Int("k", 1))), 0)}
		},
	})
	sumRows = graph.Register(&graph.Op{
		Name: "SumRows", Domain: graph.Domain, Since: 1, Doc: "y[t] = Σ_j x[inverse[t·k + j]]",
		Inputs:  append([]graph.Arg{{Name: "x", Doc: "[T·k, D]"}}, order...),
		Outputs: []graph.Arg{{Name: "y", Doc: "[T, D]"}},
		Attrs:   k,
		Infer: func(c *graph.Infer) error {
			tokens, even := c.Shape(0)[0].Div(graph.Const(c.Int("k", 1)))
			if !even {
				return fmt.Errorf("%v rows are no multiple of k = %d", c.Shape(0)[0], c.Int("k", 1))
			}
			c.Out(0, graph.Float32, graph.Shape{tokens, c.Shape(0)[1]})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			return []Value{one(takeRows, c.Attrs, c.DOut[0], c.In(1), c.In(2)), nil, nil}
		},
		Lower: func(c *graph.Lower) []Value {
			rows := Gather(c.In(0), c.In(2), 0)
			return []Value{ReduceSum(Reshape(rows, -1, c.Int("k", 1), intDim(rows, 1)), []int64{1}, false)}
		},
	})
	combine = graph.Register(&graph.Op{
		Name: "Combine", Domain: graph.Domain, Since: 1, Doc: "y[t] = Σ_j weight[t, j] · rows[inverse[t·k + j]]",
		Inputs:  append([]graph.Arg{{Name: "rows", Doc: "[T·k, D]"}, {Name: "weight", Doc: "[T, k]"}}, order...),
		Outputs: []graph.Arg{{Name: "y", Doc: "[T, D]"}},
		Attrs:   k,
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 2); err != nil {
				return err
			}
			if err := c.Want(1, graph.Float32, 2); err != nil {
				return err
			}
			w := c.Shape(1)
			if !w.Elements().Equal(c.Shape(0)[0]) || !w[1].Is(c.Int("k", 1)) {
				return fmt.Errorf("rows %v do not fit weights %v with k = %d", c.Shape(0), w, c.Int("k", 1))
			}
			c.Out(0, graph.Float32, graph.Shape{w[0], c.Shape(0)[1]})
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			d := c.G.Apply(combineGrad, c.Attrs, 2, append([]Value{c.DOut[0]}, c.Inputs...)...)
			return []Value{d[0], d[1], nil, nil}
		},
		Lower: func(c *graph.Lower) []Value {
			rows := Gather(c.In(0), c.In(3), 0)
			if c.Int("k", 1) == 1 {
				return []Value{Mul(rows, c.In(1))}
			}
			each := Reshape(rows, -1, c.Int("k", 1), intDim(rows, 1))
			return []Value{ReduceSum(Mul(each, Unsqueeze(c.In(1), 2)), []int64{1}, false)}
		},
	})
	combineGrad = graph.Register(&graph.Op{
		Name: "CombineGrad", Domain: graph.Domain, Since: 1,
		Doc: "drows[inverse[a]] = weight[a] · dy[⌊a/k⌋], dweight[a] = dy[⌊a/k⌋] · rows[inverse[a]]",
		Inputs: append([]graph.Arg{
			{Name: "dy", Doc: "[T, D]"}, {Name: "rows", Doc: "[T·k, D]"}, {Name: "weight", Doc: "[T, k]"},
		}, order...),
		Outputs: []graph.Arg{{Name: "drows", Doc: "as rows"}, {Name: "dweight", Doc: "as weight"}},
		Attrs:   k,
		Infer: func(c *graph.Infer) error {
			c.Out(0, graph.Float32, c.Shape(1))
			c.Out(1, graph.Float32, c.Shape(2))
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}
