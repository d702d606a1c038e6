package conformance

import (
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
)

// elsewhere are the project's operators that no case here has, with what tests them.
var elsewhere = map[string]string{
	"AdamW":          "golden trajectories of the peers' optimisers",
	"GlobalNorm":     "golden trajectories with clipping",
	"LimitCapacity":  "golden routings with a capacity",
	"DocumentStarts": "documents that begin anew, alone and packed, are equal",
}

// TestEveryFusedOperatorHasACase: an operator of the project's own whose kernel nothing
// compares with its lowering could mean something else than what is exported.
func TestEveryFusedOperatorHasACase(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Cases() {
		g := build(t, c)
		if !c.NoGradient {
			var seeds []*graph.Value
			for _, v := range g.Outputs {
				shape, _ := v.Shape().Ints()
				seeds = append(seeds, g.Const("seed", graph.Floats(shape, make([]float32, elements(v))...)))
			}
			if _, err := autodiff.Gradients(g, g.Outputs, seeds, g.Inputs); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
		}
		for _, n := range g.Nodes {
			seen[n.Op] = true
		}
	}
	for _, o := range graph.Ops() {
		if o.Domain != graph.Domain || seen[o.Name] == (elsewhere[o.Name] == "") {
			continue
		}
		if seen[o.Name] {
			t.Errorf("%s has a case now: take it off the list", o.Name)
		} else {
			t.Errorf("%s has no case", o.Name)
		}
	}
}
