package zoo

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/export"
	"github.com/moezoo/moezoo/export/ort"
	"github.com/moezoo/moezoo/graph/onnx"
)

// Verify compares a file with the model in ONNX Runtime, and, in a few shapes, as the
// project's own evaluator runs it; without ONNX Runtime the evaluator makes every check.
// A copy of the model with the hardest weights is exported and compared, too.
func (t *Trained) Verify(ctx context.Context, path string, progress func(done, total int)) (*export.Report, error) {
	return t.verify(ctx, path, export.Options{}, progress)
}

// verify is Verify; o says how the file was written, as the copy is then.
func (t *Trained) verify(ctx context.Context, path string, o export.Options, progress func(done, total int)) (*export.Report, error) {
	r := &export.Report{File: path, Runtime: "the zoo's own evaluator", Passed: true}
	var err error
	if r.Rounded, err = t.besideFloat32(ctx); err != nil {
		return nil, err
	}
	ahead, err := t.LooksAhead(ctx)
	if err != nil {
		return nil, err
	}
	v := export.Verifier{Reference: t.Forward, Vocabulary: int(t.Net.Vocabulary), Seed: 1, Whole: ahead != "", Longest: int(t.Net.MaxLearned)}
	if rt, err := ort.Load(); err != nil {
		r.Missing = err.Error()
	} else {
		r.Runtime = "ONNX Runtime " + rt.Version
		err := judged(r, v, func() (runner, error) { return evaluated(path) }, func(v *export.Verifier) ([]export.Check, error) { return v.Quick(ctx, "evaluator") })
		var unread *onnx.Unsupported // a foreign file: ONNX Runtime knows more
		if err != nil && !errors.As(err, &unread) {
			return r, err
		}
	}
	err = judged(r, v, func() (runner, error) { return t.open(path, r) }, func(v *export.Verifier) ([]export.Check, error) { return v.Run(ctx, progress) })
	if err != nil {
		return r, err
	}
	return r, t.verifyHardest(ctx, r, v, o)
}

// besideFloat32 is what rounding the weights does to the logits, nil when they are not
// rounded or the run has a newer checkpoint meanwhile.
func (t *Trained) besideFloat32(ctx context.Context) (*export.Check, error) {
	if !t.Weights.Kind.Narrow() {
		return nil, nil
	}
	whole, err := Open(t.Dir, t.device)
	if err != nil || whole.Step != t.Step {
		return nil, err
	}
	const batch = 2
	length := 64
	if longest := int(t.Net.MaxLearned); longest > 0 {
		length = min(length, longest)
	}
	rng := rand.New(rand.NewPCG(3, 79))
	ids := make([]int64, batch*length)
	for i := range ids {
		ids[i] = rng.Int64N(t.Net.Vocabulary)
	}
	want, err := whole.Forward(ctx, ids, batch, length)
	if err != nil {
		return nil, err
	}
	got, err := t.Forward(ctx, ids, batch, length)
	if err != nil {
		return nil, err
	}
	c := export.Distance(string(t.Weights.Kind)+" weights", batch, length, got, want, int(t.Net.Vocabulary))
	return &c, nil
}

// runner runs a file until it is closed.
type runner interface {
	export.Runner
	io.Closer
}

// evaluated is a file run by the project's own evaluator.
func evaluated(path string) (runner, error) {
	e, err := export.Evaluate(path)
	if err != nil {
		return nil, err
	}
	return e, nil
}

// open runs a file in ONNX Runtime, or where the report says that it is missing, in the
// evaluator.
func (t *Trained) open(path string, r *export.Report) (runner, error) {
	if r.Missing != "" {
		return evaluated(path)
	}
	s, err := ort.Open(path, ort.Options{})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// judged opens a file, makes checks and adds them to the report.
func judged(r *export.Report, v export.Verifier, open func() (runner, error), checks func(*export.Verifier) ([]export.Check, error)) error {
	run, err := open()
	if err != nil {
		return err
	}
	defer run.Close()
	v.Runner = run
	return r.Add(checks(&v))
}

// verifyHardest exports a copy of the model with weights that wrong lowerings do not
// survive, and compares that: every third channel takes steps forty times as large, which
// breaks unstable forms of the scan, and routers without preference send all tokens to the
// first experts and leave the others empty.
func (t *Trained) verifyHardest(ctx context.Context, r *export.Report, v export.Verifier, o export.Options) error {
	other := *t
	steps, routers := false, false
	for name := range t.Weights.buffers {
		step, router := strings.HasSuffix(name, "dt_proj.bias") || strings.HasSuffix(name, "/dt_bias"), strings.Contains(name, "/router/")
		if !step && !router {
			continue
		}
		w := t.Weight(name)
		if router {
			clear(w.Data)
		}
		for i := 0; step && i < w.Elements(); i += 3 {
			w.F32()[i] += float32(math.Log(40)) // softplus of small numbers is exp
		}
		copied, err := t.device.Alloc(w.DType, w.Shape...)
		if err != nil {
			return err
		}
		defer copied.Free()
		if err := copied.Upload(nil, w); err != nil {
			return err
		}
		other.Weights, steps, routers = other.Weights.with(name, copied), steps || step, routers || router
	}
	if !steps && !routers {
		return nil
	}
	dir, err := os.MkdirTemp("", "zoo-verify-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := other.prepare(o)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "model.onnx")
	if err := p.Write(file, nil); err != nil {
		return err
	}
	v.Reference, v.Seed = other.Forward, 2
	return judged(r, v, func() (runner, error) { return t.open(file, r) }, func(v *export.Verifier) ([]export.Check, error) {
		return v.Quick(ctx, hardest(steps, routers))
	})
}

// hardest names the check by what was made hard.
func hardest(steps, routers bool) string {
	switch {
	case steps && routers:
		return "large steps, few experts"
	case steps:
		return "large steps"
	}
	return "few experts"
}
