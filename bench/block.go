package bench

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/fuse"
	"github.com/moezoo/moezoo/graph/mixed"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Block is layers alone, forward and backward, without embedding, head or optimiser.
type Block struct {
	Plan    *backend.Plan
	Program backend.Program
}

// CompileBlock plans layers of width d on batch rows of length tokens. Inputs are "x"
// [batch, length, d], "ids" int64 [batch, length], and, where a router asks for it, "rng"
// int64 [2]; outputs "y", and "d/x" and "d/NAME", the gradients of the sum of y with
// respect to x and to every parameter. Products with weights are of bfloat16 numbers, but
// for parameters that keep names; of float32 where keep is nil.
func CompileBlock(layers []blocks.Layer, dev backend.Device, batch, length, d int64, keep func(name string) bool) (*Block, error) {
	forward := graph.New("block")
	c := &blocks.Context{G: forward, Train: true}
	c.TokenIDs = forward.Input("ids", graph.Int64, graph.Dims(batch, length))
	x := forward.Input("x", graph.Float32, graph.Dims(batch, length, d))
	stack := blocks.Stack(c, layers, x, d)
	if err := forward.Err(); err != nil {
		return nil, err
	}
	y := stack[len(stack)-1]
	forward.Rename(y, "y")
	forward.Output(y)
	if keep != nil {
		var err error
		if forward, err = forward.Rewritten(mixed.Rules(keep)); err != nil {
			return nil, err
		}
	}
	g, err := fuse.Graph(forward)
	if err != nil {
		return nil, err
	}
	y, wrt := g.Outputs[0], []*graph.Value{g.Inputs[1]}
	for _, p := range g.Params {
		if !p.Frozen {
			wrt = append(wrt, p.Value)
		}
	}
	grads, err := autodiff.Gradients(g, []*graph.Value{y}, []*graph.Value{op.ExpandLike(g.Float(1), y)}, wrt)
	if err != nil {
		return nil, err
	}
	for i, v := range grads {
		g.Rename(v, "d/"+wrt[i].Name)
		g.Output(v)
	}
	if g, err = fuse.Epilogues(g); err != nil {
		return nil, err
	}
	b := &Block{}
	if b.Plan, err = backend.NewPlan(g, nil, dev); err != nil {
		return nil, err
	}
	b.Program, err = dev.Compile(b.Plan, nil)
	return b, err
}

// Bind gives every input, parameter and output memory of its own, filled by fill where the
// block reads it, and answers them by name. p is nil for inputs.
func (b *Block) Bind(fill func(name string, p *graph.Param, t *backend.Tensor) error) (map[string]*backend.Tensor, error) {
	tensors := map[string]*backend.Tensor{}
	bind := func(v *graph.Value) (*backend.Tensor, error) {
		shape, _ := v.Shape().Ints()
		t := backend.NewTensor(v.Type.DType, shape...)
		tensors[v.Name] = t
		return t, b.Program.Bind(v.Name, cpu.Wrap(t))
	}
	read := append([]*graph.Value(nil), b.Plan.Graph.Inputs...)
	for _, p := range b.Plan.Graph.Params {
		read = append(read, p.Value)
	}
	for _, v := range read {
		t, err := bind(v)
		if err == nil {
			err = fill(v.Name, v.Param(), t)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, v := range b.Plan.Graph.Outputs {
		if _, err := bind(v); err != nil {
			return nil, err
		}
	}
	return tensors, nil
}

// block measures the layers that a recipe repeats, once.
func (b *bench) block() error {
	r := b.model.Recipe
	batch, length := r.Train.Batch, r.Train.Context
	task, err := b.model.Task()
	if err != nil {
		return err
	}
	var keep func(name string) bool
	if r.Train.Precision == recipe.BFloat16 {
		keep = task.Float32
	}
	block, err := CompileBlock(b.model.Net.Layers[:len(r.Layers)], b.device, batch, length, r.DModel, keep)
	if err != nil {
		return err
	}
	defer block.Program.Close()
	_, err = block.Bind(func(_ string, p *graph.Param, t *backend.Tensor) error {
		switch {
		case p != nil:
			return task.Init(p, t.F32())
		case t.DType == graph.Int64:
			tokens(t.I64(), int(b.model.Net.Vocabulary))
		default:
			for i := range t.F32() {
				t.F32()[i] = float32(i*7919%4093)/2046 - 1
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	times, err := repeat(b.Repeats, func() error { return block.Program.Run(b.ctx, nil) })
	if err != nil {
		return err
	}
	sum := 0.0
	for _, n := range block.Plan.Nodes {
		sum += operations(n)
	}
	b.addRow(fmt.Sprintf("block, forward and backward, %d × %d tokens", batch, length), int(batch*length), times, sum, 0)
	return nil
}
