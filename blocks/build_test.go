package blocks

import (
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/lower"
)

func smallMamba() Model {
	m := Mamba{DModel: 8, Inner: 16, DState: 4, DConv: 4, DtRank: 1, ConvBias: true}
	n := Norm{Kind: RMSNorm, Eps: 1e-5}
	a := Attention{DModel: 8, Heads: 4, KVHeads: 2, HeadDim: 2}
	return Model{Name: "small", Vocabulary: 11, DModel: 8, FinalNorm: &n, Layers: []Layer{
		{Branches: []Branch{{"mamba", n, m}}}, {Branches: []Branch{{"attention", n, a}}},
	}}
}

func TestModelBuildsDifferentiatesAndLowers(t *testing.T) {
	for _, o := range []Options{{Targets: true, Train: true}, {Mode: Decode}, {Mode: Export}, {Masked: true}} {
		b, err := smallMamba().Build(o)
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		b.G.Output(b.Logits)
		if o.Targets {
			var wrt []*graph.Value
			for _, p := range b.G.Params {
				wrt = append(wrt, p.Value)
			}
			grads, err := autodiff.Gradients(b.G, []*graph.Value{b.Loss}, []*graph.Value{nil}, wrt)
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range grads {
				if g == nil {
					t.Errorf("%v has no gradient", wrt[i])
				}
			}
			continue
		}
		if _, err := lower.Graph(b.G); err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
	}
}
