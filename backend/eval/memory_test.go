package eval_test

import (
	"context"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// TestResultsThatAreStillNeededHaveALimit: a long chain needs two results at a time, a
// fan of results that are all added up at the end needs all of them.
func TestResultsThatAreStillNeededHaveALimit(t *testing.T) {
	const n, each = 100, 1 << 16
	build := func(fan bool) *graph.Graph {
		g := graph.New("test")
		x := g.Input("x", graph.Float32, graph.Dims(each/4))
		var all []*graph.Value
		h := x
		for range n {
			if h = op.Add(h, x); fan {
				h = op.Add(x, x)
				all = append(all, h)
			}
		}
		for _, v := range all {
			h = op.Mul(h, v)
		}
		g.Output(h)
		return g
	}
	d := cpu.New(1)
	defer d.Close()
	in := map[string]*backend.Tensor{"x": backend.NewTensor(graph.Float32, each/4)}
	run := func(fan bool) error {
		_, err := eval.New(build(fan), d, eval.Limits{Bytes: 10 * each}).Run(context.Background(), in)
		return err
	}
	if err := run(false); err != nil {
		t.Errorf("a chain: %v", err)
	}
	if err := run(true); err == nil || !strings.Contains(err.Error(), "still needed take more than") {
		t.Errorf("a fan: %v", err)
	}
}

// TestTurnsOfALoopDoNotAddUp runs many turns within a limit for few.
func TestTurnsOfALoopDoNotAddUp(t *testing.T) {
	g := graph.New("test")
	x := g.Input("x", graph.Float32, graph.Dims(1<<12))
	final, _ := op.Loop(g.Int64(1000), nil, func(_ *graph.Graph, _, again *graph.Value, s []*graph.Value) (*graph.Value, []*graph.Value, []*graph.Value) {
		return again, []*graph.Value{op.Add(op.Mul(s[0], s[0]), x)}, nil
	}, []*graph.Value{x})
	g.Output(final[0])
	d := cpu.New(1)
	defer d.Close()
	in := map[string]*backend.Tensor{"x": backend.NewTensor(graph.Float32, 1<<12)}
	if _, err := eval.New(g, d, eval.Limits{Bytes: 1 << 18}).Run(context.Background(), in); err != nil {
		t.Error(err)
	}
}
