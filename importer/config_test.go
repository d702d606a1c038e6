package importer

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/safetensors"
)

// fakeShapes are tensors of which nothing but the shape is known.
type fakeShapes map[string][]int64

func (f fakeShapes) names() []string { return sortedKeys(f) }

func (f fakeShapes) shape(tensor string) ([]int64, bool) { s, ok := f[tensor]; return s, ok }

func (f fakeShapes) same(a, b string) (bool, error) { return a == b, nil }

// example is a configuration as its authors publish it, and its tensors' shapes.
type example struct {
	name   string
	config []byte
	shapes fakeShapes
}

func examples(t testing.TB) []example {
	t.Helper()
	entries, err := os.ReadDir("../testdata/import")
	if err != nil || len(entries) == 0 {
		t.Fatal(len(entries), err)
	}
	var out []example
	for _, e := range entries {
		config, err := os.ReadFile(filepath.Join("../testdata/import", e.Name(), "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(filepath.Join("../testdata/golden", strings.TrimSuffix(e.Name(), "_hfformat")+".safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		shapes := fakeShapes{}
		for _, name := range f.Names() {
			if own, ok := strings.CutPrefix(name, "w."); ok {
				info, _ := f.Info(name)
				if strings.HasSuffix(e.Name(), "_hfformat") {
					own = strings.Replace(own, "backbone.embedding.", "backbone.embeddings.", 1)
				}
				shapes[own] = info.Shape
			}
		}
		f.Close()
		out = append(out, example{e.Name(), config, shapes})
	}
	return out
}

func exampleOf(t testing.TB, name string) example {
	t.Helper()
	for _, e := range examples(t) {
		if e.name == name {
			return e
		}
	}
	t.Fatalf("there is no example %s", name)
	return example{}
}

// readExample reads a configuration against shapes.
func readExample(raw []byte, shapes fakeShapes) (*Config, error) {
	values, err := parseConfig(raw)
	if err != nil {
		return nil, err
	}
	a, err := find(values)
	if err != nil {
		return nil, err
	}
	c := newConfig(values, shapes)
	_, err = a.read("x", c)
	return c, err
}

// wrongConfigs are configurations that must be refused, by what the message must say: rows
// of bad inputs, most of them a published configuration with one setting changed.
var wrongConfigs = []struct {
	name, example string
	set           string // JSON object of changed keys; or, when it is none, the whole text
	want          string
}{
	{"row62-hidden-0", "hf_llama", `{"hidden_size": 0}`, "hidden_size is 0, want 1"},
	{"row62-heads-0", "hf_llama", `{"num_attention_heads": 0}`, "num_attention_heads is 0, want 1"},
	{"row62-heads-not-dividing", "hf_llama", `{"num_attention_heads": 3}`, "hidden_size 16 is no multiple of num_attention_heads 3"},
	{"row62-kv-heads-not-dividing", "hf_llama", `{"num_key_value_heads": 3}`, "num_attention_heads 4 is no multiple of num_key_value_heads 3"},
	{"row63-layers-10^9", "hf_mamba", `{"num_hidden_layers": 1000000000}`, "num_hidden_layers is 1000000000, but the tensors are those of 2 layers (backbone.layers.N)"},
	{"row63-experts-10^9", "hf_mixtral", `{"num_local_experts": 1000000000}`, "num_local_experts is 1000000000, but the tensors are those of 4 experts"},
	{"row64-vocabulary", "hf_mamba", `{"vocab_size": 33}`, "vocab_size is 33, but backbone.embeddings.weight has 32 rows"},
	{"row64-padded-vocabulary", "statespaces_mamba1", `{"vocab_size": 33}`, "vocab_size is 33, in multiples of 8 40, but backbone.embedding.weight has 32 rows"},
	{"row65-model-type-slash", "hf_mamba", `{"model_type": "../../etc/passwd"}`, `the model_type "../../etc/passwd" is not known`},
	{"row66-negative", "hf_mamba", `{"state_size": -4}`, "state_size is -4, want 1"},
	{"row66-float", "hf_mamba", `{"state_size": 4.5}`, "state_size is 4.5, want a whole number"},
	{"row66-text", "hf_mamba", `{"state_size": "4"}`, `state_size is "4", want a whole number`},
	{"row66-nan", "hf_mamba", `{"layer_norm_epsilon": NaN}`, "layer_norm_epsilon is NaN, want a finite number"},
	{"row66-infinity", "hf_llama", `{"rope_theta": Infinity}`, "rope_theta is +Inf, want a finite number"},
	{"row66-2^63", "hf_mamba", `{"vocab_size": 9223372036854775808}`, "vocab_size is 9223372036854775808, want a whole number"},
	{"row66-2^62", "hf_mamba", `{"vocab_size": 4611686018427387904}`, "vocab_size is 4611686018427387904, want 1 to 2^40"},
	{"row66-flag", "hf_mamba", `{"use_bias": "yes"}`, `use_bias is "yes", want true or false`},
	{"row67-depth", "", `{"model_type": "mamba", "x": ` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + "}", "nested deeper than 32"},
	{"row68-unknown", "hf_mamba", `{"model_type": "rwkv"}`, `the model_type "rwkv" is not known: want one of `},
	{"row68-misspelt", "hf_mamba", `{"model_type": "mambaa"}`, "did you mean mamba?"},
	{"row68-missing", "", `{"hidden_size": 16}`, "model_type is null, want one of "},
	{"empty", "", "", "EOF"},
	{"no-object", "", "[]", "is no JSON object"},
	{"two-documents", "", "{} {}", "goes on after its closing }"},
	{"key-twice", "", `{"model_type": "mamba", "model_type": "llama"}`, `"model_type" occurs twice`},
	{"no-utf8", "", "{\"model_type\": \"\xff\"}", "is not valid UTF-8"},
	{"unknown-key", "hf_llama", `{"rope_scalling": {"factor": 2.0}}`, `the key "rope_scalling" is not known for llama, and may change what it computes (did you mean "rope_scaling"?)`},
	{"key-of-another", "hf_mamba", `{"num_attention_heads": 4}`, `the key "num_attention_heads" is not known for mamba`},
	{"scaled-rope", "hf_llama", `{"rope_scaling": {"rope_type": "dynamic", "factor": 8.0}}`, `rope_scaling.rope_type is "dynamic", which is not supported: want default or linear or llama3`},
	{"scaled-rope-incomplete", "hf_llama", `{"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}`, "rope_scaling.original_max_position_embeddings is missing"},
	{"scaled-rope-backwards", "hf_llama", `{"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0, "original_max_position_embeddings": 8192}}`, "high 1 is not above low 4"},
	{"scaled-rope-5", "hf_llama", `{"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0}}`, `rope_parameters.rope_type is "yarn"`},
	{"scaled-rope-factor", "hf_llama", `{"rope_scaling": {"rope_type": "default", "factor": 8.0}}`, `the key "rope_scaling.factor" is not known for llama`},
	{"quantised", "hf_llama", `{"quantization_config": {"bits": 4}}`, `quantization_config is {"bits":4}, which is not supported: want none`},
	{"activation", "hf_llama", `{"hidden_act": "gelu"}`, `hidden_act is "gelu", which is not supported: want "silu" or "swish" or none`},
	{"inner-width", "hf_mamba", `{"intermediate_size": 64}`, "intermediate_size is 64, but by the shape of backbone.layers.0.mixer.out_proj.weight it is 32"},
	{"state", "hf_mamba", `{"state_size": 8}`, "state_size is 8, but by the shape of backbone.layers.0.mixer.A_log it is 4"},
	{"bias-without-tensor", "hf_mamba", `{"use_bias": true}`, "use_bias is true, but by the tensors (backbone.layers.0.mixer.in_proj.bias) it is false"},
	{"limits", "statespaces_mamba2_hfformat", `{"time_step_limit": [0.5, 0.1]}`, "time_step_limit is [0.5,0.1], want two numbers, the first from 0 and below the second"},
	{"groups", "statespaces_mamba2_hfformat", `{"n_groups": 3}`, "no multiple of twice the groups 6"},
	{"attention-in-mamba", "statespaces_mamba2", `{"attn_layer_idx": [1]}`, "attn_layer_idx is [1], which is not supported"},
	{"mamba3", "statespaces_mamba2", `{"ssm_cfg": {"layer": "Mamba3"}}`, `ssm_cfg.layer is "Mamba3", which is not supported: want Mamba1 or Mamba2`},
	{"period", "hf_jamba", `{"attn_layer_offset": 9}`, "attn_layer_offset 9 is not below attn_layer_period 4"},
	{"positions", "hf_gpt2", `{"n_positions": 65}`, "n_positions is 65, but transformer.wpe.weight has 64 rows"},
	{"experts-10^9", "hf_nemotron_h", `{"n_routed_experts": 1000000000}`, "n_routed_experts is 1000000000, but the tensors are those of 4 experts"},
	{"experts-stacked", "hf_granitemoehybrid", `{"num_local_experts": 5}`, "num_local_experts is 5, but by the shape of model.layers.0.block_sparse_moe.input_linear.weight it is 4"},
	{"experts-of-qwen3", "hf_qwen3_next", `{"num_experts": 5}`, "num_experts is 5, but the tensors are those of 4 experts"},
	{"layer-kinds", "hf_granitemoehybrid", `{"layer_types": ["mamba", "attention"]}`, "layer_types is [\"mamba\",\"attention\"], want a list of 3 words"},
	{"layer-kind", "hf_granitemoehybrid", `{"layer_types": ["mamba", "attention", "rwkv"]}`, `layer_types[2] is "rwkv", which is not supported: want attention or `},
	{"position-kind", "hf_granitemoehybrid", `{"position_embedding_type": "alibi"}`, `position_embedding_type is "alibi", which is not supported: want nope or rope`},
	{"pattern", "hf_nemotron_h", `{"layers_block_type": null, "hybrid_override_pattern": "MEX"}`, `hybrid_override_pattern is "MEX", want letters M, *, - and E`},
	{"pattern-too-short", "hf_nemotron_h", `{"layers_block_type": null, "hybrid_override_pattern": "ME"}`, "layers_block_type is 2, but the tensors are those of 6 layers"},
	{"two-spellings", "hf_nemotron_h", `{"mamba_n_groups": 4}`, "n_groups is 2, but mamba_n_groups is 4"},
	{"latent-bias", "hf_nemotron_h_latent", `{"mlp_bias": true}`, "mlp_bias with moe_latent_size is not supported"},
	{"step-limit", "hf_nemotron_h", `{"time_step_limit": [0.0, 0.5]}`, "transformers holds to the latter alone"},
	{"biases-of-attention", "hf_nemotron_h", `{"attention_bias": true}`, "attention_bias is true, which is not supported"},
	{"quarter-rotation", "hf_bamba", `{"rope_parameters": {"rope_type": "default", "rope_theta": 1000.0, "partial_rotary_factor": 0.25}}`, "bamba rotates half of each head"},
	{"half-rotation", "hf_zamba2", `{"rope_parameters": {"rope_type": "default", "rope_theta": 1000.0, "partial_rotary_factor": 0.5}}`, "zamba2 rotates whole heads"},
	{"long-context", "hf_zamba2", `{"use_long_context": true}`, "use_long_context is true, which is not supported"},
	{"hybrid-ids", "hf_zamba2", `{"hybrid_layer_ids": [0, 1]}`, "hybrid_layer_ids is [0,1], but by layers_block_type it is [1 2 3]"},
	{"early-adapters", "hf_zamba2", `{"use_shared_block_lora": true}`, `the key "use_shared_block_lora" is not known for zamba2`},
	{"odd-rotation", "hf_llama", `{"head_dim": 3}`, "rope rotates"},
}

// sameConfigs are other ways to say what an example says.
var sameConfigs = []struct{ name, example, set string }{
	{"old kinds", "hf_nemotron_h", `{"layers_block_type": ["mamba", "moe", "attention", "mlp", "mamba", "moe"], "num_hidden_layers": 6}`},
	{"pattern", "hf_nemotron_h", `{"layers_block_type": null, "hybrid_override_pattern": "ME*-ME", "num_hidden_layers": 6, "rope_theta": 10000.0, "norm_eps": 1e-5}`},
	{"old names", "hf_nemotron_h", `{"n_groups": null, "mamba_n_groups": 2, "head_dim": null, "attention_head_dim": 6, "mamba_dt_limit": [0.0, Infinity]}`},
	{"old kinds", "hf_granitemoehybrid", `{"layer_types": ["mamba", "attention", "mamba"], "position_embedding_type": "nope", "init_method": "mup", "normalization_function": "rmsnorm"}`},
	{"automatic heads", "hf_granitemoehybrid", `{"mamba_d_head": "auto"}`},
	{"old kinds", "hf_zamba2", `{"layers_block_type": ["mamba", "hybrid", "hybrid", "hybrid"], "rope_parameters": null, "rope_theta": 10000.0}`},
	{"published keys", "hf_zamba2", `{"ffn_hidden_size": 24, "use_shared_mlp_adapter": true, "time_step_limit": null, "attention_hidden_size": 32, "hybrid_layer_ids": [1, 2, 3]}`},
	{"published keys", "hf_qwen3_next", `{"use_sliding_window": false, "rope_scaling": null}`},
	{"published keys", "hf_nemotron_h", `{"auto_map": {"AutoModelForCausalLM": "modeling.X"}, "partial_rotary_factor": 1.0, "rms_norm_eps": 1e-5, "time_step_limit": [0.0, Infinity]}`},
	{"old rotation", "hf_bamba", `{"rope_parameters": null, "rope_theta": 1000.0, "attn_rotary_emb": 2}`},
	{"interval", "hf_qwen3_next", `{"layer_types": null, "full_attention_interval": 4, "rope_parameters": null, "rope_theta": 10000.0, "partial_rotary_factor": 0.25}`},
}

func TestOtherSpellingsSayTheSame(t *testing.T) {
	for _, s := range sameConfigs {
		t.Run(s.example+" "+s.name, func(t *testing.T) {
			e := exampleOf(t, s.example)
			var recipes [2]string
			for i, raw := range [][]byte{e.config, changed(t, e, s.set)} {
				values, err := parseConfig(raw)
				if err != nil {
					t.Fatal(err)
				}
				a, err := find(values)
				if err != nil {
					t.Fatal(err)
				}
				r, err := a.read("model", newConfig(values, e.shapes))
				if err != nil {
					t.Fatal(err)
				}
				recipes[i] = string(r.YAML())
			}
			if recipes[0] != recipes[1] {
				t.Errorf("got\n%s\nwant\n%s", recipes[1], recipes[0])
			}
		})
	}
}

// changed is an example's configuration with some keys set.
func changed(t testing.TB, e example, set string) []byte {
	t.Helper()
	values, err := parseConfig(e.config)
	if err != nil {
		t.Fatal(err)
	}
	more, err := parseConfig([]byte(set))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(values, more)
	return pythonJSON(t, values)
}

// pythonJSON writes values with infinities as Python does.
func pythonJSON(t testing.TB, values map[string]any) []byte {
	t.Helper()
	raw, err := json.Marshal(spelledOut(values))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"Infinity", "-Infinity", "NaN"} {
		raw = []byte(strings.ReplaceAll(string(raw), `"`+word+`"`, word))
	}
	return raw
}

func spelledOut(v any) any {
	switch v := v.(type) {
	case float64:
		return strings.Replace(strings.Replace(spelled(v), "+Inf", "Infinity", 1), "-Inf", "-Infinity", 1)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = spelledOut(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k := range v {
			out[k] = spelledOut(v[k])
		}
		return out
	}
	return v
}

func TestWrongConfigurationsAreRefusedByName(t *testing.T) {
	for _, w := range wrongConfigs {
		t.Run(w.name, func(t *testing.T) {
			raw, e := []byte(w.set), example{shapes: fakeShapes{}}
			if w.example != "" {
				e = exampleOf(t, w.example)
				raw = changed(t, e, w.set)
			}
			_, err := readExample(raw, e.shapes)
			if err == nil || !strings.Contains(err.Error(), w.want) {
				t.Errorf("got %v, want %q", err, w.want)
			}
		})
	}
}

// TestKeysThatWouldRunCodeAreWarnedOf is row 61: they have no effect.
func TestKeysThatWouldRunCodeAreWarnedOf(t *testing.T) {
	e := exampleOf(t, "hf_mamba")
	c, err := readExample(changed(t, e, `{"auto_map": {"AutoModel": "evil.Model"}, "trust_remote_code": true, "_attn_implementation_internal": "x/y"}`), e.shapes)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"auto_map", "trust_remote_code", "_attn_implementation_internal"} {
		if !strings.Contains(strings.Join(c.notes, "\n"), key+" in config.json has no effect") {
			t.Errorf("nothing is said about %s: %q", key, c.notes)
		}
	}
}

// TestBothSpellingsOfRotationsAreRead: of transformers before 5, and since.
func TestBothSpellingsOfRotationsAreRead(t *testing.T) {
	e := exampleOf(t, "hf_gpt_neox")
	for _, set := range []string{
		`{"rotary_pct": 0.5, "rotary_emb_base": 500}`, `{"rotary_pct": null, "rotary_emb_base": null, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.5}}`,
	} {
		values, err := parseConfig(changed(t, e, set))
		if err != nil {
			t.Fatal(err)
		}
		r, err := gptNeoX.read("x", newConfig(values, e.shapes))
		if err != nil {
			t.Fatal(err)
		}
		if rope := block(r, attentionOf).Rope; rope == nil || rope.Base != 500 || rope.Fraction != 0.5 {
			t.Errorf("%s gives %+v", set, rope)
		}
	}
}

// FuzzConfig reads configurations against the tensors of published layouts. One that is
// read must be written, and read again, as the same model.
func FuzzConfig(f *testing.F) {
	all := examples(f)
	for i, e := range all {
		f.Add(e.config, uint8(i))
		for _, w := range wrongConfigs {
			switch w.example {
			case e.name:
				f.Add(changed(f, e, w.set), uint8(i))
			case "":
				f.Add([]byte(w.set), uint8(i))
			}
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte, which uint8) {
		shapes := all[int(which)%len(all)].shapes
		values, err := parseConfig(raw)
		if err != nil {
			return
		}
		a, err := find(values)
		if err != nil {
			return
		}
		r, err := a.read("x", newConfig(values, shapes))
		if err != nil || a.Config == nil {
			return
		}
		written, err := (&Expressed{Arch: a, Config: a.Config(r)}).ConfigFile(nil)
		if err != nil {
			t.Fatal(err)
		}
		if values, err = parseConfig(written); err != nil {
			t.Fatal(err)
		}
		back, err := a.read("x", newConfig(values, shapes))
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if err := differs(r, back); err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
	})
}
