package train

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/fuse"
	"github.com/moezoo/moezoo/graph/mixed"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/graph/recompute"
)

// trainable are the parameters that the optimiser changes.
func trainable(t *Task) []*graph.Param {
	var params []*graph.Param
	for _, p := range t.Train.Params {
		if !p.Frozen {
			params = append(params, p)
		}
	}
	return params
}

// build plans and compiles the programs of a step. A step's first micro-batch writes the
// gradients, those that follow add to them.
func (e *Engine) build(t *Task, o Optimizer) error {
	micro, saving, err := fit(e, t)
	if err != nil {
		return err
	}
	e.saving = saving
	plans := []*backend.Plan{micro.first}
	programs := []*backend.Program{&e.first}
	if micro.once != nil {
		plans, programs = append(plans, micro.once), append(programs, &e.prepare)
	}
	if micro.following != nil {
		plans, programs = append(plans, micro.following), append(programs, &e.following)
	}
	update, err := e.updatePlan(t, o)
	if err != nil {
		return err
	}
	plans, programs = append(plans, update), append(programs, &e.update)
	need := 0
	for _, p := range plans {
		need = max(need, p.Bytes())
	}
	if e.arena, err = e.device.Alloc(graph.Uint8, need); err != nil {
		return err
	}
	for i, p := range plans {
		if *programs[i], err = e.device.Compile(p, e.arena); err != nil {
			return err
		}
		if err := e.allocate(p.Graph, *programs[i]); err != nil {
			return err
		}
	}
	return nil
}

// gradientPlans plans the micro-batches of a step. What several of them have in common is
// taken out, unless it is to be computed anew.
func (e *Engine) gradientPlans(t *Task, s saving) (microPlans, error) {
	first, err := e.boundGraph(t, false, s)
	if err != nil {
		return microPlans{}, err
	}
	if e.sizes.Accumulate == 1 {
		return planned(e.device, first, nil)
	}
	following, err := e.boundGraph(t, true, s)
	switch {
	case err != nil:
		return microPlans{}, err
	case s.anew:
		return planned(e.device, first, following)
	}
	return prepared(e.device, first, following)
}

// boundGraph is the graph of gradients for the engine's sizes, with operators fused.
func (e *Engine) boundGraph(t *Task, adding bool, s saving) (*graph.Graph, error) {
	g, err := e.gradientGraph(t, adding, s)
	if err != nil {
		return nil, err
	}
	return fuse.Bound(g, e.symbols())
}

// gradientGraph is a copy of the task's graph with the gradient of every trainable
// parameter as an output, added to an input of the same name when adding.
func (e *Engine) gradientGraph(t *Task, adding bool, s saving) (*graph.Graph, error) {
	g := graph.New(t.Train.Name)
	c := graph.NewCopier(g, nil)
	c.Names, c.Rewrite = true, e.rules(t)
	t.Train.CopyInputs(c)
	c.Nodes(t.Train)
	loss := c.Value(t.Loss)
	wrt := make([]*graph.Value, len(e.params))
	for i, p := range e.params {
		wrt[i] = c.Value(p.Value)
	}
	again, forward := s.again(t, c, g), len(g.Nodes)
	seed := g.Float(1 / float64(e.sizes.Accumulate))
	grads, err := autodiff.Gradients(g, []*graph.Value{loss}, []*graph.Value{seed}, wrt)
	if err != nil {
		return nil, err
	}
	sums := map[*graph.Node]bool{}
	for i, p := range e.params {
		name := gradient + p.Value.Name
		switch {
		case grads[i] == nil:
			return nil, fmt.Errorf("parameter %s reaches no loss: it would never change", p.Value.Name)
		case adding:
			sum := op.Add(g.Input(name, graph.Float32, p.Value.Shape()), grads[i])
			g.Rename(sum, "sum/"+name)
			g.Output(sum)
			sums[sum.Node()] = true
		default:
			out := ownOutput(grads[i])
			g.Rename(out, name)
			g.Output(out)
		}
	}
	g.Nodes = early(g.Nodes, forward, sums)
	e.reports = e.reports[:0]
	all := append([]Report{{"loss", t.Loss}}, t.Reports...)
	for _, r := range all {
		v := ownOutput(c.Value(r.Value))
		g.Rename(v, "report/"+r.Name)
		g.Output(v)
		shape, ok := v.Shape().Ints()
		if !ok {
			return nil, fmt.Errorf("report %s: %v must have a fixed size", r.Name, v)
		}
		e.reports = append(e.reports, report{name: r.Name, host: backend.NewTensor(v.Type.DType, shape...)})
	}
	for _, u := range t.Updates {
		v, name := ownOutput(c.Value(u.Accumulate)), accumulated+u.Param.Name
		if adding {
			v = op.Add(g.Input(name, v.Type.DType, v.Shape()), v)
			name = "sum/" + name
		}
		g.Rename(v, name)
		g.Output(v)
	}
	if err := g.Err(); err != nil || s.none() {
		return g, err
	}
	return recompute.Graph(g, forward, again)
}

// early moves sums right behind the last node whose result they read, but not into the
// forward pass: a gradient that is added to others of its step needs memory no longer.
func early(nodes []*graph.Node, forward int, sums map[*graph.Node]bool) []*graph.Node {
	if len(sums) == 0 {
		return nodes
	}
	at, behind := map[*graph.Node]int{}, map[int][]*graph.Node{}
	for i, n := range nodes {
		at[n] = i
		if !sums[n] {
			continue
		}
		last := forward - 1
		n.Reads(func(v *graph.Value) {
			if v.Node() != nil {
				last = max(last, at[v.Node()])
			}
		})
		behind[last] = append(behind[last], n)
	}
	out := make([]*graph.Node, 0, len(nodes))
	for i, n := range nodes {
		if !sums[n] {
			out = append(out, n)
		}
		out = append(out, behind[i]...)
	}
	return out
}

// rules are the rewrites in front of differentiation.
func (e *Engine) rules(t *Task) func(n *graph.Node, in []*graph.Value) []*graph.Value {
	fused := fuse.Rules(t.Train)
	if !e.sizes.BFloat16 {
		return fused
	}
	rounded := mixed.Rules(func(name string) bool { return t.Float32 != nil && t.Float32(name) })
	return func(n *graph.Node, in []*graph.Value) []*graph.Value {
		if out := rounded(n, in); out != nil {
			return out
		}
		return fused(n, in)
	}
}

// ownOutput makes sure that a value can be an output under a name of its own: an input,
// a parameter, a constant, or a value that is an output already is copied.
func ownOutput(v *graph.Value) *graph.Value {
	if v.Node() == nil {
		return op.Identity(v)
	}
	for _, o := range v.Graph().Outputs {
		if o == v {
			return op.Identity(v)
		}
	}
	return v
}

// updatePlan is the plan of clipping, AdamW for every parameter, and the updates without a
// gradient.
func (e *Engine) updatePlan(t *Task, o Optimizer) (*backend.Plan, error) {
	g := graph.New("update")
	lr, step := g.Input("lr", graph.Float32, nil), g.Input("step", graph.Int64, nil)
	grads := make([]*graph.Value, len(e.params))
	for i, p := range e.params {
		grads[i] = g.Input(gradient+p.Value.Name, graph.Float32, p.Value.Shape())
	}
	norm, scale := op.GlobalNorm(o.Clip, grads...)
	g.Rename(norm, "norm")
	g.Output(norm)
	for i, p := range e.params {
		name, shape := p.Value.Name, p.Value.Shape()
		spec := o.AdamWSpec
		if !p.Decay && !o.DecayAll {
			spec.Decay = 0
		}
		w, m, v := g.Input(name, graph.Float32, shape), g.Input(momentOne+name, graph.Float32, shape), g.Input(momentTwo+name, graph.Float32, shape)
		w2, m2, v2 := op.AdamW(w, grads[i], m, v, lr, scale, step, spec)
		for _, out := range []struct {
			v    *graph.Value
			name string
		}{{w2, name}, {m2, momentOne + name}, {v2, momentTwo + name}} {
			g.Rename(out.v, next+out.name)
			g.Output(out.v)
		}
	}
	for _, u := range t.Updates {
		old := g.Input(u.Param.Name, graph.Float32, u.Param.Shape())
		gathered := g.Input(accumulated+u.Param.Name, u.Accumulate.Type.DType, u.Accumulate.Shape())
		updated := ownOutput(g.Inline(u.Function, old, gathered)[0])
		g.Rename(updated, next+u.Param.Name)
		g.Output(updated)
	}
	if err := g.Err(); err != nil {
		return nil, err
	}
	return backend.NewPlan(g, e.symbols(), e.device)
}

// next begins the name of an output that replaces the buffer of the same name.
const next = "next/"

func (e *Engine) symbols() map[string]int64 {
	return map[string]int64{"batch_size": int64(e.sizes.Batch), "sequence_length": int64(e.sizes.Context)}
}

// allocate makes the buffers that a program's interface names and binds them. Outputs
// that replace an input share its buffer.
func (e *Engine) allocate(g *graph.Graph, p backend.Program) error {
	bind := func(v *graph.Value) error {
		name := v.Name
		for _, prefix := range []string{next, "sum/"} {
			if len(name) > len(prefix) && name[:len(prefix)] == prefix {
				name = name[len(prefix):]
			}
		}
		if e.buffers[name] == nil {
			shape, _ := v.Type.Shape.Ints()
			b, err := e.device.Alloc(v.Type.DType, shape...)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			e.buffers[name] = b
		}
		return p.Bind(v.Name, e.buffers[name])
	}
	for _, v := range g.Inputs {
		if err := bind(v); err != nil {
			return err
		}
	}
	for _, q := range g.Params {
		if err := bind(q.Value); err != nil {
			return err
		}
	}
	for _, v := range g.Outputs {
		if err := bind(v); err != nil {
			return err
		}
	}
	return nil
}
