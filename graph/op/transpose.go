package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Transpose reorders axes: axis i of the result is axis perm[i] of x. Without perm all
// axes are reversed.
func Transpose(x Value, perm ...int64) Value {
	if len(perm) == 0 {
		return one(transpose, nil, x)
	}
	return one(transpose, graph.Attrs{"perm": perm}, x)
}

var transpose *graph.Op

func init() {
	transpose = graph.Register(&graph.Op{
		Name: "Transpose", Since: 13, Doc: "y[i₀, i₁, …] = x with axis i of y being axis perm[i] of x",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the extents of x in the order perm"}},
		Attrs:   []graph.Attr{{Name: "perm", Kind: graph.IntsAttr, Doc: "a permutation of the axes, reversed by default"}},
		Infer: func(c *graph.Infer) error {
			x := c.Shape(0)
			perm, err := Permutation(c.Node, len(x))
			if err != nil {
				return err
			}
			out := make(graph.Shape, len(x))
			for i, p := range perm {
				out[i] = x[p]
			}
			c.Out(0, c.DType(0), out)
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			perm, err := Permutation(c.Node, c.In(0).Rank())
			if err != nil {
				c.G.Fail(err)
				return nil
			}
			inverse := make([]int64, len(perm))
			for i, p := range perm {
				inverse[p] = int64(i)
			}
			return []Value{Transpose(c.DOut[0], inverse...)}
		},
	})
}

// Permutation is the order of axes of a Transpose node on an input of that rank.
func Permutation(n *graph.Node, rank int) ([]int, error) {
	perm := make([]int, rank)
	given := n.Ints("perm")
	if given == nil {
		for i := range perm {
			perm[i] = rank - 1 - i
		}
		return perm, nil
	}
	seen := make([]bool, rank)
	if len(given) != rank {
		return nil, fmt.Errorf("perm %v for %d axes", given, rank)
	}
	for i, p := range given {
		if p < 0 || p >= int64(rank) || seen[p] {
			return nil, fmt.Errorf("perm %v is no permutation of %d axes", given, rank)
		}
		seen[p], perm[i] = true, int(p)
	}
	return perm, nil
}
