package importer_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/importer"
)

// output is a value compared with out.NAME. Its part of the loss is Σ value · cot.NAME, or
// the value itself times a seed when it is an auxiliary loss.
type output struct {
	name string
	v    blocks.Value
	seed blocks.Value // nil: the recorded cotangent
}

// blockTest runs one block forward and backward.
type blockTest struct {
	*golden
	names   importer.Names
	experts int
	infer   bool // take the inference form of routers
	g       *graph.Graph
	x       blocks.Value
	outputs []output
}

func newBlockTest(g *golden, names importer.Names, experts int) *blockTest {
	return &blockTest{golden: g, names: names, experts: experts, g: graph.New("block")}
}

// build makes the block's graph on the recorded input in.x [B, L, D].
func (b *blockTest) build(d int64, forward func(c *blocks.Context, x blocks.Value) []output) {
	shape := b.shapeOf("in.x")
	b.x = b.g.Input("in.x", graph.Float32, graph.Dims(shape...))
	b.buildOn(b.x, forward)
}

// buildOn makes the block's graph on x [B, L, D], which comes from the recorded input.
func (b *blockTest) buildOn(x blocks.Value, forward func(c *blocks.Context, x blocks.Value) []output) {
	shape := x.Shape()
	c := &blocks.Context{G: b.g, Train: !b.infer, TokenIDs: b.g.Input("input_ids", graph.Int64, shape[:2])}
	b.outputs = forward(c, x)
	if err := b.g.Err(); err != nil {
		b.t.Fatal(err)
	}
}

// check compares outputs and all gradients.
func (b *blockTest) check() {
	b.t.Helper()
	g := b.g
	var losses, seeds []*graph.Value
	for _, o := range b.outputs {
		seed := o.seed
		if seed == nil {
			seed = g.Input("cot."+o.name, graph.Float32, o.v.Shape())
		}
		losses, seeds = append(losses, o.v), append(seeds, seed)
	}
	wrt := []*graph.Value{b.x}
	params := slices.DeleteFunc(slices.Clone(g.Params), func(p *graph.Param) bool { return p.Frozen })
	for _, p := range params {
		wrt = append(wrt, p.Value)
	}
	grads, err := autodiff.Gradients(g, losses, seeds, wrt)
	if err != nil {
		b.t.Fatal(err)
	}
	named := map[string]*graph.Value{}
	for _, o := range b.outputs {
		named["out."+o.name] = o.v
	}
	for i, v := range grads {
		if v == nil {
			b.t.Fatalf("%v has no gradient", wrt[i])
		}
		named[fmt.Sprintf("grad.%d", i)] = v
	}
	got := b.run(g, named)
	for _, o := range b.outputs {
		if b.has("out." + o.name) {
			b.near(o.name, got["out."+o.name].F32(), b.floats("out."+o.name))
		}
	}
	if b.has("gin.x") {
		b.nearGradient("x", got["grad.0"].F32(), b.floats("gin.x"))
	} else {
		b.nearGradient("u", got["grad.0"].F32(), b.floats("gin.u"))
	}
	for i, p := range params {
		b.nearGradient(p.Value.Name, got[fmt.Sprintf("grad.%d", i+1)].F32(), b.weight(b.names, b.experts, "gw.", p))
	}
}

// run computes named values; inputs are taken from the tensors of the same name, parameters
// from the weights.
func (b *blockTest) run(g *graph.Graph, named map[string]*graph.Value) map[string]*backend.Tensor {
	b.t.Helper()
	out := map[string]*backend.Tensor{}
	for name, v := range named {
		y := op.Identity(v)
		g.Rename(y, name)
		g.Output(y)
	}
	d := cpu.New(2)
	defer d.Close()
	plan, err := backend.NewPlan(g, nil, d)
	if err != nil {
		b.t.Fatal(err)
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	bind := func(name string, t *backend.Tensor) {
		if err := p.Bind(name, cpu.Wrap(t)); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, v := range plan.Graph.Inputs {
		shape, _ := v.Shape().Ints()
		t := backend.NewTensor(v.Type.DType, shape...)
		switch {
		case !b.has(v.Name):
		case v.Type.DType == graph.Int64:
			copy(t.I64(), b.ints(v.Name))
		default:
			copy(t.F32(), b.floats(v.Name))
		}
		bind(v.Name, t)
	}
	for _, q := range plan.Graph.Params {
		shape, _ := q.Value.Shape().Ints()
		t := backend.NewTensor(graph.Float32, shape...)
		copy(t.F32(), b.weight(b.names, b.experts, "w.", q))
		bind(q.Value.Name, t)
	}
	for _, v := range plan.Graph.Outputs {
		shape, _ := v.Shape().Ints()
		out[v.Name] = backend.NewTensor(v.Type.DType, shape...)
		bind(v.Name, out[v.Name])
	}
	if err := p.Run(context.Background(), nil); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// stepBlock runs a mixer token by token and compares outputs and final states. The peer
// keeps K columns of the convolution's past, we the last K−1 that a step needs.
func stepBlock(g *golden, m blocks.Block, width, taps int64) error {
	if !g.has("step.y") {
		return nil
	}
	shape := g.shapeOf("in.x")
	batch, length := shape[0], shape[1]
	net := graph.New("step")
	c := &blocks.Context{G: net, Mode: blocks.Decode, TokenIDs: net.Input("input_ids", graph.Int64, graph.Dims(batch, 1))}
	x := net.Input("x", graph.Float32, graph.Dims(batch, 1, width))
	y := op.Identity(m.Forward(c, x))
	net.Rename(y, "y")
	net.Output(y)
	d := cpu.New(1)
	defer d.Close()
	plan, err := backend.NewPlan(net, nil, d)
	if err != nil {
		return err
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		return err
	}
	tensors := map[string]*backend.Tensor{}
	tensor := func(v *graph.Value) *backend.Tensor {
		s, _ := v.Shape().Ints()
		t := backend.NewTensor(v.Type.DType, s...)
		tensors[v.Name] = t
		return t
	}
	for _, v := range plan.Graph.Inputs {
		if err := p.Bind(v.Name, cpu.Wrap(tensor(v))); err != nil {
			return err
		}
	}
	for _, v := range plan.Graph.Outputs {
		if err := p.Bind(v.Name, cpu.Wrap(tensor(v))); err != nil {
			return err
		}
	}
	for _, q := range plan.Graph.Params {
		t := tensor(q.Value)
		copy(t.F32(), g.weight(importer.MambaBlock, 0, "w.", q))
		if err := p.Bind(q.Value.Name, cpu.Wrap(t)); err != nil {
			return err
		}
	}
	in, dim := g.floats("in.x"), int(width)
	all := make([]float32, len(in))
	for t := range int(length) {
		for b := range int(batch) {
			copy(tensors["x"].F32()[b*dim:(b+1)*dim], in[(b*int(length)+t)*dim:])
		}
		if err := p.Run(context.Background(), nil); err != nil {
			return err
		}
		for b := range int(batch) {
			copy(all[(b*int(length)+t)*dim:(b*int(length)+t+1)*dim], tensors["y"].F32()[b*dim:])
		}
		for _, s := range plan.Graph.States {
			copy(tensors[s.In.Name].Data, tensors[s.Out.Name].Data)
		}
	}
	g.near("step.y", all, g.floats("step.y"))
	k := int(taps)
	var columns []float32
	for i, v := range g.floats("step.conv_state") {
		if i%k != 0 {
			columns = append(columns, v)
		}
	}
	g.near("step.conv_state", tensors[plan.Graph.States[0].In.Name].F32(), columns)
	g.near("step.ssm_state", tensors[plan.Graph.States[1].In.Name].F32(), g.floats("step.ssm_state"))
	return nil
}
