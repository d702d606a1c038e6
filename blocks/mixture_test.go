package blocks_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/plugins"
)

// projections are the sites of a small Mamba, with inputs and outputs.
var projections = map[string][2]int64{"conv": {width, 12}, "gate": {width, 12}, "select": {12, 2 + 2*5}, "out": {12, width}}

// mixed is a Mamba with experts at some of its projections.
type mixed struct {
	sites                  []string
	router, config, expert string
	experts, k             int64
	shared                 bool // one router for all sites
}

func (m mixed) block(t *testing.T) blocks.Mamba {
	dims := func(in int64) map[string]int64 {
		return map[string]int64{"d_model": in, "experts": m.experts, "top_k": m.k}
	}
	mixture := &blocks.Mixture{Experts: m.experts, TopK: m.k}
	if m.shared {
		mixture.Router = function(t, plugins.RouterKind, m.router, m.config, dims(width))
	}
	for _, name := range m.sites {
		s := blocks.Site{Name: name, DIn: projections[name][0], DOut: projections[name][1]}
		if !m.shared {
			s.Router = function(t, plugins.RouterKind, m.router, m.config, dims(s.DIn))
		}
		s.Expert = function(t, plugins.ExpertKind, m.expert, "{}", map[string]int64{"d_model": s.DIn, "d_out": s.DOut, "width": 6})
		mixture.Sites = append(mixture.Sites, s)
	}
	return blocks.Mamba{DModel: width, Inner: 12, DState: 5, DConv: 4, DtRank: 2, ConvBias: true, Mixture: mixture}
}

// mixtures are Mambas with experts inside: the seven of MoE-Mamba's appendix, Routing Mamba,
// and one whose Δ, B and C are experts'.
func mixtures(t *testing.T) map[string]blocks.Block {
	out := map[string]blocks.Block{
		"Routing Mamba":      mixed{sites: []string{"conv", "gate", "out"}, router: "topk", config: `{"renormalize":false}`, expert: "linear", experts: 3, k: 2, shared: true}.block(t),
		"mixture of Δ, B, C": mixed{sites: []string{"select"}, router: "sigmoid", config: `{}`, expert: "linear", experts: 3, k: 2}.block(t),
	}
	in, back := map[string]int64{"d_model": width, "d_out": 2*12 + 2*2*5 + 4, "width": 1}, map[string]int64{"d_model": 12, "d_out": width, "width": 1}
	out["Mamba-2, mixed"] = blocks.Mamba2{
		DModel: width, Heads: 4, HeadDim: 3, Groups: 2, DState: 5, DConv: 4, ConvBias: true, Gate: blocks.GatedNorm{Groups: 2, Eps: 1e-5},
		Mixture: &blocks.Mixture{
			Experts: 3, TopK: 2, Router: function(t, plugins.RouterKind, "topk", "{}", map[string]int64{"d_model": width, "experts": 3, "top_k": 2}),
			Sites: []blocks.Site{
				{Name: "in", DIn: width, DOut: in["d_out"], Expert: function(t, plugins.ExpertKind, "linear", "{}", in)},
				{Name: "out", DIn: 12, DOut: width, Expert: function(t, plugins.ExpertKind, "linear", "{}", back)},
			},
		},
	}
	for set := 1; set < 8; set++ {
		var sites []string
		for i, name := range []string{"conv", "gate", "out"} {
			if set>>i&1 == 1 {
				sites = append(sites, name)
			}
		}
		out[fmt.Sprintf("experts at %v", sites)] = mixed{sites: sites, router: "switch", config: "{}", expert: "relu", experts: 3, k: 1}.block(t)
	}
	return out
}

// TestOneExpertInsideOfAMambaIsItsProjection: its probability is 1, so that the mixture is the
// dense matrix, to the bit.
func TestOneExpertInsideOfAMambaIsItsProjection(t *testing.T) {
	const l = 21
	x := sequence(4, l*width)
	all := []string{"conv", "gate", "select", "out"}
	plain := forward(t, blocks.Mamba{DModel: width, Inner: 12, DState: 5, DConv: 4, DtRank: 2, ConvBias: true})
	in := plain.params.of("in_proj.weight", width*24)
	halves := map[string][]float32{}
	for row := range width {
		halves["conv"] = append(halves["conv"], in[row*24:row*24+12]...)
		halves["gate"] = append(halves["gate"], in[row*24+12:row*24+24]...)
	}
	want := plain.run(1, l, x, nil, nil, 0).out[0]
	for _, shared := range []bool{false, true} {
		n := forward(t, mixed{sites: all, router: "switch", config: "{}", expert: "linear", experts: 1, k: 1, shared: shared}.block(t))
		n.params["conv/experts/w"], n.params["gate/experts/w"] = halves["conv"], halves["gate"]
		n.params["select/experts/w"] = plain.params.of("x_proj.weight", 12*12)
		n.params["out/experts/w"] = plain.params.of("out_proj.weight", 12*width)
		near(t, fmt.Sprintf("shared %v", shared), n.run(1, l, x, nil, nil, 0).out[0], want)
	}
}

// TestOneRouterDecidesForAllProjections: its weight counts once. With equal experts, whose
// weights do not sum to 1, the result is the plain Mamba's times the token's weight.
func TestOneRouterDecidesForAllProjections(t *testing.T) {
	const l, e = 17, 3
	x := sequence(6, l*width)
	one := forward(t, mixed{sites: []string{"conv", "gate", "out"}, router: "switch", config: "{}", expert: "linear", experts: 1, k: 1, shared: true}.block(t))
	many := forward(t, mixed{sites: []string{"conv", "gate", "out"}, router: "switch", config: "{}", expert: "linear", experts: e, k: 1, shared: true}.block(t))
	for name, size := range map[string]int{"conv/experts/w": width * 12, "gate/experts/w": width * 12, "out/experts/w": 12 * width} {
		many.params[name] = slices.Repeat(one.params.of(name, size), e)
	}
	got, want := many.run(1, l, x, nil, nil, 0).out[0], one.run(1, l, x, nil, nil, 0).out[0]
	gate := many.params.of("router/router", width*e)
	for i := range l {
		p := slices.Max(softmax(gate, x[i*width:(i+1)*width], e))
		row := slices.Clone(want[i*width : (i+1)*width])
		for j := range row {
			row[j] *= float32(p)
		}
		near(t, fmt.Sprintf("token %d", i), got[i*width:(i+1)*width], row)
	}
}

// forward is a net of one block.
func forward(t *testing.T, b blocks.Block) net {
	return net{t: t, width: width, params: params{}, forward: one(b)}
}
