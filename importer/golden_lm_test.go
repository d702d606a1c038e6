package importer_test

import (
	"context"
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

// function builds a built-in router or expert.
func (g *golden) function(kind, name, config string, dims map[string]int64) *plugins.Function {
	g.t.Helper()
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		g.t.Fatal(err)
	}
	defer h.Close()
	b, err := h.Build(context.Background(), plugins.Request{Kind: plugins.Kind(kind), Name: name, Config: []byte(config), Dims: dims})
	if err != nil {
		g.t.Fatal(err)
	}
	s, err := b.Store()
	if err != nil {
		g.t.Fatal(err)
	}
	f, err := s.Function()
	if err != nil {
		g.t.Fatal(err)
	}
	return f
}

// weight reads one of our parameters from the peer's tensors under a prefix: "w." for
// weights, "gw." for gradients, "traj.final." for weights after training.
func (g *golden) weight(names importer.Names, experts int, prefix string, p *graph.Param) []float32 {
	g.t.Helper()
	s, ok := names(p.Value.Name, experts)
	if !ok {
		g.t.Fatalf("the peer has nothing for %s", p.Value.Name)
	}
	shape, _ := p.Value.Shape().Ints()
	v, err := importer.Read(g.file, prefix, s, shape)
	if err != nil {
		g.t.Fatal(err)
	}
	return v
}

// languageModel checks loss, gradients, logits, greedy continuation and training steps.
func languageModel(g *golden, m blocks.Model, names importer.Names, experts int) {
	t := g.t
	t.Helper()
	shape := g.shapeOf("in.input_ids")
	batch, length := int(shape[0]), int(shape[1])
	lm := &lmTest{golden: g, names: names, experts: experts, model: m, sizes: train.Sizes{Batch: batch, Context: length, Accumulate: 1}}
	lm.build()
	ids := g.ints("in.input_ids")
	if got, want := lm.loss(ids), float64(g.floats("loss")[0]); math.Abs(got-want) > 1e-5+1e-4*math.Abs(want) {
		t.Errorf("loss %v, want %v", got, want)
	}
	for _, p := range lm.task.Train.Params {
		if p.Frozen {
			continue
		}
		got, err := lm.engine.Tensor("gradient/" + p.Value.Name)
		if err != nil {
			t.Fatal(err)
		}
		g.nearGradient(p.Value.Name, got.F32(), g.weight(names, experts, "gw.", p))
	}
	lm.logits(ids, batch, length)
	lm.greedy()
	if g.has("traj.batches") {
		lm.trajectory()
	}
}

type lmTest struct {
	*golden
	names   importer.Names
	experts int
	model   blocks.Model
	sizes   train.Sizes
	task    *train.Task
	engine  *train.Engine
	device  *cpu.Device
}

func (l *lmTest) build() {
	l.t.Helper()
	b, err := l.model.Build(blocks.Options{Train: true, Targets: true})
	if err != nil {
		l.t.Fatal(err)
	}
	l.task = &train.Task{Train: b.G, Loss: b.Loss}
	spec := op.AdamWSpec{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
	clip := 0.0
	if c, ok := l.config["train_trajectory"].(map[string]any); ok {
		betas := c["betas"].([]any)
		spec = op.AdamWSpec{Beta1: betas[0].(float64), Beta2: betas[1].(float64), Eps: c["eps"].(float64), Decay: c["weight_decay"].(float64)}
		clip = c["clip_grad_norm"].(float64)
	}
	l.device = cpu.New(2)
	l.engine, err = train.NewEngine(l.task, train.Optimizer{AdamWSpec: spec, Clip: clip, DecayAll: true}, l.sizes, l.device)
	if err != nil {
		l.t.Fatal(err)
	}
	err = l.engine.Initialise(b.G.Params, func(p *graph.Param, out []float32) error {
		copy(out, l.weight(l.names, l.experts, "w.", p))
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

// loss is the mean next-token loss over all positions that have a next token.
func (l *lmTest) loss(ids []int64) float64 {
	l.t.Helper()
	in, targets := l.engine.Batch()
	copy(in, ids)
	for i := range targets {
		targets[i] = -100
		if (i+1)%l.sizes.Context != 0 {
			targets[i] = ids[i+1]
		}
	}
	if err := l.engine.Accumulate(context.Background(), 0, [2]int64{}); err != nil {
		l.t.Fatal(err)
	}
	out := math.NaN()
	l.engine.Report(func(name string, v []float64) {
		if name == "loss" {
			out = v[0]
		}
	})
	return out
}

func (l *lmTest) logits(ids []int64, batch, length int) {
	l.t.Helper()
	b, err := l.model.Build(blocks.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	b.G.Output(b.Logits)
	b.G.Rename(b.Logits, "logits")
	plan, err := backend.NewPlan(b.G, map[string]int64{blocks.BatchSize: int64(batch), blocks.SequenceLen: int64(length)}, l.device)
	if err != nil {
		l.t.Fatal(err)
	}
	p, err := l.device.Compile(plan, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, q := range plan.Graph.Params {
		if err := p.Bind(q.Value.Name, l.engine.Buffer(q.Value.Name)); err != nil {
			l.t.Fatal(err)
		}
	}
	in, out := backend.NewTensor(graph.Int64, batch, length), backend.NewTensor(graph.Float32, batch, length, int(l.model.Vocabulary))
	copy(in.I64(), ids)
	for name, x := range map[string]*backend.Tensor{"input_ids": in, "logits": out} {
		if err := p.Bind(name, cpu.Wrap(x)); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := p.Run(context.Background(), nil); err != nil {
		l.t.Fatal(err)
	}
	l.near("logits", out.F32(), l.floats("out.logits"))
}

// greedy continues the prompt token by token with carried states.
func (l *lmTest) greedy() {
	l.t.Helper()
	d, err := zoo.NewDecoder(l.model, 1, l.device, zoo.WeightsOf(l.engine.Buffer))
	if err != nil {
		l.t.Fatal(err)
	}
	defer d.Close()
	want := l.ints("gen.greedy")
	next := l.ints("gen.prompt")
	for i, w := range want {
		logits, err := d.Feed(context.Background(), next)
		if err != nil {
			l.t.Fatal(err)
		}
		best := 0
		for j, x := range logits {
			if x > logits[best] {
				best = j
			}
		}
		if int64(best) != w {
			l.t.Errorf("greedy token %d is %d, want %d", i, best, w)
			return
		}
		next = []int64{int64(best)}
	}
}

// trajectory makes the recorded optimiser steps.
func (l *lmTest) trajectory() {
	t := l.t
	t.Helper()
	config := l.config["train_trajectory"].(map[string]any)
	lr := config["lr"].(float64)
	batches, losses, norms := l.ints("traj.batches"), l.floats("traj.loss"), l.floats("traj.grad_norm")
	n := l.sizes.Batch * l.sizes.Context
	for step := range losses {
		if got := l.loss(batches[step*n : (step+1)*n]); math.Abs(got-float64(losses[step])) > 1e-4*math.Abs(float64(losses[step])) {
			t.Errorf("step %d: loss %v, want %v", step+1, got, losses[step])
			return
		}
		norm, err := l.engine.Update(context.Background(), step+1, lr)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(norm-float64(norms[step])) > 1e-4*float64(norms[step]) {
			t.Errorf("step %d: gradient norm %v, want %v", step+1, norm, norms[step])
			return
		}
	}
	for _, p := range l.task.Train.Params {
		got, err := l.engine.Tensor(p.Value.Name)
		if err != nil {
			t.Fatal(err)
		}
		want := l.weight(l.names, l.experts, "traj.final.", p)
		diff, size := 0.0, 0.0
		for i, w := range want {
			d := float64(got.F32()[i] - w)
			diff, size = diff+d*d, size+float64(w)*float64(w)
			if math.Abs(d) > 2*lr {
				t.Errorf("%s[%d] ends at %v, want %v", p.Value.Name, i, got.F32()[i], w)
				break
			}
		}
		if math.Sqrt(diff) > 1e-3*math.Sqrt(size) {
			t.Errorf("%s ends %.2g away from the peer's, its norm is %.2g", p.Value.Name, math.Sqrt(diff), math.Sqrt(size))
		}
	}
}
