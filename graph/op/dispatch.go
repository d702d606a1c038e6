package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Dispatched is a routing in the order in which experts compute: all rows of expert 0,
// then of expert 1, and so on, each in token order. There are R = T·k rows, whatever the
// routing; only the offsets depend on it.
type Dispatched struct {
	Order   Value // int64 [R]: the assignment t·k + j that row r came from
	Inverse Value // int64 [R]: the row of assignment t·k + j
	Offsets Value // int64 [E+1]: expert e has rows offsets[e] … offsets[e+1]−1
	K       int64
	Partial bool // assignments may be dropped: rows from offsets[E] on belong to nobody
}

// Dispatch sorts assignments by expert. experts is int64 [T, k] with entries 0 … E−1, or
// −1 where an assignment was dropped; partial says that there may be such entries.
func Dispatch(experts Value, e int64, partial bool) Dispatched {
	k := intDim(experts, 1)
	out := many(dispatch, graph.Attrs{"experts": e}, 3, experts)
	return Dispatched{Order: out[0], Inverse: out[1], Offsets: out[2], K: k, Partial: partial}
}

var dispatch *graph.Op

func init() {
	dispatch = graph.Register(&graph.Op{
		Name: "Dispatch", Domain: graph.Domain, Since: 1,
		Doc:    "order = assignments sorted by (expert, assignment), dropped ones (−1) last; inverse = its inverse; offsets = where each expert's rows begin",
		Inputs: []graph.Arg{{Name: "experts", Doc: "int64 [T, k], −1 where dropped"}},
		Outputs: []graph.Arg{
			{Name: "order", Doc: "int64 [T·k]"}, {Name: "inverse", Doc: "int64 [T·k]"}, {Name: "offsets", Doc: "int64 [E+1]"},
		},
		Attrs: []graph.Attr{{Name: "experts", Kind: graph.IntAttr, Doc: "E", Required: true}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Int64, 2); err != nil {
				return err
			}
			e := c.Int("experts", 0)
			if e < 1 {
				return fmt.Errorf("%d experts", e)
			}
			rows := graph.Shape{c.Shape(0).Elements()}
			c.Out(0, graph.Int64, rows)
			c.Out(1, graph.Int64, rows)
			c.Out(2, graph.Int64, graph.ShapeOf(e+1))
			return nil
		},
		NoGrad: "its outputs are integer; gradients flow through the weights",
		Lower:  lowerDispatch,
	})
}

// lowerDispatch sorts by the key expert·n + assignment: all keys differ, so the order
// never depends on how a runtime breaks ties.
func lowerDispatch(c *graph.Lower) []Value {
	e := c.Int("experts", 0)
	zero, one := c.G.Int64(0), c.G.Int64(1)
	flat := Reshape(c.In(0), -1)
	n := Squeeze(ShapeOf(flat), 0)
	last := Where(Less(flat, zero), c.G.Int64(e), flat)
	key := Add(Mul(last, n), Range(zero, n, one))
	_, order := TopK(key, Unsqueeze(n, 0), 0, false, true)
	_, inverse := TopK(order, Unsqueeze(n, 0), 0, false, true)
	ids := make([]int64, e)
	for i := range ids {
		ids[i] = int64(i)
	}
	hits := Cast(Equal(Unsqueeze(flat, 1), c.G.Int64s(ids...)), graph.Int64) // [n, E]
	ends := CumSum(ReduceSum(hits, []int64{0}, false), 0)
	return []Value{order, inverse, Concat(0, c.G.Int64s(0), ends)}
}

// LimitCapacity drops assignments beyond an expert's capacity: experts int64 [T, k], or
// [B, L, k] to count within each row, → the same with −1 where dropped. The capacity is
// ⌊factor·k·T/E⌋ (L in place of T per row), at least 1 and at most T. Slots are claimed in
// token order, first choices before second.
func LimitCapacity(experts Value, e int64, factor float64) Value {
	return one(limitCapacity, graph.Attrs{"experts": e, "factor": float32(factor)}, experts)
}

// LimitCapacityTo is LimitCapacity with a capacity given as a number.
func LimitCapacityTo(experts Value, e, capacity int64) Value {
	return one(limitCapacity, graph.Attrs{"experts": e, "capacity": capacity}, experts)
}

var limitCapacity *graph.Op

func init() {
	limitCapacity = graph.Register(&graph.Op{
		Name: "LimitCapacity", Domain: graph.Domain, Since: 1,
		Doc:     "y = experts, −1 where the expert's capacity was used up by earlier tokens or earlier choices",
		Inputs:  []graph.Arg{{Name: "experts", Doc: "int64 [T, k], or [B, L, k] to count within each row"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "as experts"}},
		Attrs: []graph.Attr{
			{Name: "experts", Kind: graph.IntAttr, Doc: "E", Required: true},
			{Name: "factor", Kind: graph.FloatAttr, Doc: "capacity = ⌊factor·k·T/E⌋ within [1, T]"},
			{Name: "capacity", Kind: graph.IntAttr, Doc: "the capacity itself, instead of a factor"},
		},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Int64, -1); err != nil {
				return err
			}
			if r := len(c.Shape(0)); r != 2 && r != 3 {
				return fmt.Errorf("experts: got %v, want [T, k] or [B, L, k]", c.Shape(0))
			}
			if !(c.Float("factor", 0) > 0) && c.Int("capacity", 0) < 1 {
				return fmt.Errorf("needs a positive factor or a capacity of at least 1")
			}
			return sameAsInput(c)
		},
		NoGrad:  "its output is integer",
		NoLower: "capacity is a training option: files route without dropping",
	})
}
