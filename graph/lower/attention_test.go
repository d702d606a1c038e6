package lower_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/lower"
	"github.com/moezoo/moezoo/graph/op"
)

// attending is a graph of one attention of q [2, 3, 4, 8] over keys of two heads: those of a
// cache of past positions, -1 for none, and three behind it.
func attending(past int64, masked bool, window int64) *graph.Graph {
	g := graph.New("attention")
	kv := func(name string) *graph.Value {
		rows := g.Input(name, graph.Float32, graph.Dims(2, 2, 3, 8))
		if past < 0 {
			return rows
		}
		held := g.State(name+".0", graph.Float32, graph.Dims(2, 2, past, 8), 0)
		all := op.Concat(2, held, rows)
		g.SetState(held, all)
		g.Rename(all, "present."+name)
		return all
	}
	q, k, v := g.Input("q", graph.Float32, graph.Dims(2, 3, 4, 8)), kv("key"), kv("value")
	var mask *graph.Value
	if masked {
		mask = g.Input("mask", graph.Int64, graph.Dims(2, max(past, 0)+3))
	}
	y := op.Attention(q, k, v, nil, mask, nil, op.AttentionSpec{Scale: 0.3, Window: window})
	g.Outputs = append([]*graph.Value{y}, g.Outputs...)
	return g
}

// TestAttentionIsOneOperatorWithItsCache compares the standard's operator with the project's
// own kernel and with the other lowering, of products and a softmax.
func TestAttentionIsOneOperatorWithItsCache(t *testing.T) {
	d := cpu.New(2)
	defer d.Close()
	for _, past := range []int64{-1, 0, 4} {
		for _, masked := range []bool{false, true} {
			for _, window := range []int64{0, 2} {
				name := fmt.Sprintf("past %d, masked %v, window %d", past, masked, window)
				g := attending(past, masked, window)
				one, err := lower.Attention(g)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if one, err = lower.Graph(one); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				n := map[string]int{}
				for _, node := range one.Nodes {
					n[node.Op]++
				}
				if n["Attention"] != 1 || n["Concat"] != 0 || n["Softmax"] != 0 {
					t.Errorf("%s: %v", name, n)
				}
				products, err := lower.Graph(g)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				rng := rand.New(rand.NewPCG(uint64(past+2), uint64(window)))
				in := map[string]*backend.Tensor{}
				for _, v := range g.Inputs {
					shape, _ := v.Shape().Ints()
					in[v.Name] = backend.NewTensor(v.Type.DType, shape...)
					for i := range in[v.Name].Elements() {
						if v.Name == "mask" {
							in["mask"].I64()[i] = min(int64(i), 1) // the first key of the first row is padding
						} else {
							in[v.Name].F32()[i] = float32(rng.NormFloat64())
						}
					}
				}
				want := results(t, g, d, in)
				for how, other := range map[string]*graph.Graph{"operator": one, "products": products} {
					for i, got := range results(t, other, d, in) {
						if other.Outputs[i].Name != g.Outputs[i].Name && i > 0 {
							t.Errorf("%s, %s: output %d is called %q, not %q", name, how, i, other.Outputs[i].Name, g.Outputs[i].Name)
						}
						first := 0
						if i == 0 && masked && past <= 0 {
							first = 4 * 8 // the first query sees nothing but padding: any finite number
						}
						near(t, fmt.Sprintf("%s, %s, output %d", name, how, i), got, want[i], first)
					}
				}
			}
		}
	}
}

func results(t *testing.T, g *graph.Graph, d *cpu.Device, in map[string]*backend.Tensor) []*backend.Tensor {
	t.Helper()
	out, err := eval.New(g, d, eval.Limits{}).Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// near accepts what sums of tens of float32 numbers in another order differ by; the elements in
// front of first need only be finite.
func near(t *testing.T, name string, got, want *backend.Tensor, first int) {
	t.Helper()
	if fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		t.Errorf("%s: shape %v, want %v", name, got.Shape, want.Shape)
		return
	}
	for i, w := range want.F32() {
		g := float64(got.F32()[i])
		if math.IsNaN(g) || math.IsInf(g, 0) || i >= first && !(math.Abs(g-float64(w)) <= 1e-5) {
			t.Errorf("%s: element %d is %v, want %v", name, i, g, w)
			return
		}
	}
}
