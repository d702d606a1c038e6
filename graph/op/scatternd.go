package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// ScatterND is data with slices of updates written where the last axis of indices,
// int64 [..., q], says; reduction is "none" or how an update meets what is there: "add",
// "mul", "min", "max".
func ScatterND(data, indices, updates Value, reduction string) Value {
	return one(scatterND, graph.Attrs{"reduction": reduction}, data, indices, updates)
}

var scatterND *graph.Op

func init() {
	scatterND = graph.Register(&graph.Op{
		Name: "ScatterND", Since: 18, Doc: "y = data, with y[indices[i, :]] = updates[i] for every i",
		Inputs: []graph.Arg{
			{Name: "data", Doc: "any shape"},
			{Name: "indices", Doc: "int64 [..., q], q ≤ rank of data"},
			{Name: "updates", Doc: "indices[:-1] + data[q:], type of data"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "as data"}},
		Attrs:   []graph.Attr{{Name: "reduction", Kind: graph.StringAttr, Doc: "none (default), add, mul, min or max"}},
		Infer: func(c *graph.Infer) error {
			rest, err := indexedShape(c.Shape(0), c.Shape(1), 0)
			if err != nil {
				return err
			}
			if err := c.WantShape(2, c.DType(0), rest...); err != nil {
				return err
			}
			return inferScatter(c)
		},
		Grad: func(c *graph.Grad) []Value {
			dy := c.DOut[0]
			return gradScatter(c, GatherND(dy, c.In(1)), func() Value {
				return ScatterND(dy, c.In(1), ZerosLike(c.In(2)), "none")
			})
		},
		InPlace: []int{0},
	})
}

// indexedShape is the shape of x[indices], where the last axis of indices [..., q] picks
// along the q axes of x behind the first batch ones.
func indexedShape(x, indices graph.Shape, batch int) (graph.Shape, error) {
	if len(indices) <= batch || len(x) <= batch && len(x) > 0 {
		return nil, fmt.Errorf("indices %v for %v with %d batch axes", indices, x, batch)
	}
	q, ok := indices[len(indices)-1].Int()
	if !ok || q+int64(batch) > int64(len(x)) {
		return nil, fmt.Errorf("indices %v pick along %v axes of %v", indices, indices[len(indices)-1], x)
	}
	for i := range batch {
		if !x[i].Equal(indices[i]) {
			return nil, fmt.Errorf("indices %v and data %v: batch axis %d differs", indices, x, i)
		}
	}
	return append(append(graph.Shape(nil), indices[:len(indices)-1]...), x[batch+int(q):]...), nil
}
