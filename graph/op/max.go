package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Max is the largest of its operands elementwise, with broadcasting.
func Max(xs ...Value) Value { return one(maximum, nil, xs...) }

var maximum *graph.Op

func init() {
	maximum = extremum("Max", "y = max(x₀, x₁, …); NaN if any operand is", graph.Dim.Max)
}

// extremum describes Min and Max; dims combines known elements.
func extremum(name, doc string, dims func(a, b graph.Dim) graph.Dim) *graph.Op {
	two := contentInfer(func(a, b graph.Dim) (graph.Dim, bool) { return dims(a, b), true })
	return graph.Register(&graph.Op{
		Name: name, Since: 13, Doc: doc,
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape, all broadcast together", Variadic: true}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the broadcast shape"}},
		Infer: func(c *graph.Infer) error {
			if c.N() == 2 {
				return two(c)
			}
			return variadicInfer(c)
		},
		Grad: gradExtremum,
	})
}

// variadicInfer is the inference of operators whose operands all broadcast together.
func variadicInfer(c *graph.Infer) error {
	if c.N() == 0 {
		return fmt.Errorf("needs at least one input")
	}
	s := c.Shape(0)
	for i := 1; i < c.N(); i++ {
		if c.DType(i) != c.DType(0) {
			return fmt.Errorf("operands of types %v and %v", c.DType(0), c.DType(i))
		}
		var err error
		if s, err = graph.Broadcast(s, c.Shape(i)); err != nil {
			return err
		}
	}
	c.Out(0, c.DType(0), s)
	return nil
}

// gradExtremum shares the gradient equally among the operands that reach the extreme.
func gradExtremum(c *graph.Grad) []Value {
	dy, y := c.DOut[0], c.Out(0)
	out := make([]Value, len(c.Inputs))
	hits := make([]Value, len(c.Inputs))
	var count Value
	for i, x := range c.Inputs {
		hits[i] = Cast(Equal(x, y), y.Type.DType)
		if count == nil {
			count = hits[i]
		} else {
			count = Add(count, hits[i])
		}
	}
	share := Div(dy, count)
	for i, x := range c.Inputs {
		out[i] = SumTo(Mul(share, hits[i]), x)
	}
	return out
}
