package cpu

import (
	"context"
	"fmt"
	"time"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// Compile fixes the memory and the kernel of every step of a plan.
func (d *Device) Compile(p *backend.Plan, arena backend.Buffer) (backend.Program, error) {
	memory, err := workspace(p, arena)
	if err != nil {
		return nil, err
	}
	prog := &program{device: d, external: map[string]*slot{}, arena: memory[:p.Arena:p.Arena], scratch: memory[p.Arena:]}
	for _, n := range p.Nodes {
		if err := prog.add(p, n); err != nil {
			return nil, err
		}
	}
	for _, v := range p.Graph.Inputs {
		prog.slot(v)
	}
	for _, q := range p.Graph.Params {
		prog.slot(q.Value)
	}
	for _, v := range p.Graph.Outputs {
		if err := prog.output(p, v); err != nil {
			return nil, err
		}
	}
	return prog, nil
}

// workspace is the memory for arena and scratch of a plan: that which is shared, if it is
// large enough.
func workspace(p *backend.Plan, shared backend.Buffer) ([]byte, error) {
	if shared == nil {
		return backend.AlignedBytes(p.Bytes()), nil
	}
	host, ok := shared.(*Buffer)
	if !ok {
		return nil, fmt.Errorf("an arena of another device (%T)", shared)
	}
	if len(host.t.Data) < p.Bytes() {
		return backend.AlignedBytes(p.Bytes()), nil
	}
	return host.t.Data[:p.Bytes()], nil
}

// program is a list of kernel calls whose tensors are fixed, but for those that the
// caller binds.
type program struct {
	device         *Device
	steps          []step
	external       map[string]*slot
	arena, scratch []byte
	checked        bool
	ahead          *ahead // known when checked
	observe        func(n *graph.Node, took time.Duration)
}

// Observe has every node's time told to f; nil ends it.
func (g *program) Observe(f func(n *graph.Node, took time.Duration)) { g.observe = f }

type step struct {
	run  func(d *Device, c *backend.Call) error
	call backend.Call
	name string
}

// slot is a name the caller binds, with every tensor that lies in its memory.
type slot struct {
	value *graph.Value
	views []*backend.Tensor
	bound bool
}

func (g *program) slot(v *graph.Value) *slot {
	s := g.external[v.Name]
	if s == nil {
		s = &slot{value: v}
		g.external[v.Name] = s
	}
	return s
}

// output makes sure that an output of the graph has a name to bind. One that is a view
// of an input, or a constant, is that memory itself.
func (g *program) output(p *backend.Plan, v *graph.Value) error {
	switch place := p.Place[v]; place.Where {
	case backend.External:
		if place.Root == v {
			g.slot(v)
		}
		return nil
	case backend.Constant:
		return fmt.Errorf("output %v is a constant", v)
	}
	return fmt.Errorf("output %v is computed by no node", v)
}

func (g *program) add(p *backend.Plan, n *graph.Node) error {
	if err := g.device.Supports(n); err != nil {
		return fmt.Errorf("%s: %w", n.Name, err)
	}
	k, _ := Lookup(n.Domain, n.Op)
	op, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		return err
	}
	if op.View && p.Place[n.Outputs[0]].Root == rootOfInput(p, n) {
		return nil // the same memory under another shape
	}
	s := step{run: k.Run, call: backend.Call{Node: n, Scratch: g.scratch}, name: n.Name}
	for _, v := range n.Inputs {
		s.call.In = append(s.call.In, g.tensor(p, v))
	}
	for _, v := range n.Outputs {
		s.call.Out = append(s.call.Out, g.tensor(p, v))
	}
	g.steps = append(g.steps, s)
	return nil
}

func rootOfInput(p *backend.Plan, n *graph.Node) *graph.Value {
	place := p.Place[n.Inputs[0]]
	if place.Where == backend.Constant {
		return nil
	}
	return place.Root
}

// tensor is the run-time tensor of a value: nil for an absent input, without data for
// an output that nothing reads.
func (g *program) tensor(p *backend.Plan, v *graph.Value) *backend.Tensor {
	if v == nil {
		return nil
	}
	shape, _ := v.Type.Shape.Ints()
	t := &backend.Tensor{DType: v.Type.DType, Shape: shape}
	size := t.Elements() * t.DType.Size()
	switch place := p.Place[v]; place.Where {
	case backend.Constant:
		return backend.FromGraph(place.Data)
	case backend.InArena:
		t.Data = g.arena[place.Offset : place.Offset+size : place.Offset+size]
	case backend.External:
		s := g.slot(place.Root)
		s.views = append(s.views, t)
	}
	return t
}

// Bind sets the memory behind a name.
func (g *program) Bind(name string, b backend.Buffer) error {
	s := g.external[name]
	if s == nil {
		return fmt.Errorf("the program has no input, parameter or output %q", name)
	}
	host, ok := b.(*Buffer)
	if !ok {
		return fmt.Errorf("%q: a buffer of another device (%T)", name, b)
	}
	n, _ := s.value.Type.Shape.Elements().Int()
	if want := int(n) * s.value.Type.DType.Size(); host.t.DType != s.value.Type.DType || len(host.t.Data) != want {
		return fmt.Errorf("%q: got %v%v, want %v", name, host.t.DType, host.t.Shape, s.value.Type)
	}
	for _, t := range s.views {
		t.Data = host.t.Data
	}
	s.bound = true
	g.checked = false
	return nil
}

// Run executes all steps. It stops between two steps when ctx ends.
func (g *program) Run(ctx context.Context, _ backend.Stream) error {
	if !g.checked {
		for name, s := range g.external {
			if !s.bound {
				return fmt.Errorf("%q is not bound", name)
			}
		}
		g.checked = true
		g.ahead = g.newAhead()
	}
	g.ahead.begin(g.device.Pool)
	for i := range g.steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		s := &g.steps[i]
		g.ahead.step(i)
		var start time.Time
		if g.observe != nil {
			start = time.Now()
		}
		if err := s.run(g.device, &s.call); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if g.observe != nil {
			g.observe(s.call.Node, time.Since(start))
		}
	}
	return nil
}

// Close lets go of the arena.
func (g *program) Close() {
	g.ahead.end(g.device.Pool)
	g.steps, g.arena, g.scratch, g.ahead = nil, nil, nil, nil
}
