package op

import "github.com/moezoo/moezoo/graph"

// Clip limits x to low … high; either may be nil.
func Clip(x, low, high Value) Value { return one(clip, nil, x, low, high) }

var clip *graph.Op

func init() {
	clip = graph.Register(&graph.Op{
		Name: "Clip", Since: 13, Doc: "y = min(max(x, low), high)",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "any shape"}, {Name: "low", Doc: "scalar", Optional: true}, {Name: "high", Doc: "scalar", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Infer: func(c *graph.Infer) error {
			for i := 1; i <= 2; i++ {
				if err := c.Want(i, c.DType(0), 0); err != nil {
					return err
				}
			}
			return sameAsInput(c)
		},
		Grad: func(c *graph.Grad) []Value {
			// The gradient passes where x is within the bounds, the bounds included.
			d, x := c.DOut[0], c.In(0)
			zero := scalarLike(d, 0)
			if low := c.In(1); low != nil {
				d = Where(Less(x, low), zero, d)
			}
			if high := c.In(2); high != nil {
				d = Where(Greater(x, high), zero, d)
			}
			return []Value{d, nil, nil}[:len(c.Inputs)]
		},
		InPlace: []int{0},
	})
}
