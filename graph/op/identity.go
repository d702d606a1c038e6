package op

import "github.com/moezoo/moezoo/graph"

// Identity is x.
func Identity(x Value) Value { return one(identity, nil, x) }

var identity *graph.Op

func init() {
	identity = graph.Register(&graph.Op{
		Name: "Identity", Since: 16, Doc: "y = x",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any type and shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "as x"}},
		Infer: func(c *graph.Infer) error {
			if content, ok := c.Content(0); ok {
				c.SetContent(0, content)
			}
			return sameAsInput(c)
		},
		Grad: func(c *graph.Grad) []Value { return []Value{c.DOut[0]} },
		View: true,
	})
}
