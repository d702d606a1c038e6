package zoo_test

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/export/ort/orttest"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/half"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
)

// rounded are float32 weights with the numbers that m has stored.
func rounded(m *zoo.Trained) *zoo.Weights {
	return zoo.WeightsOf(func(name string) backend.Buffer {
		stored := m.Weight(name)
		out := backend.NewTensor(graph.Float32, stored.Shape...)
		y := out.F32()
		switch stored.DType {
		case graph.Float32:
			return cpu.Wrap(stored)
		case graph.BFloat16:
			for i, h := range backend.As[uint16](stored) {
				y[i] = half.FromBFloat16(h)
			}
		case graph.Float16:
			for i, h := range backend.As[uint16](stored) {
				y[i] = half.FromFloat16(h)
			}
		case graph.Int8:
			scale, n := m.Weight(narrow.ScaleName(name)).F32(), stored.Shape[len(stored.Shape)-1]
			rows := len(y) / n
			for i, q := range backend.As[int8](stored) {
				switch {
				case len(stored.Shape) == 3: // experts: one scale for each column of each
					y[i] = float32(q) * scale[i/n/stored.Shape[1]*n+i%n]
				case len(scale) == rows && name == "embedding/weight": // one for each token
					y[i] = float32(q) * scale[i/n]
				default:
					y[i] = float32(q) * scale[i%n]
				}
			}
		}
		return cpu.Wrap(out)
	})
}

// TestNarrowWeightsAreRoundedWeights holds, for every kind of weights: the model computes
// what float32 weights of the same numbers give; its loss is close to that of the weights
// before rounding; and it is as good a model as others: stepwise, causal, exported.
func TestNarrowWeightsAreRoundedWeights(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings []string
	}{
		{"moe-mamba-debug", []string{"layers.moe.router=topk", "layers.moe.top_k=2", "layers.moe.expert={use: swiglu, bias: true}"}},
		{"transformer-moe-debug", []string{"head.tied=true"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := build(t, c.name, append(c.settings, "train.steps=100")...)
			set := text(t, m, 300_000)
			dir := filepath.Join(t.TempDir(), "run")
			train(t, m, set, dir, 1)
			d := cpu.New(1)
			defer d.Close()
			whole, err := zoo.Open(dir, d)
			if err != nil {
				t.Fatal(err)
			}
			want, err := whole.Evaluate(context.Background(), set)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range []struct {
				narrow.Kind
				loss, size float64 // largest difference in nats; part of the memory of fp32
			}{{narrow.BFloat16, 3e-3, 0.60}, {narrow.Float16, 1e-3, 0.60}, {narrow.Int8, 6e-3, 0.40}} {
				t.Run(string(k.Kind), func(t *testing.T) {
					m, err := zoo.OpenAs(dir, k.Kind, d)
					if err != nil {
						t.Fatal(err)
					}
					e, err := m.Evaluate(context.Background(), set)
					if err != nil || math.Abs(e.Nats-want.Nats) > k.loss || e.Nats == want.Nats {
						t.Errorf("loss %v (%v), of fp32 %v: want a difference, of at most %v", e.Nats, err, want.Nats, k.loss)
					}
					if part := float64(m.Weights.Size()) / float64(whole.Weights.Size()); part > k.size {
						t.Errorf("the weights take %.2f of the memory of fp32, want %.2f", part, k.size)
					}
					sameAsRounded(t, m, d)
					passes(t, m, check.Step)
					passes(t, m, check.Causal)
					exportsNarrow(t, m)
				})
			}
		})
	}
}

// sameAsRounded compares two decoders: both add the same float32 products in another order.
func sameAsRounded(t *testing.T, m *zoo.Trained, d *cpu.Device) {
	t.Helper()
	a, err := m.Decoder(1)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := zoo.NewDecoder(m.Net, 1, d, rounded(m))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	all := ids(80)
	for at := 0; at < len(all); {
		n := 1
		if at == 0 {
			n = 64
		}
		x, err := a.Feed(context.Background(), all[at:at+n])
		if err != nil {
			t.Fatal(err)
		}
		y, err := b.Feed(context.Background(), all[at:at+n])
		if err != nil {
			t.Fatal(err)
		}
		at += n
		for i := range x {
			if math.Abs(float64(x[i]-y[i])) > 2e-5*(1+math.Abs(float64(y[i]))) {
				t.Fatalf("behind token %d logit %d is %v, with rounded float32 weights %v", at, i, x[i], y[i])
			}
		}
	}
}

// exportsNarrow exports, which verifies, in both forms, and generates the same greedy text
// in ONNX Runtime.
func exportsNarrow(t *testing.T, m *zoo.Trained) {
	t.Helper()
	orttest.Require(t)
	d, err := m.Decoder(1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := write(t, d)
	for _, compact := range []bool{false, true} {
		var o zoo.ExportOptions
		o.Compact = compact
		path := filepath.Join(t.TempDir(), "m.onnx")
		r, err := m.Export(context.Background(), path, o)
		if err != nil {
			t.Fatalf("compact=%v: %v %+v", compact, err, r)
		}
		s, err := zoo.OpenORT(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := write(t, s); got != want {
			t.Errorf("compact=%v: ONNX Runtime writes %q, the zoo %q", compact, got, want)
		}
		s.Close()
	}
}
