package zoo

import (
	"context"
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/narrow"
)

// Whole is a model compiled for whole sequences of one shape.
type Whole struct {
	program backend.Program
	buffers map[string]backend.Buffer
	ids     *backend.Tensor // int64 [B, L]
	logits  *backend.Tensor // [B, L, V]
}

// Whole compiles the model for batch rows of length tokens each, in its inference form, or,
// training, in the one that it trains in, with capacities, and noise of a fixed key.
func (t *Trained) Whole(batch, length int, training bool) (*Whole, error) {
	b, err := t.Net.Build(blocks.Options{Train: training})
	if err != nil {
		return nil, err
	}
	b.G.Output(b.Logits)
	b.G.Rename(b.Logits, "logits")
	g, err := t.Weights.Graph(b.G)
	if err != nil {
		return nil, err
	}
	plan, err := backend.NewPlan(g, map[string]int64{blocks.BatchSize: int64(batch), blocks.SequenceLen: int64(length)}, t.device)
	if err != nil {
		return nil, err
	}
	w := &Whole{
		buffers: map[string]backend.Buffer{},
		ids:     backend.NewTensor(graph.Int64, batch, length), logits: backend.NewTensor(graph.Float32, batch, length, int(t.Net.Vocabulary)),
	}
	if w.program, err = t.device.Compile(plan, nil); err != nil {
		return nil, err
	}
	if err := w.bind(t, plan); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *Whole) bind(t *Trained, plan *backend.Plan) error {
	if err := t.Weights.bind(w.program, plan); err != nil {
		return err
	}
	for _, v := range append(plan.Graph.Inputs, plan.Graph.Outputs...) {
		shape, ok := v.Shape().Ints()
		if !ok {
			return fmt.Errorf("%v has an unknown size", v)
		}
		b, err := t.device.Alloc(v.Type.DType, shape...)
		if err != nil {
			return err
		}
		w.buffers[v.Name] = b
		if err := w.program.Bind(v.Name, b); err != nil {
			return err
		}
	}
	return nil
}

// Logits are the logits [B, L, V] of token ids [B, L], valid until the next call.
func (w *Whole) Logits(ctx context.Context, ids []int64) ([]float32, error) {
	if len(ids) != w.ids.Elements() {
		return nil, fmt.Errorf("%d tokens, want %v", len(ids), w.ids.Shape)
	}
	copy(w.ids.I64(), ids)
	if in := w.buffers["input_ids"]; in != nil {
		if err := in.Upload(nil, w.ids); err != nil {
			return nil, err
		}
	}
	if err := w.program.Run(ctx, nil); err != nil {
		return nil, err
	}
	return w.logits.F32(), w.buffers["logits"].Download(nil, w.logits)
}

// Close frees the program's memory; the parameters are not its own.
func (w *Whole) Close() {
	w.program.Close()
	for _, b := range w.buffers {
		b.Free()
	}
}

// Forward computes the logits [B, L, V] of token ids [B, L] from the beginning of the
// sequence.
func (t *Trained) Forward(ctx context.Context, ids []int64, batch, length int) ([]float32, error) {
	w, err := t.Whole(batch, length, false)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	return w.Logits(ctx, ids)
}

// Begun is the model with the first values of its parameters, as training begins with them,
// which change, if not nil, may alter.
func (m *Model) Begun(d backend.Device, change func(p *graph.Param, values []float32)) (*Trained, error) {
	task, err := m.Task()
	if err != nil {
		return nil, err
	}
	t := &Trained{Model: m, device: d}
	if t.Weights, err = NewWeights(m.Net, narrow.Float32, d); err != nil {
		return nil, err
	}
	for _, p := range task.Train.Params {
		shape, ok := p.Value.Shape().Ints()
		if !ok {
			return nil, fmt.Errorf("parameter %v has an unknown size", p.Value)
		}
		values := backend.NewTensor(graph.Float32, shape...)
		if err := task.Init(p, values.F32()); err != nil {
			return nil, err
		}
		if change != nil {
			change(p, values.F32())
		}
		if err := t.Weights.Put(p.Value.Name, values); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// Device is where the weights are, and where the model computes.
func (t *Trained) Device() backend.Device { return t.device }

// UpTo is the model with only the first of its layers, and all of its embedding and head.
func (t *Trained) UpTo(layers int) *Trained {
	model, cut := *t.Model, *t
	model.Net.Layers = model.Net.Layers[:layers]
	cut.Model = &model
	return &cut
}
