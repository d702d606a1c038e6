package fuse_test

import (
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/fuse"
	"github.com/moezoo/moezoo/graph/op"
)

// ops lists the operators of a graph.
func ops(g *graph.Graph) map[string]int {
	n := map[string]int{}
	for _, node := range g.Nodes {
		n[node.Op]++
	}
	return n
}

func fused(t *testing.T, build func(g *graph.Graph)) map[string]int {
	t.Helper()
	g := graph.New("test")
	build(g)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	out, err := fuse.Graph(g)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Outputs) != len(g.Outputs) {
		t.Fatalf("%d outputs, had %d", len(out.Outputs), len(g.Outputs))
	}
	for i, v := range g.Outputs {
		if !out.Outputs[i].Shape().Equal(v.Shape()) {
			t.Fatalf("output %v was %v", out.Outputs[i], v)
		}
	}
	return ops(out)
}

func input(g *graph.Graph, name string, dims ...int64) *graph.Value {
	return g.Input(name, graph.Float32, graph.Dims(dims...))
}

func TestGatesAreFusedOnEitherSide(t *testing.T) {
	for _, swap := range []bool{false, true} {
		got := fused(t, func(g *graph.Graph) {
			y, z := input(g, "y", 4, 8), op.SiLU(input(g, "z", 4, 8))
			if swap {
				y, z = z, y
			}
			g.Output(op.Mul(y, z))
		})
		if len(got) != 1 || got["SiLUGate"] != 1 {
			t.Errorf("got %v", got)
		}
	}
}

func TestWhatIsReadElsewhereIsKept(t *testing.T) {
	got := fused(t, func(g *graph.Graph) {
		z := op.SiLU(input(g, "z", 4, 8))
		g.Output(op.Mul(input(g, "y", 4, 8), z), z)
	})
	if got["SiLU"] != 1 || got["SiLUGate"] != 0 {
		t.Errorf("got %v", got)
	}
	got = fused(t, func(g *graph.Graph) {
		xw := op.MatMul(input(g, "x", 4, 8), input(g, "w", 8, 128))
		g.Output(op.Split(xw, -1, 64, 64)...)
		g.Output(xw)
	})
	if got["Split"] != 1 || got["SplitMatMul"] != 0 {
		t.Errorf("got %v", got)
	}
}

func TestBroadcastGatesAreLeft(t *testing.T) {
	got := fused(t, func(g *graph.Graph) {
		g.Output(op.Mul(input(g, "y", 4, 8), op.SiLU(input(g, "z", 8))))
	})
	if got["SiLUGate"] != 0 {
		t.Errorf("got %v", got)
	}
}

func TestProductsThatAreSplitWriteTheirParts(t *testing.T) {
	split := func(axis int64, sizes ...int64) map[string]int {
		return fused(t, func(g *graph.Graph) {
			xw := op.MatMul(input(g, "x", 2, 128, 8), input(g, "w", 8, 128))
			g.Output(op.Split(xw, axis, sizes...)...)
		})
	}
	if got := split(-1, 64, 64); len(got) != 1 || got["SplitMatMul"] != 1 {
		t.Errorf("got %v", got)
	}
	for _, got := range []map[string]int{split(1, 64, 64), split(2, 100, 28)} { // another axis, a narrow part
		if got["SplitMatMul"] != 0 {
			t.Errorf("got %v", got)
		}
	}
}
