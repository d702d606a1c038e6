package eval

import (
	"context"
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph"
)

// Limits keep a hostile file from exhausting the machine.
type Limits struct {
	Elements   int // of one tensor; 0 for 2²⁸
	Bytes      int // of all results that are still needed; 0 for 8 GiB
	Iterations int // of all loops together; 0 for 10⁷
}

// Evaluator runs one graph, as often as wanted, one run at a time.
type Evaluator struct {
	g      *graph.Graph
	device *cpu.Device
	limits Limits
	last   map[*graph.Node][]*graph.Value // of the graph itself: what nothing reads behind a node
}

// New prepares to run a graph on a device.
func New(g *graph.Graph, d *cpu.Device, l Limits) *Evaluator {
	if l.Elements == 0 {
		l.Elements = 1 << 28
	}
	if l.Bytes == 0 {
		l.Bytes = 8 << 30
	}
	if l.Iterations == 0 {
		l.Iterations = 10_000_000
	}
	return &Evaluator{g, d, l, lastReads(g)}
}

// lastReads finds, for every node, the results of nodes that are not needed any more
// behind it.
func lastReads(g *graph.Graph) map[*graph.Node][]*graph.Value {
	reader := map[*graph.Value]*graph.Node{}
	for _, n := range g.Nodes {
		for _, v := range n.Outputs {
			reader[v] = n // until something reads it
		}
		n.Reads(func(v *graph.Value) {
			if v.Node() != nil {
				reader[v] = n
			}
		})
	}
	for _, v := range g.Outputs {
		delete(reader, v)
	}
	last := map[*graph.Node][]*graph.Value{}
	for v, n := range reader {
		last[n] = append(last[n], v)
	}
	return last
}

// Run computes the outputs, in their order, from inputs and parameters by name.
func (e *Evaluator) Run(ctx context.Context, inputs map[string]*backend.Tensor) ([]*backend.Tensor, error) {
	r := &run{Evaluator: e, ctx: ctx, value: map[*graph.Value]*backend.Tensor{}, left: e.limits.Iterations}
	need := append([]*graph.Value(nil), e.g.Inputs...)
	for _, p := range e.g.Params {
		need = append(need, p.Value)
	}
	for _, v := range need {
		t := inputs[v.Name]
		if t == nil {
			return nil, fmt.Errorf("input %q is missing", v.Name)
		}
		if v.Known() && t.DType != v.Type.DType {
			return nil, fmt.Errorf("input %q is %v, want %v", v.Name, t.DType, v.Type.DType)
		}
		r.value[v] = t
	}
	return r.graph(e.g)
}

// run is the state of one run. Bodies of control flow share it with the graph around
// them: their values are set anew at every turn.
type run struct {
	*Evaluator
	ctx   context.Context
	value map[*graph.Value]*backend.Tensor
	left  int // iterations
	bytes int // of results that are still needed
}

// graph runs all nodes and answers the outputs.
func (r *run) graph(g *graph.Graph) ([]*backend.Tensor, error) {
	for _, n := range g.Nodes {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.node(n); err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", n.Name, n.Op, err)
		}
		for _, v := range r.last[n] {
			r.drop(v)
		}
	}
	out := make([]*backend.Tensor, len(g.Outputs))
	for i, v := range g.Outputs {
		if out[i] = r.look(v); out[i] == nil {
			return nil, fmt.Errorf("output %q was not computed", v.Name)
		}
	}
	return out, nil
}

// drop forgets a result. Those of control flow were counted inside of it.
func (r *run) drop(v *graph.Value) {
	if t := r.value[v]; t != nil && !controlFlow[v.Node().Op] {
		r.bytes -= len(t.Data)
	}
	delete(r.value, v)
}

// controlFlow is what the evaluator runs itself.
var controlFlow = map[string]bool{"Scan": true, "Loop": true, "If": true}

func (r *run) look(v *graph.Value) *backend.Tensor {
	if v == nil {
		return nil
	}
	if t := r.value[v]; t != nil {
		return t
	}
	if d := v.Data(); d != nil {
		t := backend.FromGraph(d)
		r.value[v] = t
		return t
	}
	return nil
}

func (r *run) node(n *graph.Node) error {
	in := make([]*backend.Tensor, len(n.Inputs))
	for i, v := range n.Inputs {
		if v == nil {
			continue
		}
		if in[i] = r.look(v); in[i] == nil {
			return fmt.Errorf("input %q was not computed", v.Name)
		}
	}
	if n.Domain == "" {
		switch n.Op {
		case "Scan":
			return r.scan(n, in)
		case "Loop":
			return r.loop(n, in)
		case "If":
			return r.branch(n, in)
		}
	}
	return r.kernel(n, in)
}

// kernel infers the shapes of the outputs, allocates them, and runs the kernel.
func (r *run) kernel(n *graph.Node, in []*backend.Tensor) error {
	k, ok := cpu.Lookup(n.Domain, n.Op)
	if !ok {
		return fmt.Errorf("there is no kernel for it")
	}
	types, err := graph.InferTypes(n, known(in))
	if err != nil {
		return err
	}
	call := &backend.Call{Node: n, In: in}
	for i, v := range n.Outputs {
		shape, ok := types[i].Shape.Ints()
		if !ok {
			return fmt.Errorf("output %d has the unknown shape %v", i, types[i].Shape)
		}
		if err := r.fits(shape); err != nil {
			return err
		}
		t := &backend.Tensor{DType: types[i].DType, Shape: shape}
		if v.Name != "" {
			if r.bytes += t.Elements() * t.DType.Size(); r.bytes > r.limits.Bytes {
				return fmt.Errorf("the results that are still needed take more than %d MiB", r.limits.Bytes>>20)
			}
			t = backend.NewTensor(types[i].DType, shape...)
		}
		call.Out = append(call.Out, t)
	}
	if k.Scratch != nil {
		call.Scratch = backend.AlignedBytes(k.Scratch(r.device, call))
	}
	if err := k.Run(r.device, call); err != nil {
		return err
	}
	for i, v := range n.Outputs {
		r.drop(v) // in a loop, that of the turn before
		r.value[v] = call.Out[i]
	}
	return nil
}

// fits refuses tensors over the limit.
func (r *run) fits(shape []int) error {
	n := 1
	for _, d := range shape {
		if d != 0 && n > r.limits.Elements/d {
			return fmt.Errorf("a result of shape %v has more than %d elements", shape, r.limits.Elements)
		}
		n *= d
	}
	return nil
}

// known is what inference may look at of run-time tensors: everything.
func known(in []*backend.Tensor) []*graph.Known {
	out := make([]*graph.Known, len(in))
	for i, t := range in {
		if t == nil {
			continue
		}
		k := &graph.Known{Type: graph.Type{DType: t.DType}, Data: t.ToGraph()}
		for _, d := range t.Shape {
			k.Type.Shape = append(k.Type.Shape, graph.Const(int64(d)))
		}
		k.Content = graph.ContentOf(k.Data)
		out[i] = k
	}
	return out
}

// turn counts an iteration of a loop.
func (r *run) turn() error {
	if r.left--; r.left < 0 {
		return fmt.Errorf("more than %d iterations of loops", r.limits.Iterations)
	}
	return r.ctx.Err()
}
