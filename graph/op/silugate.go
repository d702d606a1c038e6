package op

import "github.com/moezoo/moezoo/graph"

// SiLUGate is y · z · σ(z), the gate behind the scan of Mamba and inside SwiGLU: y and z
// of one shape.
func SiLUGate(y, z Value) Value { return one(siluGate, nil, y, z) }

var siluGate, siluGateGrad *graph.Op

func init() {
	siluGate = graph.Register(&graph.Op{
		Name: "SiLUGate", Domain: graph.Domain, Since: 1, Doc: "out = y · z · σ(z)",
		Inputs:  []graph.Arg{{Name: "y", Doc: "any shape"}, {Name: "z", Doc: "shape of y"}},
		Outputs: []graph.Arg{{Name: "out", Doc: "shape of y"}},
		Infer: func(c *graph.Infer) error {
			if err := c.WantShape(1, c.DType(0), c.Shape(0)...); err != nil {
				return err
			}
			return floatSameAsInput(c)
		},
		Grad: func(c *graph.Grad) []Value {
			return many(siluGateGrad, nil, 2, c.DOut[0], c.In(0), c.In(1))
		},
		Lower: func(c *graph.Lower) []Value {
			return []Value{Mul(c.In(0), Mul(c.In(1), Sigmoid(c.In(1))))}
		},
		InPlace: []int{0},
	})
	siluGateGrad = graph.Register(&graph.Op{
		Name: "SiLUGateGrad", Domain: graph.Domain, Since: 1,
		Doc:     "dy = dout · z · σ(z), dz = dout · y · σ(z) · (1 + z · (1 − σ(z)))",
		Inputs:  []graph.Arg{{Name: "dout", Doc: "any shape"}, {Name: "y", Doc: "shape of dout"}, {Name: "z", Doc: "shape of dout"}},
		Outputs: []graph.Arg{{Name: "dy", Doc: "shape of dout"}, {Name: "dz", Doc: "shape of dout"}},
		Infer: func(c *graph.Infer) error {
			c.Out(0, c.DType(0), c.Shape(0))
			c.Out(1, c.DType(0), c.Shape(0))
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
		InPlace: []int{0, 2},
	})
}
