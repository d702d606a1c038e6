package zoo

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/verify"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// VerifyPlugin puts a plugin to the test: its process, its options, its functions, and each
// variant in a small model, which must learn and export.
func VerifyPlugin(ctx context.Context, h *plugins.Host, name string) (*plugins.Report, error) {
	return h.Verify(ctx, name, func(ctx context.Context, b *plugins.Built) []plugins.Check {
		c := plugins.Check{Name: "in a small model, 20 steps lower the loss, and the export is equal", Status: plugins.OK}
		detail, err := tryOut(ctx, h, b)
		if c.Detail = detail; err != nil {
			c.Status, c.Detail = plugins.Failed, err.Error()
		}
		return append(verify.Function(ctx, b), c)
	})
}

// tryOut trains and exports a model with a variant in its experts' layer. The export is
// verified whole and in pieces, in ONNX Runtime where there is one.
func tryOut(ctx context.Context, h *plugins.Host, b *plugins.Built) (string, error) {
	dir, err := os.MkdirTemp("", "zoo-verify-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	r, err := recipe.Load("moe-mamba-debug", "d_model=16", "repeat=1", "train.lr=1e-2", "train.steps=20", "train.batch=2", "train.context=32",
		"train.eval_every=0", "train.save_every=0", "train.keep_best=false",
		fmt.Sprintf("layers.moe={experts: 4, width: 16, top_k: %d, %s: %s, allow_future: true}", b.Dims["top_k"], b.Variant.Kind, b.Name()))
	if err != nil {
		return "", err
	}
	m, err := Build(ctx, r, h)
	if err != nil {
		return "", err
	}
	set, err := m.Data(ctx, []corpus.Document{corpus.FromBytes("novel", corpus.Default()[:30_000])})
	if err != nil {
		return "", err
	}
	d := cpu.New(1)
	defer d.Close()
	run, err := m.Train(TrainOptions{Dir: filepath.Join(dir, "run")}, set, d)
	if err != nil {
		return "", err
	}
	_, err = run.Train(ctx)
	run.Close()
	if err != nil {
		return "", fmt.Errorf("training: %w", err)
	}
	t, err := Open(filepath.Join(dir, "run"), d)
	if err != nil {
		return "", err
	}
	e, err := t.Evaluate(ctx, set)
	if err != nil {
		return "", err
	}
	untrained := math.Log(float64(m.Net.Vocabulary))
	if !(e.Nats < untrained-0.5) {
		return "", fmt.Errorf("training: 20 steps lead from %.3g to %.3g nats a token", untrained, e.Nats)
	}
	report, err := t.Export(ctx, filepath.Join(dir, "m.onnx"), ExportOptions{})
	if err != nil {
		return "", fmt.Errorf("export: %w", err)
	}
	where := report.Runtime
	if report.Missing != "" {
		where += " (" + report.Missing + ")"
	}
	return fmt.Sprintf("from %.3g to %.3g nats a token; %s, to %.1g", untrained, e.Nats, where, report.MaxAbs()), nil
}
