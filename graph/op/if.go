package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// If gives what one of two bodies gives, by a bool scalar. Both give values of the same
// types. The bodies have no inputs but may use values from around them.
func If(condition Value, then, otherwise func(b *graph.Graph) []Value) []Value {
	g := home([]Value{condition})
	var bodies [2]*graph.Graph
	n := 0
	for i, f := range []func(*graph.Graph) []Value{then, otherwise} {
		b := g.NewBody([]string{"then", "else"}[i])
		out := f(b)
		n = len(out)
		if g.Err() != nil {
			return out
		}
		closeBody(b, out)
		bodies[i] = b
	}
	return many(ifOp, graph.Attrs{"then_branch": bodies[0], "else_branch": bodies[1]}, n, condition)
}

var ifOp *graph.Op

func init() {
	ifOp = graph.Register(&graph.Op{
		Name: "If", Since: 16, Doc: "the outputs of then_branch where condition holds, else those of else_branch",
		Inputs:  []graph.Arg{{Name: "condition", Doc: "bool, one element"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "of the branch taken", Variadic: true}},
		Attrs: []graph.Attr{
			{Name: "then_branch", Kind: graph.GraphAttr, Doc: "body without inputs", Required: true},
			{Name: "else_branch", Kind: graph.GraphAttr, Doc: "body without inputs", Required: true},
		},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Bool, -1); err != nil {
				return err
			}
			a, err := bodyTypes(c.Body("then_branch"))
			if err != nil {
				return err
			}
			b, err := bodyTypes(c.Body("else_branch"))
			if err != nil {
				return err
			}
			if len(a) != len(b) {
				return fmt.Errorf("the branches give %d and %d values", len(a), len(b))
			}
			for i := range a {
				if !sameType(a[i], b[i]) {
					return fmt.Errorf("output %d is %v in one branch and %v in the other", i, a[i], b[i])
				}
				c.Out(i, a[i].DType, a[i].Shape)
			}
			return nil
		},
		NoGrad: controlFlow,
	})
}
