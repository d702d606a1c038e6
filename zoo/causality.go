package zoo

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
)

// checkCausal tests a router that says it is causal: it routes a few random tokens, then
// the same ones with the later half changed, and every result of the earlier half must
// keep its bits.
func checkCausal(ctx context.Context, f *plugins.Function, dims map[string]int64) error {
	const tokens, kept = 12, 6
	rng := rand.New(rand.NewPCG(3, 4))
	d := cpu.New(1)
	defer d.Close()
	for _, fn := range []*graph.Graph{f.Train, f.Infer} {
		in := map[string]*backend.Tensor{}
		for _, v := range fn.Inputs {
			shape, ok := v.Shape().Bind(map[string]int64{"T": tokens}).Ints()
			if !ok {
				return fmt.Errorf("input %v has an unknown size", v)
			}
			in[v.Name] = randomTensor(rng, v, shape, dims)
		}
		e := eval.New(fn, d, eval.Limits{Elements: 1 << 24})
		before, err := e.Run(ctx, in)
		if err != nil {
			return err
		}
		for _, name := range []string{"x", "token_ids"} {
			if t := in[name]; t != nil {
				row := len(t.Data) / tokens
				other := randomTensor(rng, fn.Inputs[0], t.Shape, dims)
				if name == "token_ids" {
					other = randomInts(rng, t.Shape, dims["vocabulary"])
				}
				copy(t.Data[kept*row:], other.Data[kept*row:])
			}
		}
		after, err := e.Run(ctx, in)
		if err != nil {
			return err
		}
		for i, v := range fn.Outputs {
			if v.Name != f.Routing.First && v.Name != f.Routing.Second {
				continue
			}
			row := len(before[i].Data) / tokens
			if !bytes.Equal(before[i].Data[:kept*row], after[i].Data[:kept*row]) {
				return fmt.Errorf("it says that it is causal, but %s of a token changes with later tokens", v.Name)
			}
		}
	}
	return nil
}

func randomTensor(rng *rand.Rand, v *graph.Value, shape []int, dims map[string]int64) *backend.Tensor {
	if v.Type.DType == graph.Int64 {
		return randomInts(rng, shape, dims["vocabulary"])
	}
	t := backend.NewTensor(graph.Float32, shape...)
	for i := range t.F32() {
		t.F32()[i] = float32(rng.NormFloat64())
	}
	return t
}

func randomInts(rng *rand.Rand, shape []int, below int64) *backend.Tensor {
	t := backend.NewTensor(graph.Int64, shape...)
	for i := range t.I64() {
		t.I64()[i] = rng.Int64N(max(below, 1))
	}
	return t
}
