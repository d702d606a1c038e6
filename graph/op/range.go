package op

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
)

// Range counts from start up to, but without, limit in steps of delta, all scalars of
// one type.
func Range(start, limit, delta Value) Value { return one(rangeOp, nil, start, limit, delta) }

var rangeOp *graph.Op

func init() {
	rangeOp = graph.Register(&graph.Op{
		Name: "Range", Since: 11, Doc: "y[i] = start + i·delta for i < (limit − start)/delta",
		Inputs: []graph.Arg{
			{Name: "start", Doc: "scalar"}, {Name: "limit", Doc: "scalar, not included"}, {Name: "delta", Doc: "scalar, not 0"},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "[⌈(limit − start)/delta⌉], none when negative"}},
		Infer:   inferRange,
		NoGrad:  "it counts, and its length depends on its inputs",
	})
}

func inferRange(c *graph.Infer) error {
	for i := range 3 {
		if err := wantNumbers(c, i); err != nil {
			return err
		}
		if err := c.Want(i, c.DType(0), 0); err != nil {
			return err
		}
	}
	if c.DType(0).IsFloat() {
		return inferFloatRange(c)
	}
	start, ok0 := c.Content(0)
	limit, ok1 := c.Content(1)
	delta, ok2 := c.Content(2)
	if !ok0 || !ok1 || !ok2 {
		return fmt.Errorf("the bounds must be known while the graph is built")
	}
	if delta[0].Is(0) {
		return fmt.Errorf("delta is 0")
	}
	n := limit[0].Sub(start[0]).CeilDiv(delta[0])
	if !n.NonNegative() {
		n = n.Max(graph.Const(0))
	}
	c.Out(0, c.DType(0), graph.Shape{n})
	if count, ok := n.Int(); ok && count <= 64 {
		content := make([]graph.Dim, count)
		for i := range content {
			content[i] = start[0].Add(delta[0].Mul(graph.Const(int64(i))))
		}
		c.SetContent(0, content)
	}
	return nil
}

func inferFloatRange(c *graph.Infer) error {
	var v [3]float64
	for i := range v {
		t := c.Data(i)
		if t == nil {
			return fmt.Errorf("the bounds must be known while the graph is built")
		}
		f, err := t.Float64s()
		if err != nil {
			return err
		}
		v[i] = f[0]
	}
	n := math.Max(math.Ceil((v[1]-v[0])/v[2]), 0)
	if math.IsNaN(n) || n > math.MaxInt32 {
		return fmt.Errorf("%v values from %v to %v in steps of %v", n, v[0], v[1], v[2])
	}
	c.Out(0, c.DType(0), graph.ShapeOf(int64(n)))
	return nil
}
