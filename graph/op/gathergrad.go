package op

import "github.com/moezoo/moezoo/graph"

// GatherGrad is the gradient of Gather along axis 0, as for an embedding: row ids[i] of
// the result is the sum of the rows dy[i], added in the order of i. dy [T..., D...], ids
// int64 [T...], those below 0 counted from the end → [rows, D...].
func GatherGrad(dy, ids Value, rows int64) Value {
	return one(gatherGrad, graph.Attrs{"rows": rows}, dy, ids)
}

var gatherGrad *graph.Op

func init() {
	gatherGrad = graph.Register(&graph.Op{
		Name: "GatherGrad", Domain: graph.Domain, Since: 1, Doc: "dtable[r] = Σ_{i: ids[i] = r} dy[i]",
		Inputs:  []graph.Arg{{Name: "dy", Doc: "[T..., D...]"}, {Name: "ids", Doc: "int64 [T...]"}},
		Outputs: []graph.Arg{{Name: "dtable", Doc: "[rows, D...]"}},
		Attrs:   []graph.Attr{{Name: "rows", Kind: graph.IntAttr, Doc: "rows of the table", Required: true}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, -1); err != nil {
				return err
			}
			ids := c.Shape(1)
			if err := c.Want(1, graph.Int64, -1); err != nil {
				return err
			}
			lead := min(len(ids), len(c.Shape(0)))
			if err := c.WantShape(1, graph.Int64, c.Shape(0)[:lead]...); err != nil {
				return err
			}
			c.Out(0, graph.Float32, append(graph.ShapeOf(c.Int("rows", 0)), c.Shape(0)[lead:]...))
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
	})
}
