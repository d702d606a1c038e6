package blocks_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

var initZero = graph.Init{Scheme: "zeros"}

const hidden = 12 // width of an expert

// moe is a layer of experts.
type moe struct {
	router, config, expert string
	experts, k             int64
	change                 func(m *blocks.MoE)
}

func (m moe) net(t *testing.T) net {
	dims := map[string]int64{"d_model": width, "experts": m.experts, "top_k": m.k, "width": hidden}
	if m.config == "" {
		m.config = "{}"
	}
	if m.expert == "" {
		m.expert = "relu"
	}
	layer := blocks.MoE{DModel: width, Experts: m.experts, Router: function(t, "router", m.router, m.config, dims), Expert: function(t, "expert", m.expert, "{}", dims)}
	if m.change != nil {
		m.change(&layer)
	}
	return net{t: t, width: width, params: params{}, forward: func(c *blocks.Context, x blocks.Value) []blocks.Value {
		return []blocks.Value{layer.Forward(c, x)}
	}}
}

func dense(t *testing.T, expert string) net {
	f := blocks.FeedForward{DModel: width, Expert: function(t, "expert", expert, "{}", map[string]int64{"d_model": width, "width": hidden})}
	return net{t: t, width: width, params: params{}, forward: func(c *blocks.Context, x blocks.Value) []blocks.Value {
		return []blocks.Value{f.Forward(c, x)}
	}}
}

// matrices are the experts' parameters by expert, with the extents of one expert's.
var matrices = map[string]map[string][2]int{
	"relu":   {"w1": {width, hidden}, "w2": {hidden, width}},
	"swiglu": {"gate": {width, hidden}, "up": {width, hidden}, "down": {hidden, width}},
}

// variant is a router with its options and the number of experts for a token.
type variant struct {
	router, config string
	k              int64
}

// learned are the routers whose gate is the matrix router/router, [width, E].
var learned = []variant{
	{"switch", "", 1},
	{"topk", "", 2},
	{"topk", `{"softmax":"after","bias":true}`, 2},
	{"topk", `{"renormalize":false}`, 3},
	{"gshard", "", 2},
	{"noisy-topk", "", 2},
	{"sigmoid", "", 2},
	{"sinkhorn", `{"bias":true}`, 1},
	{"expert-choice", "", 2},
}

// TestProperty15PermutingExpertsChangesNothing moves experts and the router's columns, biases
// included, alike. Seen to fail with a router that adds the number of the expert to its scores.
func TestProperty15PermutingExpertsChangesNothing(t *testing.T) {
	const e, l = 5, 29
	perm := []int{3, 0, 4, 1, 2}
	x := sequence(1, l*width)
	move := func(v []float32, each int) []float32 { // along the first axis of extent e
		var out []float32
		for _, from := range perm {
			out = append(out, v[from*each:(from+1)*each]...)
		}
		return out
	}
	for _, r := range append(learned, variant{"soft-moe", `{"slots":2}`, 1}) {
		for expert, sizes := range matrices {
			a := moe{router: r.router, config: r.config, expert: expert, experts: e, k: r.k}.net(t)
			b := moe{router: r.router, config: r.config, expert: expert, experts: e, k: r.k}.net(t)
			for name, slots := range map[string]int{"router/router": 1, "router/noise": 1, "router/slots": 2} {
				gate := a.params.of(name, width*e*slots)
				b.params[name] = nil
				for row := range width {
					b.params[name] = append(b.params[name], move(gate[row*e*slots:(row+1)*e*slots], slots)...)
				}
			}
			for _, name := range []string{"router/bias", "router/router_bias"} {
				b.params[name] = move(a.params.of(name, e), 1)
			}
			for name, s := range sizes {
				b.params["experts/"+name] = move(a.params.of("experts/"+name, e*s[0]*s[1]), s[0]*s[1])
			}
			near(t, fmt.Sprintf("%v of %s", r, expert), b.run(1, l, x, nil, nil, 0).out[0], a.run(1, l, x, nil, nil, 0).out[0])
		}
	}
}

// same gives every expert the weights of a dense layer.
func same(n, d net, expert string, e int) {
	for name, s := range matrices[expert] {
		w := d.params.of(name, s[0]*s[1])
		n.params["experts/"+name] = slices.Repeat(w, e)
	}
}

// TestProperty16OneExpertIsTheDenseLayer: the only probability is exactly 1. Seen to fail with
// weights times 1.001.
func TestProperty16OneExpertIsTheDenseLayer(t *testing.T) {
	const l = 23
	x := sequence(2, l*width)
	for expert := range matrices {
		d := dense(t, expert)
		n := moe{router: "switch", expert: expert, experts: 1, k: 1}.net(t)
		same(n, d, expert, 1)
		equal(t, expert, n.run(1, l, x, nil, nil, 0).out[0], d.run(1, l, x, nil, nil, 0).out[0])
		gotDX, wantDX := n.gradients(1, l, x, nil)["x"], d.gradients(1, l, x, nil)["x"]
		near(t, expert+": the gradient of x", gotDX, wantDX)
	}
}

// TestProperty17EqualExpertsAreTheDenseLayer: weights of sum 1 make one of them. Seen to fail
// without the division by the sum.
func TestProperty17EqualExpertsAreTheDenseLayer(t *testing.T) {
	const l, e = 23, 4
	x := sequence(2, l*width)
	for _, r := range []variant{
		{"topk", "", 2},
		{"topk", `{"softmax":"after"}`, 3},
		{"hash", "", 2},
		{"random", "", 4},
		{"gshard", "", 2},
		{"noisy-topk", "", 3},
		{"sigmoid", `{"n_group":2,"topk_group":1}`, 2},
		{"constant", `{"expert":3}`, 2},
	} {
		d := dense(t, "relu")
		n := moe{router: r.router, config: r.config, experts: e, k: r.k}.net(t)
		same(n, d, "relu", e)
		near(t, fmt.Sprint(r), n.run(1, l, x, make([]int64, l), nil, 0).out[0], d.run(1, l, x, nil, nil, 0).out[0])
	}
}

// TestProperty18ChoosingAllExpertsIsTheDenseMixture compares with Σ_e p_e·expert_e, each
// expert a dense layer of its own. Seen to fail with weights that pass a softmax twice.
func TestProperty18ChoosingAllExpertsIsTheDenseMixture(t *testing.T) {
	const l, e = 17, 3
	x := sequence(6, l*width)
	n := moe{router: "topk", config: `{"renormalize":false}`, experts: e, k: e}.net(t)
	got := n.run(1, l, x, nil, nil, 0).out[0]
	gate := n.params.of("router/router", width*e)
	want := make([]float64, l*width)
	for i := range e {
		d := dense(t, "relu")
		for name, s := range matrices["relu"] {
			d.params[name] = n.params.of("experts/"+name, e*s[0]*s[1])[i*s[0]*s[1] : (i+1)*s[0]*s[1]]
		}
		y := d.run(1, l, x, nil, nil, 0).out[0]
		for at := range l {
			p := softmax(gate, x[at*width:(at+1)*width], e)[i]
			for j := range width {
				want[at*width+j] += p * float64(y[at*width+j])
			}
		}
	}
	out := make([]float32, len(want))
	for i, v := range want {
		out[i] = float32(v)
	}
	near(t, "the mixture", got, out)
}

// softmax are the probabilities of a token's experts: gate [width, e].
func softmax(gate, x []float32, e int) []float64 {
	p, sum := make([]float64, e), 0.0
	for i := range p {
		z := 0.0
		for j, v := range x {
			z += float64(v) * float64(gate[j*e+i])
		}
		p[i] = math.Exp(z)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// TestProperty19MovingTokensMovesOutputs, when nothing is dropped. Claims and mixtures see all
// tokens, but not their order. Seen to fail with scores that add up over tokens.
func TestProperty19MovingTokensMovesOutputs(t *testing.T) {
	const l, e = 19, 4
	x, moved := sequence(5, l*width), make([]float32, l*width)
	ids, movedIDs := make([]int64, l), make([]int64, l)
	for i := range l {
		to := (i*7 + 3) % l
		copy(moved[to*width:], x[i*width:(i+1)*width])
		ids[i], movedIDs[to] = int64(i*i), int64(i*i)
	}
	for _, r := range append(learned, variant{"hash", "", 2}, variant{"constant", "", 2}, variant{"soft-moe", "", 1}) {
		n := moe{router: r.router, config: r.config, experts: e, k: r.k}.net(t)
		a, b := n.run(1, l, x, ids, nil, 0).out[0], n.run(1, l, moved, movedIDs, nil, 0).out[0]
		for i := range l {
			to := (i*7 + 3) % l
			near(t, fmt.Sprint(r), b[to*width:(to+1)*width], a[i*width:(i+1)*width])
		}
	}
}

// TestProperty20CapacityDropsWhatIsTooMuch: E/k never drops; below it exactly the tokens beyond an
// expert's capacity are 0, first come first served. Seen to fail with a capacity that is one
// more.
func TestProperty20CapacityDropsWhatIsTooMuch(t *testing.T) {
	const l, e = 40, 4
	x := sequence(11, l*width)
	free := moe{router: "switch", experts: e, k: 1}.net(t)
	want := free.run(1, l, x, nil, nil, 0).out[0]
	limited := func(factor float64) []float32 {
		n := moe{router: "switch", experts: e, k: 1, change: func(m *blocks.MoE) { m.CapacityFactor = factor }}.net(t)
		n.train = true
		return n.run(1, l, x, nil, nil, 0).out[0]
	}
	equal(t, "factor E/k", limited(e), want)
	gate, used := free.params.of("router/router", width*e), make([]int, e)
	got, dropped := limited(0.5), 0
	for i := range l {
		p := softmax(gate, x[i*width:(i+1)*width], e)
		best := 0
		for j := range p {
			if p[j] > p[best] {
				best = j
			}
		}
		used[best]++
		row := got[i*width : (i+1)*width]
		if used[best] > l/e/2 {
			dropped++
			equal(t, fmt.Sprintf("dropped token %d", i), row, make([]float32, width))
			continue
		}
		near(t, fmt.Sprintf("kept token %d", i), row, want[i*width:(i+1)*width])
	}
	if dropped == 0 {
		t.Error("nothing was dropped: the test shows nothing")
	}
	// A dropped token passes through with its weight, when asked for.
	n := moe{router: "switch", experts: e, k: 1, change: func(m *blocks.MoE) { m.CapacityFactor, m.PassThrough = 0.5, true }}.net(t)
	n.train = true
	through := n.run(1, l, x, nil, nil, 0).out[0]
	for i := range l {
		if slices.Max(got[i*width:(i+1)*width]) == 0 && slices.Min(got[i*width:(i+1)*width]) == 0 {
			p := slices.Max(softmax(gate, x[i*width:(i+1)*width], e))
			row := make([]float32, width)
			for j := range row {
				row[j] = float32(p) * x[i*width+j]
			}
			near(t, fmt.Sprintf("passed token %d", i), through[i*width:(i+1)*width], row)
		}
	}
}

// TestProperty21TheBalanceLossIsOneWhenBalanced: E·Σ f_e·P_e is 1 for equal probabilities, and
// E·P₀ when expert 0 takes all. Seen to fail with counts instead of shares.
func TestProperty21TheBalanceLossIsOneWhenBalanced(t *testing.T) {
	const l, e = 32, 4
	losses := func(gate []float32, x []float32) float32 {
		n := moe{router: "switch", experts: e, k: 1}.net(t)
		layer := n.forward
		n.forward = func(c *blocks.Context, x blocks.Value) []blocks.Value {
			layer(c, x)
			return []blocks.Value{c.Losses()[0].Value}
		}
		n.params["router/router"] = gate
		n.train = true
		return n.run(1, l, x, nil, nil, 0).out[0][0]
	}
	ones := slices.Repeat([]float32{1}, l*width)
	if got := losses(make([]float32, width*e), ones); math.Abs(float64(got)-1) > 1e-5 {
		t.Errorf("equal probabilities give %v, want 1", got)
	}
	gate := make([]float32, width*e)
	for j := range width {
		gate[j*e] = 0.25
	}
	want := e * softmax(gate, ones[:width], e)[0]
	if got := losses(gate, ones); math.Abs(float64(got)-want) > 1e-4 {
		t.Errorf("one expert for all gives %v, want %v", got, want)
	}
}

// TestProperty24AHashRouterSeesTheTokenAlone. Seen to fail with a hash of the sum of the ids so far.
func TestProperty24AHashRouterSeesTheTokenAlone(t *testing.T) {
	const l, e = 30, 4
	n := moe{router: "hash", experts: e, k: 2}.net(t)
	layer := n.forward
	n.forward = func(c *blocks.Context, x blocks.Value) []blocks.Value {
		y := layer(c, x)
		return []blocks.Value{op.Identity(y[0])}
	}
	ids := make([]int64, l)
	for i := range ids {
		ids[i] = int64(i % 3)
	}
	x := slices.Repeat(sequence(1, width), l) // one input everywhere: outputs differ by expert alone
	y := n.run(1, l, x, ids, nil, 0).out[0]
	for i := 3; i < l; i++ {
		equal(t, fmt.Sprintf("token %d", i), y[i*width:(i+1)*width], y[i%3*width:(i%3+1)*width])
	}
	if slices.Equal(y[:width], y[width:2*width]) && slices.Equal(y[:width], y[2*width:3*width]) {
		t.Error("three tokens, all with the same experts")
	}
}
