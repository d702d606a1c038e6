package zoo

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/backend"
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
	other.params = map[string]backend.Buffer{}
	steps, routers := false, false
	for name, b := range t.params {
		other.params[name] = b
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
		other.params[name], steps, routers = copied, steps || step, routers || router
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
