package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Split cuts x along an axis into parts of these extents.
func Split(x Value, axis int64, sizes ...int64) []Value {
	return many(split, axisAttr(axis), len(sizes), x, x.Graph().Int64s(sizes...))
}

// SplitSizes is Split into n parts whose extents, int64 [n], may be known only at run
// time.
func SplitSizes(x, sizes Value, axis int64, n int) []Value {
	return many(split, axisAttr(axis), n, x, sizes)
}

// SplitEven cuts x along an axis into n parts of equal extent; the last is smaller when
// n does not divide the extent.
func SplitEven(x Value, axis int64, n int) []Value {
	return many(split, graph.Attrs{"axis": axis, "num_outputs": int64(n)}, n, x)
}

var split *graph.Op

func init() {
	split = graph.Register(&graph.Op{
		Name: "Split", Since: 18, Doc: "y₀, y₁, … = x cut along axis",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "any shape"}, {Name: "split", Doc: "int64 [number of parts], their extents", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "a part", Variadic: true}},
		Attrs: []graph.Attr{
			{Name: "axis", Kind: graph.IntAttr, Doc: "0 by default"},
			{Name: "num_outputs", Kind: graph.IntAttr, Doc: "number of equal parts, the last may be smaller"},
		},
		Infer: inferSplit,
		Grad:  gradSplit,
	})
}

func inferSplit(c *graph.Infer) error {
	x := c.Shape(0)
	axis, err := x.Axis(c.Int("axis", 0))
	if err != nil {
		return err
	}
	sizes, err := splitSizes(c, x[axis], len(c.Outputs))
	if err != nil {
		return err
	}
	content, known := c.Content(0)
	var at int64
	for i, s := range sizes {
		out := append(graph.Shape(nil), x...)
		out[axis] = s
		c.Out(i, c.DType(0), out)
		if n, ok := s.Int(); ok && known && len(x) == 1 && at+n <= int64(len(content)) {
			c.SetContent(i, content[at:at+n])
			at += n
		} else {
			known = false
		}
	}
	return nil
}

// splitSizes are the extents of the n parts of an axis of extent d.
func splitSizes(c *graph.Infer, d graph.Dim, n int) ([]graph.Dim, error) {
	sizes := make([]graph.Dim, n)
	if !c.Has(1) {
		parts := graph.Const(int64(n))
		if k := c.Int("num_outputs", int64(n)); k != int64(n) {
			return nil, fmt.Errorf("num_outputs = %d for %d outputs", k, n)
		}
		rest := d
		for i := range sizes[:n-1] {
			sizes[i] = d.CeilDiv(parts)
			rest = rest.Sub(sizes[i])
		}
		sizes[n-1] = rest
		return sizes, nil
	}
	if err := c.Want(1, graph.Int64, 1); err != nil {
		return nil, err
	}
	if !c.Shape(1)[0].Is(int64(n)) {
		return nil, fmt.Errorf("%v extents for %d outputs", c.Shape(1)[0], n)
	}
	content, ok := c.Content(1)
	if !ok {
		if ints, isConst := c.ConstInts(1); isConst {
			content, ok = graph.Dims(ints...), true
		}
	}
	if !ok { // known at run time only
		for i := range sizes {
			sizes[i] = c.Graph().FreshSymbol("part", d)
		}
		return sizes, nil
	}
	total := graph.Const(0)
	for _, s := range content {
		total = total.Add(s)
	}
	if !total.Equal(d) {
		return nil, fmt.Errorf("the parts %v add up to %v, the axis has %v", graph.Shape(content), total, d)
	}
	return content, nil
}

func gradSplit(c *graph.Grad) []Value {
	parts := make([]Value, len(c.Outputs))
	for i, d := range c.DOut {
		parts[i] = d
		if d == nil {
			parts[i] = ZerosLike(c.Out(i))
		}
	}
	return []Value{Concat(c.Int("axis", 0), parts...), nil}[:len(c.Inputs)]
}
