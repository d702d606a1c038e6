package export

import (
	"context"
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
)

// fold computes every value that depends on weights and constants alone, and answers a
// graph without the nodes behind them: weights stand as the runtime wants them, A
// evaluated and transposed, each expert's matrix on its own.
func fold(g *graph.Graph, weight func(name string) *backend.Tensor) (*graph.Graph, error) {
	fixed, frontier := foldable(g)
	if len(frontier) == 0 {
		return g, nil
	}
	data, err := compute(g, fixed, frontier, weight)
	if err != nil {
		return nil, fmt.Errorf("folding constants: %w", err)
	}
	out := graph.New(g.Name)
	c := graph.NewCopier(out, nil)
	c.Names = true
	g.CopyInputs(c)
	for _, v := range frontier {
		c.Map(v, out.Const(v.Name, data[v]))
	}
	for _, n := range g.Nodes {
		if !fixed[n] {
			c.Node(n)
		}
	}
	g.CopyOutputs(c)
	if err := out.Err(); err != nil {
		return nil, err
	}
	out.Prune()
	dropParams(out)
	return out, nil
}

// foldable finds the nodes that depend on weights and constants alone, and of their
// outputs those that other nodes or the graph's outputs read.
func foldable(g *graph.Graph) (map[*graph.Node]bool, []*graph.Value) {
	fixed := map[*graph.Node]bool{}
	isFixed := func(v *graph.Value) bool {
		return v == nil || v.Data() != nil || v.Param() != nil || v.Node() != nil && fixed[v.Node()]
	}
	for _, n := range g.Nodes {
		all := len(n.Inputs) > 0
		for _, v := range n.Inputs {
			all = all && isFixed(v)
		}
		for _, a := range n.Attrs {
			if _, body := a.(*graph.Graph); body {
				all = false
			}
		}
		for _, v := range n.Outputs {
			if _, ok := v.Shape().Ints(); !ok {
				all = false
			}
		}
		if all && !widens(n) {
			fixed[n] = true
		}
	}
	seen := map[*graph.Value]bool{}
	var frontier []*graph.Value
	need := func(v *graph.Value) {
		if v != nil && v.Node() != nil && fixed[v.Node()] && !seen[v] {
			seen[v] = true
			frontier = append(frontier, v)
		}
	}
	for _, n := range g.Nodes {
		if !fixed[n] {
			n.Reads(need)
		}
	}
	for _, v := range g.Outputs {
		need(v)
	}
	return fixed, frontier
}

// widens reports whether a node makes float32 of weights that are stored in less: that is
// left to whoever runs the file.
func widens(n *graph.Node) bool {
	if n.Domain != "" || n.Op != "Cast" && n.Op != "DequantizeLinear" {
		return false
	}
	t := n.Inputs[0].Type.DType
	return t == graph.BFloat16 || t == graph.Float16 || t == graph.Int8
}

// compute runs the fixed nodes.
func compute(g *graph.Graph, fixed map[*graph.Node]bool, frontier []*graph.Value, weight func(name string) *backend.Tensor) (map[*graph.Value]*graph.Tensor, error) {
	sub := graph.New("constants")
	c := graph.NewCopier(sub, nil)
	for _, n := range g.Nodes {
		if fixed[n] {
			c.Node(n)
		}
	}
	// A folded integer would be planned away: every result is read through a copy.
	results := make([]*graph.Value, len(frontier))
	identity, err := graph.Lookup("", "Identity")
	if err != nil {
		return nil, err
	}
	for i, v := range frontier {
		results[i] = sub.Apply(identity, nil, 1, c.Value(v))[0]
		sub.Rename(results[i], fmt.Sprintf("result.%d", i))
		sub.Output(results[i])
	}
	if err := sub.Err(); err != nil {
		return nil, err
	}
	d := cpu.New(0)
	defer d.Close()
	plan, err := backend.NewPlan(sub, nil, d)
	if err != nil {
		return nil, err
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	for _, q := range plan.Graph.Params {
		w := weight(q.Value.Name)
		if w == nil {
			return nil, fmt.Errorf("parameter %s has no data", q.Value.Name)
		}
		if err := p.Bind(q.Value.Name, cpu.Wrap(w)); err != nil {
			return nil, err
		}
	}
	out := map[*graph.Value]*graph.Tensor{}
	for i, v := range frontier {
		shape, _ := v.Shape().Ints()
		t := backend.NewTensor(v.Type.DType, shape...)
		if err := p.Bind(fmt.Sprintf("result.%d", i), cpu.Wrap(t)); err != nil {
			return nil, err
		}
		out[v] = t.ToGraph()
	}
	return out, p.Run(context.Background(), nil)
}

// dropParams removes parameters that no node reads any more.
func dropParams(g *graph.Graph) {
	used := map[*graph.Value]bool{}
	for _, n := range g.Nodes {
		n.Reads(func(v *graph.Value) { used[v] = true })
	}
	kept := g.Params[:0]
	for _, p := range g.Params {
		if used[p.Value] {
			kept = append(kept, p)
		}
	}
	g.Params = kept
}
