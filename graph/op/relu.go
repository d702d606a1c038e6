package op

import "github.com/moezoo/moezoo/graph"

// Relu is max(x, 0).
func Relu(x Value) Value { return one(relu, nil, x) }

var relu, reluGrad *graph.Op

func init() {
	relu = unaryNumber("Relu", 14, "y = max(x, 0); NaN stays NaN", func(c *graph.Grad) []Value {
		if c.Out(0).Type.DType == graph.Float32 {
			return []Value{one(reluGrad, nil, c.DOut[0], c.Out(0))}
		}
		zero := scalarLike(c.In(0), 0)
		return []Value{Where(Greater(c.Out(0), zero), c.DOut[0], zero)}
	})
	reluGrad = graph.Register(&graph.Op{
		Name: "ReluGrad", Domain: graph.Domain, Since: 1, Doc: "dx = dy where y > 0, else 0",
		Inputs:  []graph.Arg{{Name: "dy", Doc: "any shape"}, {Name: "y", Doc: "the output of Relu, shape of dy"}},
		Outputs: []graph.Arg{{Name: "dx", Doc: "shape of dy"}},
		Infer:   floatSameAsInput,
		NoGrad:  "second derivatives are not built",
		Lower: func(c *graph.Lower) []Value {
			dy, zero := c.In(0), c.G.Float(0)
			return []Value{Where(Greater(c.In(1), zero), dy, zero)}
		},
		InPlace: []int{0},
	})
}
