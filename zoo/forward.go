package zoo

import (
	"context"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
)

// Forward computes the logits [B, L, V] of token ids [B, L] from the beginning of the
// sequence.
func (t *Trained) Forward(ctx context.Context, ids []int64, batch, length int) ([]float32, error) {
	b, err := t.Net.Build(blocks.Options{})
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
	p, err := t.device.Compile(plan, nil)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	if err := t.Weights.bind(p, plan); err != nil {
		return nil, err
	}
	in, err := t.device.Alloc(graph.Int64, batch, length)
	if err != nil {
		return nil, err
	}
	defer in.Free()
	host := backend.NewTensor(graph.Int64, batch, length)
	copy(host.I64(), ids)
	if err := in.Upload(nil, host); err != nil {
		return nil, err
	}
	logits := backend.NewTensor(graph.Float32, batch, length, int(t.Net.Vocabulary))
	out, err := t.device.Alloc(graph.Float32, logits.Shape...)
	if err != nil {
		return nil, err
	}
	defer out.Free()
	for name, b := range map[string]backend.Buffer{"input_ids": in, "logits": out} {
		if err := p.Bind(name, b); err != nil {
			return nil, err
		}
	}
	if err := p.Run(ctx, nil); err != nil {
		return nil, err
	}
	return logits.F32(), out.Download(nil, logits)
}
