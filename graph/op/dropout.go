package op

import "github.com/moezoo/moezoo/graph"

func init() {
	graph.Register(&graph.Op{
		Name: "Dropout", Since: 13, Doc: "y = x: files hold inference graphs, where dropout does nothing",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "any shape"},
			{Name: "ratio", Doc: "scalar, without effect here", Optional: true},
			{Name: "training_mode", Doc: "bool scalar, must be false unless the ratio is 0", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}, {Name: "mask", Doc: "bool, all true", Optional: true}},
		Attrs:   []graph.Attr{{Name: "seed", Kind: graph.IntAttr, Doc: "without effect here"}},
		Infer: func(c *graph.Infer) error {
			c.Out(1, graph.Bool, c.Shape(0))
			return floatSameAsInput(c)
		},
		Grad: func(c *graph.Grad) []Value { return []Value{c.DOut[0], nil, nil}[:len(c.Inputs)] },
	})
}
