package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// TopK is the k largest (or smallest) elements of x along an axis and their int64
// indices; k is int64 [1]. Of equal elements the one with the lower index comes first. NaN counts as
// larger than everything. sorted asks for descending (ascending) order; without it
// the order is by index.
func TopK(x, k Value, axis int64, largest, sorted bool) (values, indices Value) {
	attrs := graph.Attrs{"axis": axis}
	if !largest {
		attrs["largest"] = int64(0)
	}
	if !sorted {
		attrs["sorted"] = int64(0)
	}
	out := many(topK, attrs, 2, x, k)
	return out[0], out[1]
}

var topK *graph.Op

func init() {
	topK = graph.Register(&graph.Op{
		Name: "TopK", Since: 11,
		Doc: "the k largest elements along axis and their indices; of equal ones the lower index first; NaN counts as largest",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "numbers of any shape with that axis"}, {Name: "k", Doc: "int64 [1]"},
		},
		Outputs: []graph.Arg{{Name: "values", Doc: "x with extent k at axis"}, {Name: "indices", Doc: "int64, as values"}},
		Attrs: []graph.Attr{
			{Name: "axis", Kind: graph.IntAttr, Doc: "−1 by default"},
			{Name: "largest", Kind: graph.IntAttr, Doc: "0: the smallest, 1 by default"},
			{Name: "sorted", Kind: graph.IntAttr, Doc: "0: in order of the index, 1 by default"},
		},
		Infer: func(c *graph.Infer) error {
			axis, err := c.Shape(0).Axis(c.Int("axis", -1))
			if err != nil {
				return err
			}
			k, ok := c.Content(1)
			if !ok || len(k) != 1 {
				return fmt.Errorf("k must be one number known while the graph is built")
			}
			n, ok0 := k[0].Int()
			d, ok1 := c.Shape(0)[axis].Int()
			if ok0 && n < 0 || ok0 && ok1 && n > d {
				return fmt.Errorf("k = %d must be in 0 … %v, the extent of axis %d of %v", n, c.Shape(0)[axis], axis, c.Shape(0))
			}
			out := append(graph.Shape(nil), c.Shape(0)...)
			out[axis] = k[0]
			c.Out(0, c.DType(0), out)
			c.Out(1, graph.Int64, out)
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			if c.DOut[0] == nil {
				return []Value{nil, nil}
			}
			return []Value{ScatterElements(ZerosLike(c.In(0)), c.Out(1), c.DOut[0], c.Int("axis", -1), "none"), nil}
		},
	})
}
