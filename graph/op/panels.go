package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Panels cuts the matrices op(w) [K, N] into panels of width columns, the last one filled up
// with zeros: w [K, N], or [N, K] with transB → [⌈N/width⌉, K, width]; the experts' [E, K, N]
// → [E, ⌈N/width⌉, K, width]. It is how a product reads them that need not pack them itself.
func Panels(w Value, width int64, transB bool) Value {
	attrs := graph.Attrs{"width": width}
	if transB {
		attrs["transB"] = int64(1)
	}
	return one(panels, attrs, w)
}

var panels *graph.Op

func init() {
	panels = graph.Register(&graph.Op{
		Name: "Panels", Domain: graph.Domain, Since: 1, Doc: "y[…, p, k, j] = B[…, k, p·width + j], 0 behind the last column; B = w or wᵀ",
		Inputs:  []graph.Arg{{Name: "w", Doc: "[K, N] or [E, K, N]; [N, K] or [E, N, K] with transB"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "[⌈N/width⌉, K, width], with E in front where w has it"}},
		Attrs: []graph.Attr{
			{Name: "width", Kind: graph.IntAttr, Doc: "columns of a panel", Required: true},
			{Name: "transB", Kind: graph.IntAttr, Doc: "1: of the transposes"},
		},
		Infer: func(c *graph.Infer) error {
			rank := len(c.Shape(0))
			if err := c.Want(0, graph.Float32, -1); err != nil {
				return err
			}
			width := c.Int("width", 0)
			if rank < 2 || rank > 3 || width < 1 {
				return fmt.Errorf("panels of %d columns of %v", width, c.Shape(0))
			}
			w := c.Shape(0)
			k, n := w[rank-2], w[rank-1]
			if c.Int("transB", 0) == 1 {
				k, n = n, k
			}
			columns, ok := n.Int()
			if !ok {
				return fmt.Errorf("%v: the number of columns must be known", w)
			}
			y := append(graph.Shape(nil), w[:rank-2]...)
			c.Out(0, graph.Float32, append(y, graph.Const((columns+width-1)/width), k, graph.Const(width)))
			return nil
		},
		NoGrad: "it is put in behind differentiation",
		Lower: func(c *graph.Lower) []Value {
			w, width := c.In(0), c.Int("width", 0)
			rank := w.Rank()
			batch := make([]int64, rank-2)
			if c.Int("transB", 0) == 1 {
				w = Transpose(w, permutation(rank, rank-1, rank-2)...)
			}
			n, k := intDim(w, rank-1), intDim(w, rank-2)
			count := (n + width - 1) / width
			fill := make([]int64, 2*rank)
			fill[2*rank-1] = count*width - n
			w = Pad(w, nil, fill...)
			for i := range batch {
				batch[i] = intDim(w, i)
			}
			cut := Reshape(w, append(batch, k, count, width)...)
			return []Value{Transpose(cut, permutation(rank+1, rank-1, rank-2, rank)...)}
		},
	})
}

// permutation is 0, 1, … with these axes at the end.
func permutation(rank int, last ...int) []int64 {
	out := make([]int64, 0, rank)
	for i := range rank - len(last) {
		out = append(out, int64(i))
	}
	for _, axis := range last {
		out = append(out, int64(axis))
	}
	return out
}

// fromPanels is op(w) [K, columns], or [E, K, columns], out of its panels.
func fromPanels(y Value, columns int64) Value {
	rank := y.Rank() - 1
	w := Transpose(y, permutation(rank+1, rank-1, rank-2, rank)...) // [..., K, P, width]
	dims := make([]int64, rank)
	for i := range rank - 1 {
		dims[i] = intDim(w, i)
	}
	dims[rank-1] = intDim(w, rank-1) * intDim(w, rank)
	return Slice(Reshape(w, dims...), int64(rank-1), 0, columns)
}
