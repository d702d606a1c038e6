package builtin_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/plugins/plugintest"
)

func TestEveryBuiltInBuildsAndDecodes(t *testing.T) {
	h := plugintest.Host(t)
	for _, c := range []struct {
		kind         plugins.Kind
		name, config string
	}{
		{plugins.RouterKind, "switch", `{}`},
		{plugins.RouterKind, "switch", `{"balance":0,"z_loss":0.001}`},
		{plugins.RouterKind, "topk", `{}`},
		{plugins.RouterKind, "topk", `{"softmax":"after"}`},
		{plugins.RouterKind, "topk", `{"renormalize":false}`},
		{plugins.RouterKind, "hash", `{"seed":3}`},
		{plugins.RouterKind, "hash", `{"table":"balanced","counts":"5,4,3,2,1,9,9,9,1,1,1"}`},
		{plugins.RouterKind, "random", `{}`},
		{plugins.RouterKind, "constant", `{"expert":3}`},
		{plugins.RouterKind, "topk", `{"bias":true}`},
		{plugins.RouterKind, "gshard", `{}`},
		{plugins.RouterKind, "noisy-topk", `{}`},
		{plugins.RouterKind, "sigmoid", `{"n_group":2,"topk_group":1}`},
		{plugins.RouterKind, "sinkhorn", `{"bias":true}`},
		{plugins.RouterKind, "expert-choice", `{}`},
		{plugins.RouterKind, "expert-choice", `{"softmax":"tokens","z_loss":0.1}`},
		{plugins.RouterKind, "soft-moe", `{"normalize":true}`},
		{plugins.ExpertKind, "relu", `{}`},
		{plugins.ExpertKind, "gelu", `{"bias":true}`},
		{plugins.ExpertKind, "gelu", `{"form":"tanh"}`},
		{plugins.ExpertKind, "swiglu", `{"bias":true}`},
		{plugins.ExpertKind, "geglu", `{"form":"tanh","bias":true}`},
		{plugins.ExpertKind, "relu2", `{"bias":true}`},
		{plugins.ExpertKind, "low-rank", `{}`},
		{plugins.ExpertKind, "linear", `{"bias":true}`},
	} {
		b, err := h.Build(context.Background(), plugins.Request{
			Kind: c.kind, Name: c.name, Config: json.RawMessage(c.config),
			Dims: map[string]int64{"d_model": 8, "experts": 4, "top_k": 2, "width": 12, "vocabulary": 11},
		})
		if err != nil {
			t.Errorf("%s %s: %v", c.name, c.config, err)
			continue
		}
		s, err := b.Store()
		if err != nil {
			t.Fatal(err)
		}
		f, err := s.Function()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if again, err := s.Function(); err != nil || again.Train.Hash() != f.Train.Hash() {
			t.Errorf("%s: decoding twice differs: %v", c.name, err)
		}
	}
}

// TestRoutersWarnOfWeightsThatAreAlwaysOne, which no gradient passes.
func TestRoutersWarnOfWeightsThatAreAlwaysOne(t *testing.T) {
	h := plugintest.Host(t)
	for _, c := range []struct {
		name, config string
		topK         int64
		warns        bool
	}{
		{"topk", `{}`, 1, true},
		{"topk", `{}`, 2, false},
		{"topk", `{"softmax":"after"}`, 1, true},
		{"topk", `{"renormalize":false}`, 1, false},
		{"sigmoid", `{}`, 1, true},
		{"sigmoid", `{}`, 2, false},
		{"sigmoid", `{"renormalize":false}`, 1, false},
		{"noisy-topk", `{}`, 1, true},
		{"switch", `{}`, 1, false},
	} {
		b, err := h.Build(context.Background(), plugins.Request{
			Kind: plugins.RouterKind, Name: c.name, Config: json.RawMessage(c.config),
			Dims: map[string]int64{"d_model": 8, "experts": 4, "top_k": c.topK},
		})
		if err != nil {
			t.Fatalf("%s %s: %v", c.name, c.config, err)
		}
		if warned := len(b.Warnings) == 1 && strings.Contains(b.Warnings[0], "always 1"); warned != c.warns {
			t.Errorf("%s %s with top_k = %d: warnings %q", c.name, c.config, c.topK, b.Warnings)
		}
	}
}

func TestOptionsAreCheckedByTheSchema(t *testing.T) {
	h := plugintest.Host(t)
	for config, want := range map[string]string{
		`{"balnce":1}`:       "balance",
		`{"balance":-1}`:     "balance",
		`{"balance":"much"}`: "balance",
	} {
		err := h.CheckConfig(context.Background(), plugins.RouterKind, "switch", json.RawMessage(config))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", config, err)
		}
	}
}
