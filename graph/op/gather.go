package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Gather picks slices of x along an axis by index; negative indices count from the end.
func Gather(x, indices Value, axis int64) Value { return one(gather, axisAttr(axis), x, indices) }

var gather *graph.Op

func init() {
	gather = graph.Register(&graph.Op{
		Name: "Gather", Since: 13, Doc: "y = x[…, indices, …]: slices of x along axis, chosen by index",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "any shape with that axis"}, {Name: "indices", Doc: "int64 or int32, any shape, negative counts from the end"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "x[:axis] + indices + x[axis+1:]"}},
		Attrs:   []graph.Attr{{Name: "axis", Kind: graph.IntAttr, Doc: "0 by default"}},
		Infer:   inferGather,
		Grad:    gradGather,
	})
}

func inferGather(c *graph.Infer) error {
	x := c.Shape(0)
	axis, err := x.Axis(c.Int("axis", 0))
	if err != nil {
		return err
	}
	if err := wantIndices(c, 1); err != nil {
		return err
	}
	out := append(append(append(graph.Shape(nil), x[:axis]...), c.Shape(1)...), x[axis+1:]...)
	c.Out(0, c.DType(0), out)
	content, ok0 := c.Content(0)
	indices, ok1 := c.ConstInts(1)
	if !ok0 || !ok1 || len(out) > 1 {
		return nil
	}
	picked := make([]graph.Dim, len(indices))
	for i, j := range indices {
		if j < 0 {
			j += int64(len(content))
		}
		if j < 0 || j >= int64(len(content)) {
			return fmt.Errorf("index %d is outside of %v", indices[i], x)
		}
		picked[i] = content[j]
	}
	c.SetContent(0, picked)
	return nil
}

// wantIndices checks that input i holds indices.
func wantIndices(c *graph.Infer, i int) error {
	if t := c.DType(i); t != graph.Int64 && t != graph.Int32 {
		return fmt.Errorf("indices are %v%v, want int64 or int32", t, c.Shape(i))
	}
	return nil
}

// gradGather adds the rows of dy to those of x that they came from. With another axis
// than the first, both are transposed so that it is the first.
func gradGather(c *graph.Grad) []Value {
	x, indices, dy := c.In(0), c.In(1), c.DOut[0]
	axis, err := x.Shape().Axis(c.Int("axis", 0))
	if err != nil {
		c.G.Fail(err)
		return nil
	}
	where := Unsqueeze(indices, -1)
	if where.Type.DType != graph.Int64 {
		where = Cast(where, graph.Int64)
	}
	if rows, ok := x.Dim(0).Int(); axis == 0 && ok && x.Type.DType == graph.Float32 {
		return []Value{GatherGrad(dy, Squeeze(where, -1), rows), nil}
	}
	if axis == 0 {
		return []Value{ScatterND(ZerosLike(x), where, dy, "add"), nil}
	}
	zeros := Transpose(ZerosLike(x), front(x.Rank(), axis, 1)...)
	moved := Transpose(dy, front(dy.Rank(), axis, indices.Rank())...)
	dx := ScatterND(zeros, where, moved, "add")
	return []Value{Transpose(dx, back(x.Rank(), axis)...), nil}
}

// front is the permutation that brings n axes from position at to the front.
func front(rank, at, n int) []int64 {
	perm := make([]int64, 0, rank)
	for i := range n {
		perm = append(perm, int64(at+i))
	}
	for i := range rank {
		if i < at || i >= at+n {
			perm = append(perm, int64(i))
		}
	}
	return perm
}

// back is the inverse of front for one axis.
func back(rank, at int) []int64 {
	perm := make([]int64, rank)
	for i, p := range front(rank, at, 1) {
		perm[p] = int64(i)
	}
	return perm
}
