package importer_test

import (
	"maps"
	"slices"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/op"
)

// selectiveScan is the operator alone, in the peer's layout [B, D, L].
func selectiveScan(g *golden) error {
	b := newBlockTest(g, nil, 0)
	n := b.g
	in := func(name string) blocks.Value {
		if !g.has("in." + name) {
			return nil
		}
		return n.Input("in."+name, graph.Float32, graph.Dims(g.shapeOf("in."+name)...))
	}
	u, delta, a, bm, cm, d, z, bias := in("u"), in("delta"), in("A"), in("B"), in("C"), in("D"), in("z"), in("delta_bias")
	timeMajor := func(x blocks.Value) blocks.Value { return op.Transpose(x, 0, 2, 1) } // [B, D, L] → [B, L, D]
	ut, dt := timeMajor(u), timeMajor(delta)
	if bias != nil {
		dt = op.Add(dt, bias)
	}
	if g.bool("delta_softplus") {
		dt = op.Softplus(dt)
	}
	shape := g.shapeOf("in.u")
	// grouped is [B, L, G, N] of [B, N, L], [B, G, N, L], or [D, N], which is a group per channel.
	grouped := func(x blocks.Value) blocks.Value {
		switch x.Rank() {
		case 2:
			return op.Expand(x, n.Int64s(shape[0], shape[2], g.int("dim"), g.int("dstate")))
		case 3:
			return op.Unsqueeze(op.Transpose(x, 0, 2, 1), 2)
		}
		return op.Transpose(x, 0, 3, 1, 2)
	}
	y, last := op.SelectiveScan(ut, dt, a, grouped(bm), grouped(cm), d, nil, nil)
	y = op.Transpose(y, 0, 2, 1)
	if z != nil {
		y = op.Mul(y, op.SiLU(z))
	}
	if err := n.Err(); err != nil {
		return err
	}
	return b.operator(map[string]blocks.Value{"u": u, "delta": delta, "A": a, "B": bm, "C": cm, "D": d, "z": z, "delta_bias": bias},
		map[string]blocks.Value{"y": y, "ylast_state": last})
}

// ssdMinimal is the operator of Mamba-2 alone: x comes multiplied by its step sizes, A as the
// logarithm of the decay, B and C for every head.
func ssdMinimal(g *golden) error {
	b := newBlockTest(g, nil, 0)
	n := b.g
	in := func(name string) blocks.Value {
		return n.Input("in."+name, graph.Float32, graph.Dims(g.shapeOf("in."+name)...))
	}
	x, a, bm, cm := in("X"), in("A"), in("B"), in("C")
	inputs := map[string]blocks.Value{"X": x, "A": a, "B": bm, "C": cm}
	var past blocks.Value
	if g.bool("initial_states") { // [B, 1, H, P, N]
		inputs["initial_states"] = in("initial_states")
		past = op.Squeeze(inputs["initial_states"], 1)
	}
	y, last := op.SSD(x, a, bm, cm, past, nil)
	return b.operator(inputs, map[string]blocks.Value{"y": y, "yfinal_state": last})
}

// operator compares outputs, and the gradients of all inputs that are there, by name.
func (b *blockTest) operator(inputs, outputs map[string]blocks.Value) error {
	g, n := b.golden, b.g
	if err := n.Err(); err != nil {
		return err
	}
	maps.DeleteFunc(inputs, func(_ string, v blocks.Value) bool { return v == nil })
	names := slices.Sorted(maps.Keys(inputs))
	var wrt, losses, seeds []*graph.Value
	for _, name := range names {
		wrt = append(wrt, inputs[name])
	}
	named := map[string]*graph.Value{}
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		v := outputs[name]
		named["out."+name] = v
		if g.has("cot." + name) {
			losses, seeds = append(losses, v), append(seeds, n.Input("cot."+name, graph.Float32, v.Shape()))
		}
	}
	grads, err := autodiff.Gradients(n, losses, seeds, wrt)
	if err != nil {
		return err
	}
	for i, v := range grads {
		named["gin."+names[i]] = v
	}
	for name, t := range b.run(n, named) {
		switch {
		case name[:3] == "out" && g.has(name):
			g.near(name, t.F32(), g.floats(name))
		case name[:3] == "gin":
			g.nearGradient(name, t.F32(), g.floats(name))
		}
	}
	return nil
}
