package check_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph/op"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// begun is a model of a recipe at a start at which every parameter matters.
func begun(t *testing.T, change func(net *blocks.Model), name string, settings ...string) *zoo.Trained {
	t.Helper()
	h := plugintest.Host(t)
	r, err := recipe.Load(name, settings...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := zoo.Build(context.Background(), r, h)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&m.Net)
	}
	d := cpu.New(1)
	t.Cleanup(func() { d.Close() })
	out, err := m.Begun(d, check.Awake)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func verdict(t *testing.T, m *zoo.Trained, f func(context.Context, *zoo.Trained, check.Options) (check.Verdict, error)) check.Verdict {
	t.Helper()
	v, err := f(context.Background(), m, check.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(v); err != nil {
		t.Error(err)
	}
	return v
}

func TestEveryCheckPassesAndSaysWhatItCompared(t *testing.T) {
	for _, name := range []string{"moe-mamba-debug", "nemotron-3-debug"} {
		m := begun(t, nil, name)
		for _, c := range check.All {
			if v := verdict(t, m, c.Run); v.Status != check.OK || v.Check != c.Name || v.Detail == "" {
				t.Errorf("%s: %+v", name, v)
			}
		}
	}
}

// TestVocabulariesWithoutTextAreChecked: a vocabulary of a size has no tokenizer to train with.
func TestVocabulariesWithoutTextAreChecked(t *testing.T) {
	m := begun(t, nil, "mamba-debug", "vocabulary={size: 97}", "positions={learned: 20}", "train.context=16")
	for _, c := range check.All {
		if v := verdict(t, m, c.Run); v.Status != check.OK {
			t.Errorf("%+v", v)
		}
	}
}

// peeking adds the mean over the whole sequence to what its block gives.
type peeking struct{ blocks.Block }

func (p peeking) Forward(c *blocks.Context, x blocks.Value) blocks.Value {
	return op.Add(p.Block.Forward(c, x), op.ReduceMean(x, []int64{1}, true))
}

// forgetful begins anew at every call.
type forgetful struct{ blocks.Block }

func (f forgetful) Forward(c *blocks.Context, x blocks.Value) blocks.Value {
	y := f.Block.Forward(c, x)
	if c.Mode == blocks.Decode {
		y = op.Scale(y, 1.01)
	}
	return y
}

// breaking lets one layer do wrong.
func breaking(layer int, wrong func(blocks.Block) blocks.Block) func(*blocks.Model) {
	return func(net *blocks.Model) {
		b := &net.Layers[layer].Branches[0]
		b.Block = wrong(b.Block)
	}
}

func TestALayerThatLooksAheadIsNamed(t *testing.T) {
	m := begun(t, breaking(2, func(b blocks.Block) blocks.Block { return peeking{b} }), "mamba-debug")
	v := verdict(t, m, check.Causal)
	if v.Status != check.Failed || v.Layer != "layers.2 (mamba)" || v.Position == nil || *v.Position != 0 || !(v.Difference > 0) {
		t.Errorf("%+v", v)
	}
	if !strings.Contains(v.Detail, "layers.2 (mamba): in inference, position 0 of 2 changes") {
		t.Error(v.Detail)
	}
}

func TestALayerWhoseStepsDifferIsNamed(t *testing.T) {
	m := begun(t, breaking(1, func(b blocks.Block) blocks.Block { return forgetful{b} }), "mamba-debug")
	v := verdict(t, m, check.Step)
	if v.Status != check.Failed || v.Layer != "layers.1 (mamba)" || v.Position == nil || !(v.Difference > v.Tolerance) {
		t.Errorf("%+v", v)
	}
}

// deaf gives the same whatever it hears.
type deaf struct{ blocks.Block }

func (deaf) Forward(_ *blocks.Context, x blocks.Value) blocks.Value { return op.Scale(x, 0) }

func TestAModelThatDependsOnNothingIsNoProof(t *testing.T) {
	m := begun(t, func(net *blocks.Model) {
		net.Layers = net.Layers[:1]
		net.Layers[0].Branches[0].Block = deaf{}
		net.EmbeddingScale = 1e-60 // 0 in float32
	}, "mamba-debug", "final_norm=false")
	if v := verdict(t, m, check.Causal); v.Status != check.Failed || !strings.Contains(v.Detail, "no logit depends on any token") {
		t.Errorf("%+v", v)
	}
}

// TestRoutersThatSayTheyLookAhead fail where they do so in inference, and are named where they
// do so only in training.
func TestRoutersThatSayTheyLookAhead(t *testing.T) {
	for router, want := range map[string]struct {
		causal, step check.Status
		detail       string
	}{
		"expert-choice": {check.Failed, check.Skipped, "router routers/expert-choice): in inference, position"},
		"soft-moe":      {check.Failed, check.Skipped, "router routers/soft-moe): in inference, position"},
		"sinkhorn":      {check.OK, check.OK, "in training they do, by router routers/sinkhorn, which says so"},
	} {
		m := begun(t, nil, "moe-mamba-debug", "layers.moe.router="+router, "layers.moe.allow_future=true")
		if v := verdict(t, m, check.Causal); v.Status != want.causal || !strings.Contains(v.Detail, want.detail) {
			t.Errorf("%s: %+v", router, v)
		}
		if v := verdict(t, m, check.Step); v.Status != want.step {
			t.Errorf("%s: %+v", router, v)
		}
	}
	m := begun(t, nil, "moe-mamba-debug", "layers.moe.router=topk", "layers.moe.top_k=2", "layers.moe.capacity_factor=0.5")
	if v := verdict(t, m, check.Causal); v.Status != check.OK || !strings.Contains(v.Detail, "the capacity of layers.1 (moe, router routers/topk)") {
		t.Errorf("a capacity: %+v", v)
	}
}

func TestNumbersThatAreNoneAreNullInJSON(t *testing.T) {
	raw, err := json.Marshal(check.Verdict{Difference: check.Number(math.NaN()), Tolerance: check.Number(math.Inf(1))})
	if err != nil || !strings.Contains(string(raw), `"difference":null,"tolerance":null`) {
		t.Errorf("%s %v", raw, err)
	}
}

func ExampleVerdict() {
	v := check.Verdict{Check: "causal", Status: check.Failed, Layer: "layers.1 (moe)", Difference: 0.25}
	raw, _ := json.Marshal(v)
	fmt.Println(string(raw))
	// Output: {"check":"causal","status":"failed","detail":"","layer":"layers.1 (moe)","difference":0.25,"tolerance":0}
}
