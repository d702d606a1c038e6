package conformance

import (
	"maps"
	"slices"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Case is one operator at one size.
type Case struct {
	Name string
	// Build adds the operator to g and answers its outputs.
	Build func(g *graph.Graph) []*graph.Value
	// NoGradient leaves out the comparison with central differences.
	NoGradient bool
	// Panels is for devices alone that read panels of so many columns; 0 for all devices.
	Panels int64
}

// input adds a float input; its values are drawn by Run. The beginning of the name says
// how: "pos" positive, "neg" negative, else around 0.
func input(g *graph.Graph, name string, dims ...int64) *graph.Value {
	return g.Input(name, graph.Float32, graph.Dims(dims...))
}

// Cases are all cases.
func Cases() []Case {
	var out []Case
	add := func(name string, build func(g *graph.Graph) []*graph.Value) {
		out = append(out, Case{Name: name, Build: build})
	}
	one := func(v *graph.Value) []*graph.Value { return []*graph.Value{v} }
	for _, n := range []int64{1, 7, 8, 33} {
		add("SiLU", func(g *graph.Graph) []*graph.Value { return one(op.SiLU(input(g, "x", 3, n))) })
		add("Gelu", func(g *graph.Graph) []*graph.Value { return one(op.Gelu(input(g, "x", 3, n))) })
		add("SiLUGate", func(g *graph.Graph) []*graph.Value {
			return one(op.SiLUGate(input(g, "y", 3, n), input(g, "z", 3, n)))
		})
		add("SplitMatMul", func(g *graph.Graph) []*graph.Value {
			return op.SplitMatMul(input(g, "x", 2, 3, n), input(g, "w", n, n+9), n, 5, 4)
		})
		add("RMSNorm", func(g *graph.Graph) []*graph.Value {
			d := n + 1 // a single number normalises to its sign, which has no difference quotient
			return one(op.RMSNorm(input(g, "x", 2, 3, d), input(g, "gain", d), input(g, "bias", d), 1e-5))
		})
		add("CausalConv", func(g *graph.Graph) []*graph.Value {
			y, next := op.CausalConv(input(g, "x", 2, 5, n), input(g, "w", n, 4), input(g, "bias", n), input(g, "past", 2, n, 3), nil)
			return []*graph.Value{y, next}
		})
	}
	for _, s := range [][5]int64{{1, 1, 8, 16, 1}, {2, 5, 6, 4, 1}, {1, 17, 16, 16, 1}, {2, 33, 12, 3, 2}, {1, 16, 5, 4, 5}} { // B, L, D, N, G
		add("SelectiveScan", func(g *graph.Graph) []*graph.Value {
			y, state := op.SelectiveScan(input(g, "u", s[0], s[1], s[2]), input(g, "pos_delta", s[0], s[1], s[2]), input(g, "neg_a", s[2], s[3]),
				input(g, "b", s[0], s[1], s[4], s[3]), input(g, "c", s[0], s[1], s[4], s[3]), input(g, "d", s[2]), input(g, "past", s[0], s[2], s[3]), nil)
			return []*graph.Value{y, state}
		})
	}
	for _, s := range [][5]int64{{1, 1, 3, 2, 1}, {2, 5, 4, 3, 2}, {1, 33, 7, 2, 1}} { // B, L, C, M, O
		add("DiagonalScan", func(g *graph.Graph) []*graph.Value {
			y, state := op.DiagonalScan(input(g, "u", s[0], s[1], s[2]), op.Scale(op.Tanh(input(g, "a", s[2], s[3], 2)), 0.7), input(g, "w", s[4], s[2], s[3], 2), input(g, "past", s[0], s[2], s[3], 2), nil)
			return []*graph.Value{y, state}
		})
	}
	for _, s := range [][6]int64{{1, 1, 2, 3, 1, 4}, {2, 5, 4, 3, 2, 5}, {1, 64, 3, 4, 1, 8}, {2, 131, 4, 4, 4, 3}} { // B, L, H, P, G, N
		add("SSD", func(g *graph.Graph) []*graph.Value {
			bc := func(name string) *graph.Value { return input(g, name, s[0], s[1], s[4], s[5]) }
			y, state := op.SSD(input(g, "x", s[0], s[1], s[2], s[3]), input(g, "neg_decay", s[0], s[1], s[2]), bc("b"), bc("c"), input(g, "past", s[0], s[2], s[3], s[5]), nil)
			return []*graph.Value{y, state}
		})
	}
	for _, s := range [][6]int64{{1, 1, 1, 1, 3, 2}, {2, 5, 1, 2, 4, 8}, {1, 70, 2, 2, 4, 4}} { // B, L, Hk, Hv, Dk, Dv
		add("GatedDelta", func(g *graph.Graph) []*graph.Value {
			o, state := op.GatedDelta(input(g, "q", s[0], s[1], s[2], s[4]), op.Scale(op.Tanh(input(g, "k", s[0], s[1], s[2], s[4])), 0.4), input(g, "v", s[0], s[1], s[3], s[5]),
				input(g, "neg_decay", s[0], s[1], s[3]), op.Sigmoid(input(g, "beta", s[0], s[1], s[3])), input(g, "past", s[0], s[3], s[4], s[5]), nil)
			return []*graph.Value{o, state}
		})
	}
	for _, s := range [][3]int64{{1, 1, 3}, {2, 7, 5}} { // B, L, W
		add("RGLRU", func(g *graph.Graph) []*graph.Value {
			ids := make([]int64, s[0]*s[1])
			for i := range ids {
				ids[i] = (3 + int64(i)) % 5
			}
			h, state := op.RGLRU(input(g, "x", s[:]...), input(g, "neg_decay", s[:]...), g.Const("position", graph.Ints([]int{int(s[0]), int(s[1])}, ids...)), input(g, "past", s[0], s[2]))
			return []*graph.Value{h, state}
		})
	}
	for _, s := range [][7]int64{{1, 1, 1, 1, 1, 4, 0}, {2, 5, 5, 4, 2, 8, 0}, {1, 3, 9, 2, 2, 6, 0}, {1, 20, 20, 3, 1, 16, 0}, {2, 9, 9, 2, 1, 4, 3}, {1, 3, 9, 2, 2, 6, 4}} { // B, L, S, Hq, Hkv, Dh, window
		add("Attention", func(g *graph.Graph) []*graph.Value {
			return one(op.Attention(input(g, "q", s[0], s[1], s[3], s[5]), input(g, "k", s[0], s[4], s[2], s[5]), input(g, "v", s[0], s[4], s[2], s[5]), nil, nil, nil, op.AttentionSpec{Scale: 0.5, Window: s[6]}))
		})
	}
	for _, spec := range []op.RopeSpec{{Base: 100, Dims: 6}, {Base: 100, Dims: 6, Interleaved: true}, {Base: 100, Dims: 6, Scale: []float32{1, 0.5, 0.125}}} {
		add("Rope", func(g *graph.Graph) []*graph.Value {
			return one(op.Rope(input(g, "x", 2, 5, 3, 8), g.Int64(3), spec))
		})
	}
	for _, s := range [][4]int64{{1, 1, 1, 4}, {7, 2, 3, 5}, {40, 1, 8, 16}} { // T, k, E, D
		experts := func(g *graph.Graph) *graph.Value {
			ids := make([]int64, s[0]*s[1])
			for i := range ids {
				ids[i] = int64(i*i*7+i) % s[2]
			}
			return g.Const("experts", graph.Ints([]int{int(s[0]), int(s[1])}, ids...))
		}
		add("experts", func(g *graph.Graph) []*graph.Value {
			d := op.Dispatch(experts(g), s[2], false)
			rows := op.TakeRows(input(g, "x", s[0], s[3]), d)
			rows = op.Add(op.GroupedMatMul(rows, input(g, "w", s[2], s[3], 6), d), op.ExpertRows(input(g, "bias", s[2], 6), d))
			return one(op.Combine(rows, input(g, "weight", s[0], s[1]), d))
		})
		add("SumRows", func(g *graph.Graph) []*graph.Value {
			d := op.Dispatch(experts(g), s[2], false)
			return one(op.SumRows(op.Mul(op.TakeRows(input(g, "x", s[0], s[3]), d), input(g, "y", s[0]*s[1], s[3])), d))
		})
	}
	for _, s := range [][4]int64{{1, 1, 1, 4}, {7, 3, 2, 5}, {40, 4, 9, 16}} { // T, E, C, D
		add("ScatterRows", func(g *graph.Graph) []*graph.Value {
			ids := make([]int64, s[1]*s[2])
			for i := range ids {
				ids[i] = int64(i) % s[2] * 3 % s[0] // no token twice for one expert, some for several
			}
			token := g.Const("token", graph.Ints([]int{int(s[1]), int(s[2])}, ids...))
			like := g.Const("like", graph.Floats([]int{int(s[0])}, make([]float32, s[0])...))
			return one(op.ScatterRows(input(g, "rows", s[1]*s[2], s[3]), token, like))
		})
	}
	add("CrossEntropy", func(g *graph.Graph) []*graph.Value {
		return one(op.CrossEntropy(input(g, "logits", 4, 9), g.Const("target", graph.Ints([]int{4}, 0, 8, op.IgnoreTarget, 3))))
	})
	out = append(out, Case{Name: "CacheAppend", NoGradient: true, Build: func(g *graph.Graph) []*graph.Value {
		return one(op.CacheAppend(input(g, "cache", 2, 2, 7, 3), input(g, "rows", 2, 2, 3, 3), g.Int64(2)))
	}})
	for _, s := range [][5]int64{{1, 1, 1, 2, 3}, {2, 7, 3, 4, 2}, {1, 70, 2, 8, 5}} { // B, L, H, P, N
		out = append(out, Case{Name: "LinearAttention", NoGradient: true, Build: func(g *graph.Graph) []*graph.Value {
			keys := func(name string) *graph.Value { return input(g, name, s[0], s[1], s[2]*s[4]) }
			return linearAttention(keys("q"), keys("k"), input(g, "v", s[0], s[1], s[2]*s[3]), input(g, "past", s[0], s[2], s[4], s[3]), input(g, "neg_decay", s[0], s[1], s[2]))
		}})
	}
	out = append(out, narrow()...)
	out = append(out, products()...)
	return append(out, standard()...)
}

// linearAttention is the operator of that name; models have it through a lowering alone.
func linearAttention(in ...*graph.Value) []*graph.Value {
	g, heads := in[0].Graph(), in[3].Dim(1)
	o, err := graph.Lookup(graph.Contrib, "LinearAttention")
	if err != nil {
		g.Fail(err)
		return nil
	}
	h, _ := heads.Int()
	return g.Apply(o, graph.Attrs{"q_num_heads": h, "kv_num_heads": h, "scale": float32(1), "update_rule": "gated"}, 2, in...)
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
