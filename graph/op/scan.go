package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Scan runs body once for each position of the first axis of the inputs. body gets the
// states and one slice of each input, and gives the new states and one slice of each
// result. Scan gives the states after the last position and the results, the slices
// stacked along a new first axis. The body may use values from around it.
func Scan(body func(b *graph.Graph, states, inputs []Value) (newStates, outs []Value), states, inputs []Value) (final, outs []Value) {
	g := home(append(append([]Value(nil), states...), inputs...))
	b := g.NewBody("scan")
	var s, in []Value
	for _, v := range states {
		s = append(s, b.Input(b.Fresh("state"), v.Type.DType, v.Shape()))
	}
	for _, v := range inputs {
		if v.Rank() == 0 {
			g.Fail(fmt.Errorf("Scan: a scalar has no axis to run along"))
			return states, nil
		}
		in = append(in, b.Input(b.Fresh("slice"), v.Type.DType, v.Shape()[1:]))
	}
	newStates, results := body(b, s, in)
	if g.Err() != nil {
		return states, results
	}
	if len(newStates) != len(states) {
		g.Fail(fmt.Errorf("Scan: the body gives %d states, takes %d", len(newStates), len(states)))
		return states, results
	}
	closeBody(b, append(append([]Value(nil), newStates...), results...))
	attrs := graph.Attrs{"body": b, "num_scan_inputs": int64(len(inputs))}
	all := many(scan, attrs, len(states)+len(results), append(append([]Value(nil), states...), inputs...)...)
	return all[:len(states)], all[len(states):]
}

var scan *graph.Op

func init() {
	scan = graph.Register(&graph.Op{
		Name: "Scan", Since: 16, Doc: "runs body along an axis of the scan inputs, carrying states",
		Inputs:  []graph.Arg{{Name: "x", Doc: "the states, then the scan inputs", Variadic: true}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the last states, then the stacked results", Variadic: true}},
		Attrs: []graph.Attr{
			{Name: "body", Kind: graph.GraphAttr, Doc: "states and slices → new states and slices of results", Required: true},
			{Name: "num_scan_inputs", Kind: graph.IntAttr, Doc: "how many of the inputs are scanned", Required: true},
			{Name: "scan_input_axes", Kind: graph.IntsAttr, Doc: "0 by default"},
			{Name: "scan_input_directions", Kind: graph.IntsAttr, Doc: "1: backwards, 0 by default"},
			{Name: "scan_output_axes", Kind: graph.IntsAttr, Doc: "0 by default"},
			{Name: "scan_output_directions", Kind: graph.IntsAttr, Doc: "1: stacked from the end, 0 by default"},
		},
		Infer:  inferScan,
		NoGrad: controlFlow,
	})
}

func inferScan(c *graph.Infer) error {
	body, scanned := c.Body("body"), int(min(max(c.Int("num_scan_inputs", 0), 0), 1<<16))
	states := c.N() - scanned
	if scanned < 1 || states < 0 || len(body.Inputs) != c.N() || len(body.Outputs) < states {
		return fmt.Errorf("%d states and %d scan inputs for a body with %d inputs and %d outputs", states, scanned, len(body.Inputs), len(body.Outputs))
	}
	types, err := bodyTypes(body)
	if err != nil {
		return err
	}
	steps, err := scanSteps(c, states, scanned)
	if err != nil {
		return err
	}
	for i, t := range types {
		if i < states {
			if in := (graph.Type{DType: c.DType(i), Shape: c.Shape(i)}); !sameType(t, in) {
				return fmt.Errorf("state %d starts as %v, the body gives %v", i, in, t)
			}
			c.Out(i, t.DType, t.Shape)
			continue
		}
		out := make(graph.Shape, len(t.Shape)+1)
		axis, err := out.Axis(listed(c.Ints("scan_output_axes"), i-states))
		if err != nil {
			return err
		}
		copy(out, t.Shape[:axis])
		out[axis] = steps
		copy(out[axis+1:], t.Shape[axis:])
		c.Out(i, t.DType, out)
	}
	return nil
}

// scanSteps is the common extent of the scanned axes.
func scanSteps(c *graph.Infer, states, scanned int) (steps graph.Dim, err error) {
	for i := range scanned {
		s := c.Shape(states + i)
		axis, err := s.Axis(listed(c.Ints("scan_input_axes"), i))
		if err != nil {
			return steps, err
		}
		if i > 0 && !s[axis].Equal(steps) {
			return steps, fmt.Errorf("scan inputs of %v and %v positions", steps, s[axis])
		}
		steps = s[axis]
	}
	return steps, nil
}

// listed is element i of a list whose default is 0.
func listed(list []int64, i int) int64 {
	if i < len(list) {
		return list[i]
	}
	return 0
}
