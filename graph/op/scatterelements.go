package op

import (
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/graph"
)

// ScatterElements is data with updates written at indices along an axis; reduction is
// "none" or how an update meets what is there: "add", "mul", "min", "max".
func ScatterElements(data, indices, updates Value, axis int64, reduction string) Value {
	attrs := graph.Attrs{"axis": axis, "reduction": reduction}
	return one(scatterElements, attrs, data, indices, updates)
}

var scatterElements *graph.Op

func init() {
	scatterElements = graph.Register(&graph.Op{
		Name: "ScatterElements", Since: 18, Doc: "y = data, with updates[i, j, …] at the position indices[i, j, …] along axis",
		Inputs: []graph.Arg{
			{Name: "data", Doc: "any shape with that axis"},
			{Name: "indices", Doc: "int64 or int32 of the rank of data"},
			{Name: "updates", Doc: "shape of indices, type of data"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "as data"}},
		Attrs: []graph.Attr{
			{Name: "axis", Kind: graph.IntAttr, Doc: "0 by default"},
			{Name: "reduction", Kind: graph.StringAttr, Doc: "none (default), add, mul, min or max"},
		},
		Infer: func(c *graph.Infer) error {
			if _, err := c.Shape(0).Axis(c.Int("axis", 0)); err != nil {
				return err
			}
			if len(c.Shape(1)) != len(c.Shape(0)) {
				return fmt.Errorf("indices %v and data %v differ in rank", c.Shape(1), c.Shape(0))
			}
			if err := c.WantShape(2, c.DType(0), c.Shape(1)...); err != nil {
				return err
			}
			return inferScatter(c)
		},
		Grad: func(c *graph.Grad) []Value {
			axis, dy := c.Int("axis", 0), c.DOut[0]
			dUpdates := GatherElements(dy, c.In(1), axis)
			return gradScatter(c, dUpdates, func() Value {
				return ScatterElements(dy, c.In(1), ZerosLike(c.In(2)), axis, "none")
			})
		},
		InPlace: []int{0},
	})
}

// inferScatter checks what the two scatter operators share.
func inferScatter(c *graph.Infer) error {
	if err := wantIndices(c, 1); err != nil {
		return err
	}
	known := []string{"none", "add", "mul", "min", "max"}
	if r := c.Str("reduction", "none"); !slices.Contains(known, r) {
		return fmt.Errorf("reduction %q: want one of %v", r, known)
	}
	return sameAsInput(c)
}

// gradScatter are the gradients of a scatter; overwritten is the gradient of data where
// updates replace elements. Where several updates meet at one element without a
// reduction, each gets the whole gradient.
func gradScatter(c *graph.Grad, dUpdates Value, overwritten func() Value) []Value {
	switch r := c.Str("reduction", "none"); r {
	case "none":
		return []Value{overwritten(), nil, dUpdates}
	case "add":
		return []Value{c.DOut[0], nil, dUpdates}
	default:
		c.G.Fail(fmt.Errorf("%s with reduction %q has no gradient: only none and add have", c.Op, r))
		return nil
	}
}
