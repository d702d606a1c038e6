package cpu

import (
	"context"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// compiled is a token that meets a table, of which one row is read, and a matrix of 1,024 rows.
func compiled(t *testing.T, threads int, columns int64) *program {
	t.Helper()
	g := graph.New("token")
	x, id := g.Input("x", graph.Float32, graph.ShapeOf(1, 1024)), g.Input("id", graph.Int64, graph.ShapeOf(1))
	bias := g.Param("bias", graph.Init{}, false, 1024)
	table, matrix := g.Param("table", graph.Init{}, false, 4096, 1024), g.Param("matrix", graph.Init{}, false, 1024, columns)
	g.Output(op.MatMul(op.Add(op.Add(x, bias), op.Gather(table, id, 0)), matrix))
	d := New(threads)
	t.Cleanup(func() { _ = d.Close() })
	plan, err := backend.NewPlan(g, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	for _, v := range slices.Concat(plan.Graph.Inputs, []*graph.Value{bias, table, matrix}, plan.Graph.Outputs) {
		shape, _ := v.Shape().Ints()
		b, err := d.Alloc(v.Type.DType, shape...)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Bind(v.Name, b); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Run(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return p.(*program)
}

// What is read ahead is what steps read whole: of x and the bias one piece each, nothing of the
// table, and of the matrix as much as is kept.
func TestTokensReadAheadWhatTheyReadWhole(t *testing.T) {
	a := compiled(t, 2, 8448).ahead
	if a == nil {
		t.Fatal("nothing is read ahead")
	}
	if want := []int{2, 2, 2, 258}; !slices.Equal(a.behind, want) {
		t.Fatalf("pieces behind steps: %v, want %v", a.behind, want)
	}
	if compiled(t, 2, 4224).ahead != nil {
		t.Fatal("weights that fit into the caches are read ahead")
	}
	if compiled(t, 1, 8448).ahead != nil {
		t.Fatal("nobody is idle")
	}
}
