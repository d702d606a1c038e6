package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// GatherND picks slices of x where the last axis of indices, int64 [..., q], says.
func GatherND(x, indices Value) Value { return one(gatherND, nil, x, indices) }

var gatherND *graph.Op

func init() {
	gatherND = graph.Register(&graph.Op{
		Name: "GatherND", Since: 13, Doc: "y[i] = x[indices[i, :]]",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}, {Name: "indices", Doc: "int64 [..., q]"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "indices[:-1] + x[batch_dims+q:]"}},
		Attrs:   []graph.Attr{{Name: "batch_dims", Kind: graph.IntAttr, Doc: "leading axes that x and indices share, 0 by default"}},
		Infer: func(c *graph.Infer) error {
			if err := wantIndices(c, 1); err != nil {
				return err
			}
			out, err := indexedShape(c.Shape(0), c.Shape(1), int(min(max(c.Int("batch_dims", 0), 0), 1<<16)))
			if err != nil {
				return err
			}
			c.Out(0, c.DType(0), out)
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			if c.Int("batch_dims", 0) != 0 {
				c.G.Fail(fmt.Errorf("GatherND with batch_dims has no gradient: flatten the batch axes first"))
				return nil
			}
			return []Value{ScatterND(ZerosLike(c.In(0)), c.In(1), c.DOut[0], "add"), nil}
		},
	})
}
