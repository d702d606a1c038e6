package blocks_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// lossOptions are the weights of auxiliary losses, as routers call them.
var lossOptions = []string{"balance", "z_loss", "importance", "load"}

// losing are all built-in routers that have auxiliary losses, each with all of its own.
func losing(t *testing.T) map[string]string {
	t.Helper()
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	out := map[string]string{}
	for _, f := range h.List() {
		if f.Name != "routers" || f.Description == nil {
			continue
		}
		for _, v := range f.Description.Variants {
			config := map[string]float64{}
			for _, o := range v.Options() {
				if slices.Contains(lossOptions, o.Name) {
					config[o.Name] = 1
				}
			}
			if len(config) > 0 {
				raw, _ := json.Marshal(config)
				out[v.Name] = string(raw)
			}
		}
	}
	if len(out) < 7 {
		t.Fatalf("only %v have auxiliary losses", out)
	}
	return out
}

// lossNet answers one of a router's auxiliary losses.
func lossNet(t *testing.T, router, config string, which int) net {
	n := moe{router: router, config: config, experts: 4, k: 2}.net(t)
	layer := n.forward
	n.train = true
	n.forward = func(c *blocks.Context, x blocks.Value) []blocks.Value {
		c.RNG = c.G.Int64s(7, 3)
		layer(c, x)
		return []blocks.Value{op.Reshape(c.Losses()[which].Value, 1)}
	}
	return n
}

// lossNames are the names of a router's losses.
func lossNames(t *testing.T, router, config string) []string {
	t.Helper()
	f := function(t, plugins.RouterKind, router, config, map[string]int64{"d_model": width, "experts": 4, "top_k": 2, "vocabulary": 100})
	var out []string
	for _, l := range f.Losses {
		if l.Weight != 1 {
			t.Errorf("%s: loss %s has the weight %v, want 1", router, l.Name, l.Weight)
		}
		out = append(out, l.Name)
	}
	return out
}

// TestAuxiliaryLossesReachTheRoutersWeights: the gradient of every loss of every router with
// respect to the gate is not 0, and the loss has the slope that it says. Walks are short, so that
// no token changes its expert on them. Seen to fail with a z-loss of constant logits, and with a
// gradient of the logarithm that is a tenth too long.
func TestAuxiliaryLossesReachTheRoutersWeights(t *testing.T) {
	const l = 24
	x := sequence(6, l*width)
	for router, config := range losing(t) {
		for which, name := range lossNames(t, router, config) {
			n := lossNet(t, router, config, which)
			gates := []string{"router/router"}
			if router == "noisy-topk" && name == "load" {
				gates = append(gates, "router/noise")
			}
			gradients := n.gradients(1, l, x, nil)
			for _, gate := range gates {
				start := slices.Clone(n.params.of(gate, len(gradients[gate])))
				square := 0.0
				for _, g := range gradients[gate] {
					square += float64(g) * float64(g)
				}
				long := math.Sqrt(square)
				if !(long > 1e-4) {
					t.Errorf("%s: the gradient of %s is %v long at %s", router, name, long, gate)
					continue
				}
				at := func(way float64) float64 {
					moved := slices.Clone(start)
					for i, g := range gradients[gate] {
						moved[i] += float32(way * float64(g) / long)
					}
					n.params[gate] = moved
					return float64(n.run(1, l, x, nil, nil, 0).out[0][0])
				}
				best := math.Inf(1)
				for _, way := range []float64{3e-2, 1e-2, 3e-3} {
					for _, slope := range []float64{(at(way) - at(-way)) / (2 * way), (at(way) - at(0)) / way, (at(0) - at(-way)) / way} {
						best = min(best, math.Abs(slope-long)/long)
					}
				}
				n.params[gate] = start
				if best > 0.02 {
					t.Errorf("%s: along the gradient of %s at %s the slope is off by %.2g of its length %.3g", router, name, gate, best, long)
				}
			}
		}
	}
}

// TestLossesOfTokensAreTheirMean: the z-loss of a batch is the mean over its sequences, so that
// it does not depend on how a step is split into micro-batches. Balance, importance and load are
// no sums over tokens: those of a sequence and its copy are those of the sequence. Seen to fail
// with a sum in the place of a mean.
func TestLossesOfTokensAreTheirMean(t *testing.T) {
	const l = 16
	x := sequence(11, 2*l*width)
	for router, config := range losing(t) {
		for which, name := range lossNames(t, router, config) {
			n := lossNet(t, router, config, which)
			n.train = false // noise differs by a token's place in the batch
			loss := func(batch int, x []float32) float64 { return float64(n.run(batch, l, x, nil, nil, 0).out[0][0]) }
			first, second := loss(1, x[:l*width]), loss(1, x[l*width:])
			if twice := loss(2, append(slices.Clone(x[:l*width]), x[:l*width]...)); math.Abs(twice-first) > 1e-5*max(1, first) {
				t.Errorf("%s: %s of a sequence and its copy is %v, of the sequence %v", router, name, twice, first)
			}
			if both := loss(2, x); name == "z" && math.Abs(both-(first+second)/2) > 1e-5*max(1, both) {
				t.Errorf("%s: %s of two sequences is %v, of each %v and %v", router, name, both, first, second)
			}
		}
	}
}
