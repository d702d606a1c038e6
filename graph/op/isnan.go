package op

import "github.com/moezoo/moezoo/graph"

// IsNaN is true where x is not a number.
func IsNaN(x Value) Value { return one(isNaN, nil, x) }

var isNaN *graph.Op

func init() {
	isNaN = graph.Register(&graph.Op{
		Name: "IsNaN", Since: 13, Doc: "y = true where x is NaN",
		Inputs:  []graph.Arg{{Name: "x", Doc: "floats of any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "bool, shape of x"}},
		Infer:   boolOfFloats,
		NoGrad:  boolOutput,
	})
}

func boolOfFloats(c *graph.Infer) error {
	if err := wantFloats(c, 0); err != nil {
		return err
	}
	c.Out(0, graph.Bool, c.Shape(0))
	return nil
}
