package bench_test

import (
	"context"
	"math"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/graph"
)

// TestABlockInBFloat16IsRounded computes a block in float32 and with rounded products: results
// differ, by what eight bits of mantissa explain.
func TestABlockInBFloat16IsRounded(t *testing.T) {
	m, err := build("transformer-debug")
	if err != nil {
		t.Fatal(err)
	}
	task, err := m.Task()
	if err != nil {
		t.Fatal(err)
	}
	d := cpu.New(1)
	defer d.Close()
	compute := func(keep func(string) bool) map[string]*backend.Tensor {
		b, err := bench.CompileBlock(m.Net.Layers[:len(m.Recipe.Layers)], d, 2, 8, m.Recipe.DModel, keep)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Program.Close()
		tensors, err := b.Bind(func(_ string, p *graph.Param, x *backend.Tensor) error {
			if p != nil {
				return task.Init(p, x.F32())
			}
			if x.DType == graph.Float32 {
				for i := range x.F32() {
					x.F32()[i] = float32(i*7919%4093)/2046 - 1
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Program.Run(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		return tensors
	}
	exact, rounded := compute(nil), compute(func(string) bool { return false })
	for _, name := range []string{"y", "d/x", "d/layers.0/attention/q_proj.weight"} {
		if exact[name] == nil || rounded[name] == nil {
			t.Fatalf("there is no %s", name)
		}
		var off, norm float64
		for i, x := range exact[name].F32() {
			off += math.Pow(float64(rounded[name].F32()[i]-x), 2)
			norm += float64(x) * float64(x)
		}
		if off = math.Sqrt(off / norm); !(off > 1e-6 && off < 3e-2) {
			t.Errorf("%s is %.2g of its norm away from float32's", name, off)
		}
	}
}
