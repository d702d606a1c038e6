package zoo_test

import (
	"context"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
)

// short trains a recipe for a few steps and opens the run.
func short(t *testing.T, name string, settings ...string) *zoo.Trained {
	t.Helper()
	m := build(t, name, append([]string{"train.steps=12"}, settings...)...)
	dir := filepath.Join(t.TempDir(), "run")
	train(t, m, text(t, m, 100_000), dir, 1)
	d := cpu.New(1)
	t.Cleanup(func() { d.Close() })
	trained, err := zoo.Open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	return trained
}

// TestVariantsOfAttentionAndOfTheModel hold the properties of every architecture.
func TestVariantsOfAttentionAndOfTheModel(t *testing.T) {
	for name, settings := range map[string][]string{
		"window, no positions, own scale": {"layers.attention={heads: 4, rope: none, window: 9, scale: 0.2}"},
		"gated, normalised, partly rotated": {
			"layers.attention={heads: 4, kv_heads: 2, head_dim: 8, rope: {fraction: 0.25}, gate: true, bias: qkv, qk_norm: {kind: rmsnorm, zero_centred: true}}",
			"norm={kind: rmsnorm, zero_centred: true}",
		},
		"multipliers": {"multiplier={embedding: sqrt_d_model, residual: 0.3, logits: 0.5}", "head={tied: true, soft_cap: 5}"},
		"post":        {"norm_placement=post", "layers.attention.bias=true"},
		"sandwich":    {"norm_placement=sandwich"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := short(t, "transformer-debug", settings...)
			passes(t, m, check.Step)
			passes(t, m, check.Causal)
			exportIsEqual(t, m)
		})
	}
}

// TestProperty13CachesOfWindowsAreBounded decodes a text many times as long as they are.
func TestProperty13CachesOfWindowsAreBounded(t *testing.T) {
	m := short(t, "transformer-debug", "layers.attention.window=24")
	const n = 1400
	all := ids(n)
	want, err := m.Forward(context.Background(), all, 1, n)
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.Decoder(1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	v, at := int(m.Net.Vocabulary), 0
	pieces := append(append([]int{3, 500}, slices.Repeat([]int{1}, 80)...), 600, 217) // the caches are full on a single token
	for _, piece := range pieces {
		logits, err := d.Feed(context.Background(), all[at:at+piece])
		if err != nil {
			t.Fatal(err)
		}
		at += piece
		for i, x := range logits {
			if w := want[(at-1)*v+i]; math.Abs(float64(x-w)) > 1e-4 {
				t.Fatalf("logit %d behind token %d is %v, of the whole sequence %v", i, at, x, w)
			}
		}
	}
	if at != n {
		t.Fatal(at)
	}
	if rows := d.CacheRows(); rows > 23+512 {
		t.Errorf("the caches have %d rows behind a text of %d tokens", rows, n)
	}
}
