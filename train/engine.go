package train

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// Sizes fix the shape of one micro-batch and how many of them make a step.
type Sizes struct {
	Batch, Context, Accumulate int
	// Memory is how many bytes training may take; 0 for no limit. The backward pass then
	// computes a second time what does not fit.
	Memory int
	// BFloat16 rounds both operands of matrix products with weights, but for those that the
	// task keeps; parameters, gradients, sums and everything else stay float32.
	BFloat16 bool
}

// Engine makes optimiser steps. It owns the device buffers of parameters, gradients and
// moments; everything is allocated when it is made, nothing while it steps.
type Engine struct {
	device    backend.Device
	sizes     Sizes
	params    []*graph.Param // trainable
	buffers   map[string]backend.Buffer
	prepare   backend.Program // what depends on weights alone, before a step's first micro-batch; nil for nothing
	first     backend.Program // gradients of the first micro-batch of a step
	following backend.Program // adds to them; nil when a step has one micro-batch
	update    backend.Program
	reports   []report
	saving    saving
	host      []byte         // for one tensor on its way to or from the device
	arena     backend.Buffer // of all programs: they run one at a time

	ids, targets, rng *backend.Tensor
	lr, norm          *backend.Tensor
	step              *backend.Tensor
}

// report is a recorded value's host copy.
type report struct {
	name   string
	buffer backend.Buffer
	host   *backend.Tensor
	sum    []float64 // over the micro-batches of the step so far
	mean   []float64 // what is reported of it
}

// Names of buffers.
const (
	momentOne = "optimizer.m/"
	momentTwo = "optimizer.v/"
	gradient  = "gradient/"
	// accumulated values of a step, which routers' states are updated with
	accumulated = "accumulated/"
)

// NewEngine differentiates, plans and compiles a task. Parameters start at zero: fill
// them with [Engine.Initialise] or [Engine.SetParam].
func NewEngine(t *Task, o Optimizer, s Sizes, d backend.Device) (*Engine, error) {
	if s.Batch < 1 || s.Context < 1 || s.Accumulate < 1 {
		return nil, fmt.Errorf("batch %d, context %d, accumulate %d: each must be at least 1", s.Batch, s.Context, s.Accumulate)
	}
	e := &Engine{device: d, sizes: s, buffers: map[string]backend.Buffer{}, params: trainable(t)}
	if err := e.build(t, o); err != nil {
		return nil, err
	}
	return e, e.bindAll()
}

// bindAll makes the host side of what goes in and out at every step.
func (e *Engine) bindAll() error {
	e.ids = backend.NewTensor(graph.Int64, e.sizes.Batch, e.sizes.Context)
	e.targets = backend.NewTensor(graph.Int64, e.sizes.Batch, e.sizes.Context)
	e.lr, e.norm, e.step = backend.NewTensor(graph.Float32), backend.NewTensor(graph.Float32), backend.NewTensor(graph.Int64)
	if e.buffers["rng"] != nil {
		e.rng = backend.NewTensor(graph.Int64, 2)
	}
	for i := range e.reports {
		r := &e.reports[i]
		r.buffer = e.buffers["report/"+r.name]
		r.sum, r.mean = make([]float64, r.host.Elements()), make([]float64, r.host.Elements())
	}
	return nil
}

// Batch is where the caller writes the tokens and targets of a micro-batch before
// [Engine.Accumulate], [batch · context] each.
func (e *Engine) Batch() (ids, targets []int64) { return e.ids.I64(), e.targets.I64() }

// Accumulate runs micro-batch number micro of a step: forward, backward, and the sum of
// gradients. seed is the key of the step's randomness.
func (e *Engine) Accumulate(ctx context.Context, micro int, seed [2]int64) error {
	p := e.first
	if micro > 0 {
		p = e.following
	} else {
		for i := range e.reports {
			clear(e.reports[i].sum)
		}
		if e.prepare != nil {
			if err := e.prepare.Run(ctx, nil); err != nil {
				return err
			}
		}
	}
	if err := e.upload("input_ids", e.ids); err != nil {
		return err
	}
	if err := e.upload("targets", e.targets); err != nil {
		return err
	}
	if e.rng != nil {
		copy(e.rng.I64(), seed[:])
		if err := e.upload("rng", e.rng); err != nil {
			return err
		}
	}
	if err := p.Run(ctx, nil); err != nil {
		return err
	}
	for i := range e.reports {
		if err := e.reports[i].gather(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) upload(name string, t *backend.Tensor) error {
	if b := e.buffers[name]; b != nil {
		return b.Upload(nil, t)
	}
	return nil
}

// gather adds the present value to the sum over micro-batches.
func (r *report) gather() error {
	if err := r.buffer.Download(nil, r.host); err != nil {
		return err
	}
	switch r.host.DType {
	case graph.Float32:
		for i, x := range r.host.F32() {
			r.sum[i] += float64(x)
		}
	case graph.Int64:
		for i, x := range r.host.I64() {
			r.sum[i] += float64(x)
		}
	}
	return nil
}

// Update makes the optimiser step number step, counted from 1, with the gradients
// accumulated. It answers the gradient norm before clipping; when that is not finite
// nothing has changed.
func (e *Engine) Update(ctx context.Context, step int, lr float64) (norm float64, err error) {
	e.lr.F32()[0] = float32(lr)
	e.step.I64()[0] = int64(step)
	if err := e.upload("lr", e.lr); err != nil {
		return 0, err
	}
	if err := e.upload("step", e.step); err != nil {
		return 0, err
	}
	if err := e.update.Run(ctx, nil); err != nil {
		return 0, err
	}
	if err := e.buffers["norm"].Download(nil, e.norm); err != nil {
		return 0, err
	}
	return float64(e.norm.F32()[0]), nil
}

// Report calls f with every recorded value of the step: the mean over micro-batches of
// floats, the sum of counts. The slice is f's own only while it runs.
func (e *Engine) Report(f func(name string, values []float64)) {
	for i := range e.reports {
		r := &e.reports[i]
		for j, x := range r.sum {
			if r.host.DType == graph.Float32 {
				x /= float64(e.sizes.Accumulate)
			}
			r.mean[j] = x
		}
		f(r.name, r.mean)
	}
}

// Initialise gives every parameter its first value.
func (e *Engine) Initialise(params []*graph.Param, fill func(p *graph.Param, out []float32) error) error {
	for _, p := range params {
		b := e.buffers[p.Value.Name]
		if b == nil {
			return fmt.Errorf("there is no tensor %q", p.Value.Name)
		}
		t := e.staging(b)
		clear(t.Data)
		if err := fill(p, t.F32()); err != nil {
			return err
		}
		for _, x := range t.F32() {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return fmt.Errorf("parameter %s: initialisation gives %v", p.Value.Name, x)
			}
		}
		if err := b.Upload(nil, t); err != nil {
			return fmt.Errorf("%s: %w", p.Value.Name, err)
		}
	}
	return nil
}

// Tensors lists what a checkpoint must hold besides counters: parameters first, then
// both moments of each.
func (e *Engine) Tensors(t *Task) (params, optimizer []string) {
	for _, p := range t.Train.Params {
		params = append(params, p.Value.Name)
	}
	for _, p := range e.params {
		optimizer = append(optimizer, momentOne+p.Value.Name, momentTwo+p.Value.Name)
	}
	return params, optimizer
}

// Buffer is the device memory behind a name of [Engine.Tensors], which an evaluation may
// share; nil when there is none.
func (e *Engine) Buffer(name string) backend.Buffer { return e.buffers[name] }

// Recompute says what the backward pass computes a second time, "" for nothing.
func (e *Engine) Recompute() string { return e.saving.String() }

// Observe has the time of every node of all programs told to f, where the device can.
func (e *Engine) Observe(f func(n *graph.Node, took time.Duration)) {
	for _, p := range []backend.Program{e.prepare, e.first, e.following, e.update} {
		if o, ok := p.(backend.Observed); ok {
			o.Observe(f)
		}
	}
}

// Arena is the memory of the engine's programs, which an evaluation may share.
func (e *Engine) Arena() backend.Buffer { return e.arena }

// staging is a host tensor like a buffer, in memory that the next call takes again.
func (e *Engine) staging(like backend.Buffer) *backend.Tensor {
	t := &backend.Tensor{DType: like.DType(), Shape: like.Shape()}
	n := t.Elements() * t.DType.Size()
	if len(e.host) < n {
		e.host = backend.AlignedBytes(n)
	}
	t.Data = e.host[:n]
	return t
}

// Tensor copies a tensor from the device.
func (e *Engine) Tensor(name string) (*backend.Tensor, error) {
	b := e.buffers[name]
	if b == nil {
		return nil, fmt.Errorf("there is no tensor %q", name)
	}
	t := backend.NewTensor(b.DType(), b.Shape()...)
	return t, b.Download(nil, t)
}

// SetTensor copies a tensor to the device.
func (e *Engine) SetTensor(name string, t *backend.Tensor) error {
	b := e.buffers[name]
	if b == nil {
		return fmt.Errorf("there is no tensor %q", name)
	}
	if err := b.Upload(nil, t); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Bytes is the memory of arenas and buffers.
func (e *Engine) Bytes() int {
	n := e.arena.Shape()[0]
	for _, b := range e.buffers {
		n += backend.Bytes(b)
	}
	return n
}

// Close frees everything.
func (e *Engine) Close() {
	for _, p := range []backend.Program{e.prepare, e.first, e.following, e.update} {
		if p != nil {
			p.Close()
		}
	}
	for _, b := range e.buffers {
		b.Free()
	}
	if e.arena != nil {
		e.arena.Free()
	}
}
