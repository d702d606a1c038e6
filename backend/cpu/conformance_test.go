package cpu_test

import (
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/conformance"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
)

func TestConformance(t *testing.T) {
	for _, threads := range []int{1, 3} {
		d := cpu.New(threads)
		conformance.Run(t, d)
		d.Close()
	}
}

// TestEveryGradientAndLoweringHasACase walks the operator table: what can be differentiated
// is compared with differences, what can be lowered with its lowering. Operators that only
// gradients are made of come with those.
func TestEveryGradientAndLoweringHasACase(t *testing.T) {
	has := map[string]bool{}
	for _, c := range conformance.Cases() {
		g := graph.New(c.Name)
		c.Build(g)
		for _, n := range g.Nodes {
			has[n.Domain+"."+n.Op] = true
		}
	}
	for _, o := range graph.Ops() {
		if (o.Grad != nil || o.Lower != nil) && !has[o.Domain+"."+o.Name] && !strings.HasSuffix(o.Name, "Grad") {
			t.Errorf("%s has no case in backend/conformance", strings.TrimPrefix(o.Domain+"."+o.Name, "."))
		}
	}
}
