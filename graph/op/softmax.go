package op

import "github.com/moezoo/moezoo/graph"

// Softmax is exp(x) / Σ exp(x) along an axis.
func Softmax(x Value, axis int64) Value { return one(softmax, axisAttr(axis), x) }

var softmax *graph.Op

func init() {
	softmax = alongAxis("Softmax", 13, "y = exp(x) / Σ exp(x) along axis, computed without overflow", func(c *graph.Grad) []Value {
		dy, y, axes := c.DOut[0], c.Out(0), []int64{c.Int("axis", -1)}
		return []Value{Mul(y, Sub(dy, ReduceSum(Mul(dy, y), axes, true)))}
	})
}

func axisAttr(axis int64) graph.Attrs { return graph.Attrs{"axis": axis} }

// alongAxis describes y = f(x) on floats where f works along one axis, the last by
// default.
func alongAxis(name string, since int, doc string, grad func(c *graph.Grad) []Value) *graph.Op {
	return graph.Register(&graph.Op{
		Name: name, Since: since, Doc: doc,
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape with that axis"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Attrs:   []graph.Attr{{Name: "axis", Kind: graph.IntAttr, Doc: "−1 by default"}},
		Infer: func(c *graph.Infer) error {
			if _, err := c.Shape(0).Axis(c.Int("axis", -1)); err != nil {
				return err
			}
			return floatSameAsInput(c)
		},
		Grad:    grad,
		InPlace: []int{0},
	})
}
