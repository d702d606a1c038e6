package train

import (
	"context"
	"math"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/fuse"
)

// Evaluator measures the loss of the inference form on a held-out text.
type Evaluator struct {
	program      backend.Program
	sizes        Sizes
	ids, targets *backend.Tensor
	entropy      *backend.Tensor
	in, want     backend.Buffer
	out          backend.Buffer
}

// NewEvaluator compiles the task's evaluation graph on the parameters that params
// answers by name. It may share an arena, nil for one of its own.
func NewEvaluator(t *Task, s Sizes, d backend.Device, params func(name string) backend.Buffer, arena backend.Buffer) (*Evaluator, error) {
	g := graph.New(t.Eval.Name)
	c := graph.NewCopier(g, nil)
	c.Names, c.Rewrite = true, fuse.Rules(t.Eval)
	t.Eval.CopyInputs(c)
	c.Nodes(t.Eval)
	v := ownOutput(c.Value(t.Entropy))
	g.Rename(v, "entropy")
	g.Output(v)
	g, err := fuse.Bound(g, map[string]int64{"batch_size": int64(s.Batch), "sequence_length": int64(s.Context)})
	if err != nil {
		return nil, err
	}
	plan, err := backend.NewPlan(g, nil, d)
	if err != nil {
		return nil, err
	}
	e := &Evaluator{sizes: s, ids: backend.NewTensor(graph.Int64, s.Batch, s.Context), targets: backend.NewTensor(graph.Int64, s.Batch, s.Context), entropy: backend.NewTensor(graph.Float32)}
	if e.program, err = d.Compile(plan, arena); err != nil {
		return nil, err
	}
	for _, p := range plan.Graph.Params {
		if err := e.program.Bind(p.Value.Name, params(p.Value.Name)); err != nil {
			return nil, err
		}
	}
	for name, b := range map[string]*backend.Buffer{"input_ids": &e.in, "targets": &e.want} {
		if *b, err = d.Alloc(graph.Int64, s.Batch, s.Context); err != nil {
			return nil, err
		}
		if err := e.program.Bind(name, *b); err != nil {
			return nil, err
		}
	}
	if e.out, err = d.Alloc(graph.Float32); err != nil {
		return nil, err
	}
	return e, e.program.Bind("entropy", e.out)
}

// Measure runs over the held-out windows once. Without a held-out text it answers an
// evaluation of no targets.
func (e *Evaluator) Measure(ctx context.Context, set *data.Set) (*Evaluation, error) {
	w := data.NewWindows(set.Held, e.sizes.Context)
	total := 0.0
	for first := 0; first < w.Count(); first += e.sizes.Batch {
		if err := w.Fill(first, e.ids.I64(), e.targets.I64()); err != nil {
			return nil, err
		}
		n := 0
		for _, t := range e.targets.I64() {
			if t >= 0 {
				n++
			}
		}
		if err := e.in.Upload(nil, e.ids); err != nil {
			return nil, err
		}
		if err := e.want.Upload(nil, e.targets); err != nil {
			return nil, err
		}
		if err := e.program.Run(ctx, nil); err != nil {
			return nil, err
		}
		if err := e.out.Download(nil, e.entropy); err != nil {
			return nil, err
		}
		total += float64(e.entropy.F32()[0]) * float64(n)
	}
	out := &Evaluation{Targets: w.Targets()}
	if out.Targets > 0 {
		out.Nats = total / float64(out.Targets)
		out.BitsPerByte = total / math.Ln2 / float64(set.HeldBytes)
	}
	return out, nil
}

// Close frees the evaluator's memory; the parameters are not its own.
func (e *Evaluator) Close() {
	e.program.Close()
	e.in.Free()
	e.want.Free()
	e.out.Free()
}
