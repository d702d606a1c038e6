package blocks

import (
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// Mixture makes projections inside of a mixer conditional: at each of its sites experts
// stand in place of a matrix. With a router at every site it is the inner mixture of
// MoE-Mamba's appendix (arXiv 2401.04081); with one router for all of them and experts of one
// matrix it is Routing Mamba (arXiv 2506.18145); at "select" experts make Δ, B and C, so that
// one state has parameters of several experts, as in Swimba (arXiv 2603.06938). Nothing is
// dropped.
type Mixture struct {
	Experts int64 // E
	TopK    int64 // k
	Sites   []Site
	// Router sees the mixer's input and decides for all sites; nil when each has its own. The
	// router's weights then count once, at the last site: before it the outputs of the chosen
	// experts are summed as they are.
	Router *plugins.Function
}

// Site is a projection of a mixer that is a mixture.
type Site struct {
	Name   string            // "conv", a scope
	Router *plugins.Function // sees the projection's input; nil for a shared router
	Expert *plugins.Function
	DIn    int64
	DOut   int64
}

// Routers are the routers of all sites.
func (m *Mixture) Routers() []*plugins.Function {
	if m == nil {
		return nil
	}
	if m.Router != nil {
		return []*plugins.Function{m.Router}
	}
	var out []*plugins.Function
	for _, s := range m.Sites {
		out = append(out, s.Router)
	}
	return out
}

// has tells whether one of the sites is a mixture.
func (m *Mixture) has(sites ...string) bool {
	return m != nil && slices.ContainsFunc(m.Sites, func(s Site) bool { return slices.Contains(sites, s.Name) })
}

// mixing is a mixture on its way through a mixer.
type mixing struct {
	*Mixture
	shared *routed // what the one router decided, nil when there is none
}

// begin asks the shared router about the mixer's input x [B, L, D].
func (m *Mixture) begin(c *Context, x Value, d int64) mixing {
	if m == nil || m.Router == nil {
		return mixing{Mixture: m}
	}
	r := c.route(m.Router, op.Reshape(x, -1, d), m.Experts, m.TopK)
	if r != nil {
		r.report(c)
	}
	return mixing{m, r}
}

// project is the projection of x [B, L, DIn] at a site: that of its experts, or the dense one.
func (m mixing) project(c *Context, site string, x Value, dense func() Value) Value {
	if !m.has(site) || c.G.Err() != nil {
		return dense()
	}
	i := slices.IndexFunc(m.Sites, func(s Site) bool { return s.Name == site })
	s, last := m.Sites[i], i == len(m.Sites)-1
	defer c.G.Scope(site)()
	flat := op.Reshape(x, -1, s.DIn)
	r := m.shared
	if r == nil {
		if r = c.route(s.Router, flat, m.Experts, m.TopK); r == nil {
			return dense()
		}
		r.report(c)
	}
	y := r.through(c, "experts", s.Expert, flat, m.shared == nil || last)
	if y == nil {
		c.G.Fail(fmt.Errorf("%s: no projection", site))
		return dense()
	}
	return op.ReshapeTo(y, op.Concat(0, op.Slice(op.ShapeOf(x), 0, 0, 2), c.G.Int64s(s.DOut)))
}
