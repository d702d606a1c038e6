package recipe

import (
	"strings"
	"testing"
)

// expectRecipeError pins the whole message.
func expectRecipeError(t *testing.T, src, want string) {
	t.Helper()
	_, err := Parse("a.yaml", []byte(src), nil)
	if got := message(err); got != want {
		t.Errorf("%.80q\ngot:\n%s\nwant:\n%s", src, got, want)
	}
}

// expectSettingError pins the whole message of a setting of moe-mamba-tiny.
func expectSettingError(t *testing.T, setting, want string) {
	t.Helper()
	_, err := Load("moe-mamba-tiny", setting)
	if got := message(err); got != want {
		t.Errorf("%.80q\ngot:\n%s\nwant:\n%s", setting, got, want)
	}
}

func message(err error) string {
	if err == nil {
		return "no error"
	}
	return err.Error()
}

// expectLayer pins how the first layer of a recipe is written back, every default filled
// in, with d_model 32.
func expectLayer(t *testing.T, layer, want string) {
	t.Helper()
	r, err := Parse("a.yaml", []byte("name: a\nd_model: 32\nlayers: ["+layer+"]\n"), nil)
	if err != nil {
		t.Errorf("%s: %v", layer, err)
		return
	}
	if got := r.Layers[0].Blocks[0].String(); got != want {
		t.Errorf("%s\ngot  %s\nwant %s", layer, got, want)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	expectLayer(t, "mamba", "mamba: {d_state: 16, d_conv: 4, expand: 2, dt_rank: 2, conv_bias: true, bias: false}")
	expectLayer(t, "mamba: {dt_rank: auto}", "mamba: {d_state: 16, d_conv: 4, expand: 2, dt_rank: 2, conv_bias: true, bias: false}")
	expectLayer(t, "mamba: {dt_rank: 7, bias: true}", "mamba: {d_state: 16, d_conv: 4, expand: 2, dt_rank: 7, conv_bias: true, bias: true}")
	expectLayer(t, "mamba: {inner_norm: learned}", "mamba: {d_state: 16, d_conv: 4, expand: 2, dt_rank: 2, conv_bias: true, bias: false, inner_norm: learned, norm_eps: 1e-06}")
	expectLayer(t, "mamba2: {head_dim: 16}", "mamba2: {d_state: 128, head_dim: 16, heads: 4, groups: 1, d_conv: 4, gated_norm: grouped, norm_first: false, norm_eps: 1e-05, skip: head, dt_limit: none, conv_bias: true, bias: false}")
	expectLayer(t, "mamba2: {head_dim: 5, heads: 6, groups: 3, d_state: 8, gated_norm: full, skip: channel, dt_limit: [0.01, none]}", "mamba2: {d_state: 8, head_dim: 5, heads: 6, groups: 3, d_conv: 4, gated_norm: full, norm_first: false, norm_eps: 1e-05, skip: channel, dt_limit: [0.01, none], conv_bias: true, bias: false}")
	expectLayer(t, "mamba2: {head_dim: 16, mixture: {at: in, routing: shared, expert: linear}}", "mamba2: {d_state: 128, head_dim: 16, heads: 4, groups: 1, d_conv: 4, gated_norm: grouped, norm_first: false, norm_eps: 1e-05, skip: head, dt_limit: none, conv_bias: true, bias: false, mixture: {at: [in], routing: shared, router: switch, experts: 8, top_k: 1, expert: linear, width: 32, allow_future: false}}")
	expectLayer(t, "mamba: {mixture: {at: [out, conv], experts: 4}}",
		"mamba: {d_state: 16, d_conv: 4, expand: 2, dt_rank: 2, conv_bias: true, bias: false, mixture: {at: [conv, out], routing: each, router: switch, experts: 4, top_k: 1, expert: relu, width: 32, allow_future: false}}")
	expectLayer(t, "mamba3: {head_dim: 16, rank: 4}", "mamba3: {d_state: 128, head_dim: 16, heads: 4, groups: 1, rank: 4, rope_fraction: 0.5, out_norm: false}")
	expectLayer(t, "s4d", "s4d: {d_state: 64, modes: lin, steps: [0.001, 0.1]}")
	expectLayer(t, "s5: {d_state: 8, blocks: 2, gate: full}", "s5: {d_state: 8, blocks: 2, conjugate: true, discretization: zoh, clip: true, gate: full, steps: [0.001, 0.1]}")
	expectLayer(t, "attention: {heads: 4}", "attention: {heads: 4, kv_heads: 4, head_dim: 8, rope: {base: 10000, fraction: 1, interleaved: false}, window: none, scale: auto, qk_norm: none, gate: false, bias: false}")
	expectLayer(t, "attention: {heads: 4, rope: {scaling: {kind: llama3, factor: 8, original: 8192}}}",
		"attention: {heads: 4, kv_heads: 4, head_dim: 8, rope: {base: 10000, fraction: 1, interleaved: false, scaling: {kind: llama3, factor: 8, low: 1, high: 4, original: 8192}}, window: none, scale: auto, qk_norm: none, gate: false, bias: false}")
	expectLayer(t, "attention: {heads: 4, kv_heads: 2, head_dim: 6, rope: none}", "attention: {heads: 4, kv_heads: 2, head_dim: 6, rope: none, window: none, scale: auto, qk_norm: none, gate: false, bias: false}")
	expectLayer(t, "attention: {heads: 4, rope: none, window: 16, scale: 0.5, qk_norm: {kind: rmsnorm, zero_centred: true}, gate: true, bias: qkv}",
		"attention: {heads: 4, kv_heads: 4, head_dim: 8, rope: none, window: 16, scale: 0.5, qk_norm: {kind: rmsnorm, eps: 1e-05, bias: false, zero_centred: true}, gate: true, bias: qkv}")
	expectLayer(t, "ff: {expert: gelu, width: 1.5x}", "ff: {expert: gelu, width: 48, bias: false}")
	expectLayer(t, "moe: {router: mine/topk, experts: 4, top_k: 2, expert: swiglu, width: 100}",
		"moe: {router: mine/topk, experts: 4, top_k: 2, expert: swiglu, width: 100, capacity_factor: 0, capacity_scope: batch, overflow: zero, shared: none, routed_scale: 1, allow_future: false}")
	expectLayer(t, "moe: {router: sigmoid, width: 8, shared: {experts: 2}, routed_scale: 2.5, latent: 0.5x, allow_future: true}",
		"moe: {router: sigmoid, experts: 8, top_k: 1, expert: relu, width: 8, capacity_factor: 0, capacity_scope: batch, overflow: zero, shared: {experts: 2, width: 8, expert: relu, gate: false}, routed_scale: 2.5, latent: 16, allow_future: true}")
	expectLayer(t, "moe: {width: 8, shared: {width: 24, expert: {use: swiglu, bias: true}, gate: true}}",
		"moe: {router: switch, experts: 8, top_k: 1, expert: relu, width: 8, capacity_factor: 0, capacity_scope: batch, overflow: zero, shared: {experts: 1, width: 24, expert: {use: swiglu, bias: true}, gate: true}, routed_scale: 1, allow_future: false}")
	expectLayer(t, "moe: {router: {use: switch, z: [1, two], balance: 1e-2, 'odd key': {n: null}}, width: 3x}",
		`moe: {router: {use: switch, balance: 1e-2, "odd key": {"n": null}, z: [1, "two"]}, experts: 8, top_k: 1, expert: relu, width: 96, capacity_factor: 0, capacity_scope: batch, overflow: zero, shared: none, routed_scale: 1, allow_future: false}`)
}

func TestMessagesSayWhereWhatAndTheNearestChoice(t *testing.T) {
	expectRecipeError(t, "name: a\nd_model: 32\nlayers:\n  - mamba2: {head_dim: 24}\n",
		`a.yaml:4:13: heads of 24 channels do not divide the inner width 64
   4 |   - mamba2: {head_dim: 24}
     |             ^
hint: give another head_dim, or heads`)
	expectRecipeError(t, "name: a\nd_model: 32\nlayers:\n  - mamba2: {head_dim: 16, dt_limit: [0.1, 0.01]}\n",
		`a.yaml:4:44: dt_limit: got 0.01, want 0.1 to 1e+06
   4 |   - mamba2: {head_dim: 16, dt_limit: [0.1, 0.01]}
     |                                            ^~~~`)
	expectRecipeError(t, "name: a\nd_model: 32\nlayers:\n  - mamba: {mixture: {at: [conv, gaet]}}\n",
		`a.yaml:4:34: at: got "gaet", want some of conv, gate, select, out
   4 |   - mamba: {mixture: {at: [conv, gaet]}}
     |                                  ^~~~
hint: did you mean "gate"?`)
	expectRecipeError(t, "name: a\nd_model: 32\nlayers:\n  - mamba: {mixture: {experts: 4}}\n",
		`a.yaml:4:22: mixture needs at, the projections that are mixtures
   4 |   - mamba: {mixture: {experts: 4}}
     |                      ^
hint: at: [conv, gate, select, out]`)
	expectRecipeError(t, "name: a\nd_model: 32\nlayers:\n  - moe: {router: switch, expert_count: 8}\n",
		`a.yaml:4:27: moe has no key "expert_count"
   4 |   - moe: {router: switch, expert_count: 8}
     |                           ^~~~~~~~~~~~
hint: known: router, experts, top_k, expert, width, capacity_factor, capacity_scope, overflow, shared, routed_scale, latent, allow_future`)
	expectRecipeError(t, "name: a\nd_model: 32\nlayers:\n  - moe: {router: switch, experst: 8, width: 3x}\n",
		`a.yaml:4:27: moe has no key "experst"
   4 |   - moe: {router: switch, experst: 8, width: 3x}
     |                           ^~~~~~~
hint: did you mean "experts"?`)
	expectRecipeError(t, small+"train: {steps: 1_000}\n",
		`a.yaml:5:16: steps: got "1_000", want a whole number
   5 | train: {steps: 1_000}
     |                ^~~~~
hint: write 1000`)
	expectRecipeError(t, small+"out: ../../x\n",
		`a.yaml:5:1: a recipe has no key "out"
   5 | out: ../../x
     | ^~~
hint: that is said on the command line, with --out`)
	expectRecipeError(t, "name: a\nd_model: 32\nlayers: [moe]\n",
		`a.yaml:3:10: moe needs a width, a number or a multiple of d_model such as 3x
   3 | layers: [moe]
     |          ^~~`)
	expectRecipeError(t, "name: ../a\nd_model: 32\nlayers: [mamba]\n",
		`a.yaml:1:7: name: got "../a", want a word
   1 | name: ../a
     |       ^~~~
hint: letters, digits, - _ and ., at most 100`)
	expectRecipeError(t, "name: a\nd_model: 32\nlayers: [mamba\n", "a.yaml:3:9: sequence end token ']' not found\n   3 | layers: [mamba\n     |         ^")
	expectRecipeError(t, "name: a\nd_modle: 32\nlayers: [mamba]\n", "a.yaml:2:1: a recipe has no key \"d_modle\"\n   2 | d_modle: 32\n     | ^~~~~~~\nhint: did you mean \"d_model\"?")
	expectRecipeError(t, "", "a.yaml: no model key: the recipe is empty, it has no name, d_model and layers")
	expectRecipeError(t, "name: a\nd_model: 32\nlayers: [{moe: {width: 3x, router: {use: switch, on: yes}}}]\n",
		`a.yaml:3:54: "yes" is read differently by different programs
   3 | layers: [{moe: {width: 3x, router: {use: switch, on: yes}}}]
     |                                                      ^~~
hint: write true or false, or quote it`)
}

func TestProductsOfSizesAreRefusedBeforeTheyOverflow(t *testing.T) {
	for src, want := range map[string]string{
		small + "train: {batch: 1000000000, context: 1000000000, accumulate: 1000000000}\n":                                        "batch × accumulate × context",
		small + "train: {steps: 1000000000, batch: 1000000000, context: 10}\n":                                                     "steps × batch",
		"name: a\nd_model: 1000000000000\nlayers: [mamba]\n":                                                                       "d_model × the vocabulary",
		"name: a\nd_model: 32\nlayers: [mamba: {expand: 1000000000000}]\n":                                                         "the weights of mamba",
		"name: a\nd_model: 32\nlayers: [moe: {experts: 1000000000, width: 1000000000}]\n":                                          "the weights of moe",
		"name: a\nd_model: 32\nlayers: [ff: {width: 1000000000000}]\n":                                                             "the weights of ff",
		"name: a\nd_model: 32\nlayers: [attention: {heads: 1000000000, head_dim: 1000000000}]\n":                                   "the weights of attention",
		"name: a\nd_model: 32\nrepeat: 1099511627776\nlayers: [mamba, mamba]\n":                                                    "layers are more than the 10000",
		"name: a\nd_model: 32\nlayers: [mamba: {expand: 9223372036854775808}]\n":                                                   "is too large",
		"name: a\nd_model: 32\nlayers: [ff: {width: 1e300x}]\n":                                                                    "width: got",
		"name: a\nd_model: 32\nlayers: [moe: {width: 3x, router: {use: a, balance: 1e999}}]\n":                                     "beyond the range",
		"name: a\nd_model: 32\nlayers: [attention: {heads: 4, head_dim: 5}]\n":                                                     "want an even number",
		"name: a\nd_model: 32\nlayers: [attention: {window: 0}]\n":                                                                 "window: got 0, want at least 1",
		"name: a\nd_model: 32\nlayers: [attention: {bias: kv}]\n":                                                                  "bias: got \"kv\", want false or true or qkv or out",
		"name: a\nd_model: 32\nlayers: [mamba]\nnorm: {kind: layernorm, zero_centred: true}\n":                                     "zero_centred belongs to rmsnorm",
		"name: a\nd_model: 32\nlayers: [parallel: [mamba, attention: {}]]\nnorm_placement: post\n":                                 "blocks in parallel need their norms before",
		"name: a\nd_model: 32\nlayers: [mamba]\nmultiplier: {embedding: root}\n":                                                   "embedding: got \"root\", want a number",
		"name: a\nd_model: 32\nlayers: [attention: {heads: 4, rope: {fraction: 0}}]\n":                                             "want an even number",
		"name: a\nd_model: 32\nlayers: [attention: {heads: 4, rope: {scaling: {kind: yarn}}}]\n":                                   `kind: got "yarn", want linear or llama3`,
		"name: a\nd_model: 32\nlayers: [attention: {heads: 4, rope: {scaling: {kind: linear}}}]\n":                                 "scaling needs a factor",
		"name: a\nd_model: 32\nlayers: [attention: {heads: 4, rope: {scaling: {factor: 2, low: 1}}}]\n":                            `scaling has no key "low"`,
		"name: a\nd_model: 32\nlayers: [attention: {heads: 4, rope: {scaling: {kind: llama3, factor: 8}}}]\n":                      "scaling of kind llama3 needs original",
		"name: a\nd_model: 32\nlayers: [attention: {heads: 4, rope: {scaling: {kind: llama3, factor: 8, original: 9, low: 4}}}]\n": "high 4 is not above low 4",
		small + "positions: {learned: 8}\ntrain: {context: 9}\n":                                                                   "sequences of 9 tokens are longer than the 8 learned positions",
		small + "train: {cooldown: 5}\n":                                                                                           "belongs to the schedule wsd",
		"name: a\nd_model: 32\nlayers: [moe: {width: 3x, router: 'a, b: c'}]\n":                                                    "want a name",
		"name: a\nd_model: 32\nlayers: [moe: {width: 3x, router: {balance: 1}}]\n":                                                 "want a name",
		"name: a\nd_model: 32\nlayers: [{parallel: [mamba]}]\n":                                                                    "at least two blocks",
		"name: a\nd_model: 32\nlayers: [{parallel: [mamba, mamba: {expand: 1}]}]\n":                                                "two mamba blocks in parallel",
		"name: a\nd_model: 32\nlayers: [{mamba: {}, ff: {width: 3x}}]\n":                                                           "want a single block",
		"extends: moe-mamba-tiny\nname: a\nlayers: [mamba, attention: {heads: 3}]\n":                                               "do not divide d_model",
		"name: a\nextends: [b]\n": "want a recipe's name",
	} {
		expectError(t, src, want)
	}
}

func TestSettingErrorsPointIntoTheSetting(t *testing.T) {
	expectSettingError(t, "layers.meo.experts=4",
		`--set:1:1: nothing in the recipe is called "layers.meo.experts"
   1 | layers.meo.experts=4
     | ^~~~~~~~~~~~~~~~~~
hint: did you mean "moe"?`)
	expectSettingError(t, "layers[1].router=topk",
		`--set:1:1: layers[1] holds moe, not router
   1 | layers[1].router=topk
     | ^~~~~~~~~~~~~~~~
hint: the path goes on with .moe`)
	expectSettingError(t, "train.lrr=1", `--set:1:1: train has no key "lrr"
   1 | train.lrr=1
     | ^~~~~~~~~
hint: did you mean "lr"?`)
	expectSettingError(t, "d_model=010", `--set:1:9: d_model: got "010", want a whole number
   1 | d_model=010
     |         ^~~
hint: write 10`)
	expectSettingError(t, "d_model.x=1", `--set:1:1: d_model.x: d_model is a single value, there is no x in it
   1 | d_model.x=1
     | ^~~~~~~~~`)
	expectSettingError(t, "vocabulary={size: 9, tokenizer: 0a}", `--set:1:33: tokenizer: got "0a", want the SHA-256 of a tokenizer.json
   1 | vocabulary={size: 9, tokenizer: 0a}
     |                                 ^~`)
	expectSettingError(t, "train[0]=1", `--set:1:1: train[0]: train is no list
   1 | train[0]=1
     | ^~~~~~~~`)
}

func TestSettingsReachShortForms(t *testing.T) {
	for _, c := range []struct{ recipe, setting, want string }{
		{"moe-mamba-25m", "layers.moe.router.use=topk", "router: topk"},
		{"moe-mamba-25m", "layers.moe.router=switch", "router: {use: switch, balance: 0.01}"},
		{"moe-mamba-25m", "layers.moe.router.z=1e-3", "router: {use: switch, balance: 0.01, z: 1e-3}"},
		{"moe-mamba-tiny", "layers.moe.expert.act=tanh", `expert: {use: relu, act: "tanh"}`},
		{"moe-mamba-parallel-tiny", "layers.moe.router={use: topk, after: true}", "router: {use: topk, after: true}"},
		{"moe-mamba-parallel-tiny", "layers[0].parallel[1].moe.experts=3", "experts: 3"},
		{"moe-mamba-tiny", "norm.eps=1e-6", "norm: {kind: rmsnorm, eps: 1e-06, bias: false, zero_centred: false}"},
		{"moe-mamba-tiny", "final_norm.bias=true", "final_norm: {kind: rmsnorm, eps: 1e-05, bias: true, zero_centred: false}"},
		{"moe-mamba-tiny", "vocabulary.size=1000", "vocabulary: {size: 1000}"},
		{"moe-mamba-tiny", "vocabulary={size: 300, tokenizer: " + strings.Repeat("0a", 32) + "}", `vocabulary: {size: 300, tokenizer: "0a0a`},
		{"moe-mamba-tiny", "positions.learned=1000", "positions: {learned: 1000}"},
		{"moe-mamba-tiny", "head.tied=true", "head: {tied: true, bias: false, soft_cap: none}"},
		{"transformer-tiny", "layers.attention.rope=none", "rope: none"},
		{"moe-mamba-25m", "train.betas[1]=0.95", "betas: [0.9, 0.95]"},
		{"moe-mamba-tiny", "data.holdout=7%", "holdout: 0.07"},
	} {
		r, err := Load(c.recipe, c.setting)
		if err != nil {
			t.Errorf("%s: %v", c.setting, err)
			continue
		}
		if y := string(r.YAML()); !strings.Contains(y, c.want) {
			t.Errorf("%s: want %s in\n%s", c.setting, c.want, y)
		}
	}
}

func TestAChangedRouterSaysWhichOptionsItDrops(t *testing.T) {
	for setting, want := range map[string]string{
		"layers.moe.router=topk":                      "router topk replaces switch, whose options are dropped: balance",
		"layers.moe.router.use=topk":                  "router topk replaces switch, whose options are dropped: balance",
		"layers.moe.router={use: topk}":               "router topk replaces switch, whose options are dropped: balance",
		"layers.moe.router={use: topk, balance: 0.1}": "",
		"layers.moe.router=switch":                    "",
		"layers.moe.router.balance=0.1":               "",
	} {
		_, notes, err := LoadWith("moe-mamba-25m", []string{setting})
		if got := strings.Join(notes, "\n"); err != nil || got != want {
			t.Errorf("%s: %v, %q, want %q", setting, err, got, want)
		}
	}
}
