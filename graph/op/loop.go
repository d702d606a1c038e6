package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Loop runs body while the condition holds, at most trips times; trips (int64 scalar) and
// condition (bool scalar) may each be nil. body gets the number of the turn, the
// condition and the states, and gives the next condition, the new states and one slice of
// each result. Loop gives the last states and the slices stacked along a new first
// axis, whose extent is known at run time only.
func Loop(trips, condition Value, body func(b *graph.Graph, turn, condition Value, states []Value) (next Value, newStates, outs []Value), states []Value) (final, outs []Value) {
	g := home(append([]Value{trips, condition}, states...))
	b := g.NewBody("loop")
	turn := b.Input(b.Fresh("turn"), graph.Int64, nil)
	again := b.Input(b.Fresh("condition"), graph.Bool, nil)
	var s []Value
	for _, v := range states {
		s = append(s, b.Input(b.Fresh("state"), v.Type.DType, v.Shape()))
	}
	next, newStates, results := body(b, turn, again, s)
	if g.Err() != nil {
		return states, results
	}
	if len(newStates) != len(states) {
		g.Fail(fmt.Errorf("Loop: the body gives %d states, takes %d", len(newStates), len(states)))
		return states, results
	}
	closeBody(b, append(append([]Value{next}, newStates...), results...))
	all := many(loop, graph.Attrs{"body": b}, len(states)+len(results), append([]Value{trips, condition}, states...)...)
	return all[:len(states)], all[len(states):]
}

var loop *graph.Op

func init() {
	loop = graph.Register(&graph.Op{
		Name: "Loop", Since: 16, Doc: "runs body while the condition holds, at most trips times, carrying states",
		Inputs: []graph.Arg{
			{Name: "trips", Doc: "int64 scalar, no limit when absent", Optional: true},
			{Name: "condition", Doc: "bool scalar, true when absent", Optional: true},
			{Name: "x", Doc: "the states", Variadic: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "the last states, then the stacked results", Variadic: true}},
		Attrs: []graph.Attr{
			{Name: "body", Kind: graph.GraphAttr, Doc: "turn, condition, states → condition, new states, slices of results", Required: true},
		},
		Infer:  inferLoop,
		NoGrad: controlFlow,
	})
}

func inferLoop(c *graph.Infer) error {
	body := c.Body("body")
	states := max(c.N()-2, 0)
	if len(body.Inputs) != states+2 || len(body.Outputs) < states+1 {
		return fmt.Errorf("%d states for a body with %d inputs and %d outputs", states, len(body.Inputs), len(body.Outputs))
	}
	types, err := bodyTypes(body)
	if err != nil {
		return err
	}
	upper := graph.Const(1 << 31)
	if trips, ok := c.Content(0); ok && len(trips) == 1 {
		upper = trips[0]
	}
	turns := c.Graph().FreshSymbol("turns", upper)
	for i, t := range types[1:] {
		if i >= states {
			c.Out(i, t.DType, append(graph.Shape{turns}, t.Shape...))
			continue
		}
		if in := (graph.Type{DType: c.DType(i + 2), Shape: c.Shape(i + 2)}); !sameType(t, in) {
			return fmt.Errorf("state %d starts as %v, the body gives %v", i, in, t)
		}
		c.Out(i, t.DType, t.Shape)
	}
	return nil
}
