package lower_test

import (
	"strings"
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/lower"
	"github.com/moezoo/moezoo/graph/op"
)

// TestRecurrencesOfUnknownWidthAreAnError: lowerings write the widths of states as numbers. One
// that is a symbol is an error that names the operator, and nothing is indexed or divided by
// what is not known. Seen to panic without the checks behind the sizes.
func TestRecurrencesOfUnknownWidthAreAnError(t *testing.T) {
	for name, build := range map[string]func(in func(name string, dims ...any) *graph.Value) *graph.Value{
		"SelectiveScan": func(in func(string, ...any) *graph.Value) *graph.Value {
			u, bc := in("u", "B", "L", "D"), []any{"B", "L", "G", "N"}
			y, _ := op.SelectiveScan(u, in("delta", "B", "L", "D"), in("a", "D", "N"), in("b", bc...), in("c", bc...), nil, nil, nil)
			return y
		},
		"SSD": func(in func(string, ...any) *graph.Value) *graph.Value {
			bc := []any{"B", "L", "G", "N"}
			y, _ := op.SSD(in("x", "B", "L", "H", "P"), in("decay", "B", "L", "H"), in("b", bc...), in("c", bc...), nil, nil)
			return y
		},
		"GatedDelta": func(in func(string, ...any) *graph.Value) *graph.Value {
			qk, each := []any{"B", "L", "Hk", "Dk"}, []any{"B", "L", "Hv"}
			y, _ := op.GatedDelta(in("q", qk...), in("k", qk...), in("v", "B", "L", "Hv", "Dv"), in("decay", each...), in("beta", each...), nil, nil)
			return y
		},
		"DiagonalScan": func(in func(string, ...any) *graph.Value) *graph.Value {
			y, _ := op.DiagonalScan(in("u", "B", "L", "C"), in("a", "C", "M", 2), in("w", "O", "C", "M", 2), nil, nil)
			return y
		},
		"RGLRU": func(in func(string, ...any) *graph.Value) *graph.Value {
			g := in("x", "B", "L", "W").Graph()
			y, _ := op.RGLRU(g.Inputs[0], in("decay", "B", "L", "W"), g.Input("position", graph.Int64, graph.ShapeOf("B", "L")), nil)
			return y
		},
	} {
		g := graph.New(name)
		y := build(func(input string, dims ...any) *graph.Value {
			return g.Input(input, graph.Float32, graph.ShapeOf(dims...))
		})
		if err := g.Err(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		g.Output(y)
		if _, err := lower.Graph(g); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "must be a number") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
