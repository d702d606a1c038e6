package op

import (
	"math"

	"github.com/moezoo/moezoo/graph"
)

// Gelu is x · Φ(x) in its exact form, ½·x·(1 + erf(x/√2)), x of any shape. (ONNX has
// it only from opset 20 on.)
func Gelu(x Value) Value { return one(gelu, nil, x) }

// GeluTanh is the approximation ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), which some models were
// trained with.
func GeluTanh(x Value) Value {
	inner := Mul(x, Add(Scale(Mul(x, x), 0.044715), x.Graph().Float(1)))
	return Mul(x, Sigmoid(Scale(inner, 2*math.Sqrt(2/math.Pi)))) // ½·(1 + tanh z) = σ(2z)
}

var gelu, geluGrad *graph.Op

func init() {
	gelu = graph.Register(&graph.Op{
		Name: "Gelu", Domain: graph.Domain, Since: 1, Doc: "y = ½·x·(1 + erf(x/√2))",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Infer:   floatSameAsInput,
		Grad: func(c *graph.Grad) []Value {
			return []Value{one(geluGrad, nil, c.DOut[0], c.In(0))}
		},
		Lower:   func(c *graph.Lower) []Value { return []Value{Mul(c.In(0), normalCDF(c.In(0)))} },
		InPlace: []int{0},
	})
	geluGrad = graph.Register(&graph.Op{
		Name: "GeluGrad", Domain: graph.Domain, Since: 1, Doc: "dx = dy · (Φ(x) + x·φ(x))",
		Inputs:  []graph.Arg{{Name: "dy", Doc: "any shape"}, {Name: "x", Doc: "shape of dy"}},
		Outputs: []graph.Arg{{Name: "dx", Doc: "shape of dy"}},
		Infer:   floatSameAsInput,
		NoGrad:  "second derivatives are not built",
		Lower: func(c *graph.Lower) []Value {
			dy, x := c.In(0), c.In(1)
			density := Scale(Exp(Scale(Mul(x, x), -0.5)), 1/math.Sqrt(2*math.Pi))
			return []Value{Mul(dy, Add(normalCDF(x), Mul(x, density)))}
		},
		InPlace: []int{0},
	})
}

// normalCDF is Φ(x) = ½·(1 + erf(x/√2)).
func normalCDF(x Value) Value {
	return Scale(Add(Erf(Scale(x, 1/math.Sqrt2)), x.Graph().Float(1)), 0.5)
}
