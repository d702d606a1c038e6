package op

import "github.com/moezoo/moezoo/graph"

// Not is ¬x on bools.
func Not(x Value) Value { return one(not, nil, x) }

var not *graph.Op

func init() {
	not = graph.Register(&graph.Op{
		Name: "Not", Since: 1, Doc: "y = ¬x",
		Inputs:  []graph.Arg{{Name: "x", Doc: "bools of any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Bool, -1); err != nil {
				return err
			}
			return sameAsInput(c)
		},
		NoGrad:  boolOutput,
		InPlace: []int{0},
	})
}
