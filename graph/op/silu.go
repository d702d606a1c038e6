package op

import "github.com/moezoo/moezoo/graph"

// SiLU is x · σ(x), x of any shape.
func SiLU(x Value) Value { return one(silu, nil, x) }

var silu, siluGrad *graph.Op

func init() {
	silu = graph.Register(&graph.Op{
		Name: "SiLU", Domain: graph.Domain, Since: 1, Doc: "y = x · σ(x)",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Infer:   floatSameAsInput,
		Grad: func(c *graph.Grad) []Value {
			return []Value{one(siluGrad, nil, c.DOut[0], c.In(0))}
		},
		Lower: func(c *graph.Lower) []Value {
			return []Value{Mul(c.In(0), Sigmoid(c.In(0)))}
		},
		InPlace: []int{0},
	})
	siluGrad = graph.Register(&graph.Op{
		Name: "SiLUGrad", Domain: graph.Domain, Since: 1, Doc: "dx = dy · σ(x) · (1 + x · (1 − σ(x)))",
		Inputs:  []graph.Arg{{Name: "dy", Doc: "any shape"}, {Name: "x", Doc: "shape of dy"}},
		Outputs: []graph.Arg{{Name: "dx", Doc: "shape of dy"}},
		Infer: func(c *graph.Infer) error {
			if err := c.WantShape(1, c.DType(0), c.Shape(0)...); err != nil {
				return err
			}
			return floatSameAsInput(c)
		},
		NoGrad: "second derivatives are not built",
		Lower: func(c *graph.Lower) []Value {
			dy, x := c.In(0), c.In(1)
			s := Sigmoid(x)
			one := c.G.Float(1)
			return []Value{Mul(dy, Mul(s, Add(one, Mul(x, Sub(one, s)))))}
		},
		InPlace: []int{0},
	})
}
