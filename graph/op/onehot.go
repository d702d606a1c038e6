package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// OneHot inserts an axis of extent depth, a scalar, holding values[1] at the index and
// values[0] elsewhere.
func OneHot(indices, depth, values Value, axis int64) Value {
	return one(oneHot, axisAttr(axis), indices, depth, values)
}

var oneHot *graph.Op

func init() {
	oneHot = graph.Register(&graph.Op{
		Name: "OneHot", Since: 11, Doc: "y = values[1] where the position along axis is the index, values[0] elsewhere",
		Inputs: []graph.Arg{
			{Name: "indices", Doc: "numbers of any shape, negative counts from the end; outside of depth: none"},
			{Name: "depth", Doc: "scalar or [1]"},
			{Name: "values", Doc: "[2]: off, on"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "indices with an axis of extent depth inserted"}},
		Attrs:   []graph.Attr{{Name: "axis", Kind: graph.IntAttr, Doc: "position of the new axis, −1 by default"}},
		Infer: func(c *graph.Infer) error {
			depth, err := scalarDim(c, 1)
			if err != nil {
				return fmt.Errorf("depth: %w", err)
			}
			in := c.Shape(0)
			out := make(graph.Shape, len(in)+1)
			axis, err := out.Axis(c.Int("axis", -1))
			if err != nil {
				return err
			}
			copy(out, in[:axis])
			out[axis] = depth
			copy(out[axis+1:], in[axis:])
			c.Out(0, c.DType(2), out)
			return nil
		},
		NoGrad: "indices have no gradient, and values are taken as constant",
	})
}

// scalarDim is the only element of input i as a dim; floats must be constant.
func scalarDim(c *graph.Infer, i int) (graph.Dim, error) {
	if content, ok := c.Content(i); ok && len(content) == 1 {
		return content[0], nil
	}
	if t := c.Data(i); t != nil && t.Elements() == 1 && t.DType.IsFloat() {
		f, err := t.Float32s()
		if err == nil && f[0] >= 0 && f[0] < 1<<31 {
			return graph.Const(int64(f[0])), nil
		}
	}
	return graph.Dim{}, fmt.Errorf("must be one number known while the graph is built")
}
