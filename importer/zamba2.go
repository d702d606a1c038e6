package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// zamba2 is transformers' Zamba2ForCausalLM: Mamba-2 in every layer, and a shared transformer
// before some. Transformers holds the step sizes above time_step_min; so does the recipe.
var zamba2 = Architecture{
	Type: "zamba2", Class: "Zamba2ForCausalLM", Blocks: []string{"mamba2", "shared_transformer"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_act", "gelu")
		c.want("add_bias_linear", false)
		c.want("use_long_context", false)
		c.harmless("use_conv_bias", "use_mem_eff_path", "chunk_size", "time_step_max", "time_step_floor") // the convolution has a bias, whatever this says
		c.harmless("kv_channels", "num_query_groups")
		hybrid := c.zamba2Hybrid(layers)
		shared := c.zamba2Shared(d)
		c.sameShared(hybrid, int(shared.Blocks))
		mixer := c.zamba2Mixer(d, len(hybrid) > 0 && hybrid[0] == 0)
		n := recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-5)}
		const table = "model.embed_tokens.weight"
		r := recipe.Recipe{Vocabulary: c.vocabulary("vocab_size", table), DModel: d, Norm: n, FinalNorm: &n}
		r.Head.Tied = c.tied("tie_word_embeddings", true, table, "lm_head.weight")
		for i := range layers {
			if slices.Contains(hybrid, int(i)) {
				r.Layers = append(r.Layers, layer(recipe.Block{Shared: shared}))
			}
			r.Layers = append(r.Layers, layer(recipe.Block{Mamba2: mixer}))
		}
		return r
	},
	Names: func(r *recipe.Recipe) Names {
		return Zamba2(hybridOf(r), int(max(block(r, sharedOf).Blocks, 1)))
	},
	Config: zamba2Config,
	Spare:  rotaryBuffer,
}

func sharedOf(b recipe.Block) *recipe.SharedTransformer { return b.Shared }

// hybridOf are Zamba2's layers that a shared transformer stands before.
func hybridOf(r *recipe.Recipe) []int {
	out, mixers := []int{}, 0
	for _, l := range all(r) {
		if l.Blocks[0].Shared != nil {
			out = append(out, mixers)
		} else {
			mixers++
		}
	}
	return out
}

// zamba2Hybrid reads which layers are hybrid; those of Zamba2-2.7B when nothing says it.
func (c *Config) zamba2Hybrid(layers int64) []int {
	var hybrid []int
	if c.has("layers_block_type") || layers != 54 {
		words := map[string]string{"mamba": "mamba", "linear_attention": "mamba", "hybrid": "hybrid"}
		for i, k := range c.kinds("layers_block_type", layers, words) {
			if k == "hybrid" {
				hybrid = append(hybrid, i)
			}
		}
		if !c.has("layers_block_type") {
			c.fail("layers_block_type is missing")
		}
	} else {
		hybrid = []int{6, 12, 18, 24, 30, 36, 42, 47, 51}
	}
	if c.has("hybrid_layer_ids") && !slices.EqualFunc(c.integers("hybrid_layer_ids"), hybrid, func(a int64, b int) bool { return a == int64(b) }) {
		c.fail("hybrid_layer_ids is %s, but by layers_block_type it is %v", spelled(c.get("hybrid_layer_ids")), hybrid)
	}
	return hybrid
}

// zamba2Shared reads the shared transformers.
func (c *Config) zamba2Shared(d int64) *recipe.SharedTransformer {
	x := &recipe.SharedTransformer{Blocks: c.sizeOr("num_mem_blocks", 1), Heads: c.sizeOr("num_attention_heads", 32), AdapterRank: c.sizeOr("adapter_rank", 128)}
	x.HeadDim = c.multiple(2*d, x.Heads, "twice the hidden_size", "num_attention_heads")
	c.want("num_key_value_heads", float64(x.Heads))
	c.want("attention_head_dim", float64(x.HeadDim))
	c.want("attention_hidden_size", float64(2*d))
	x.AttentionAdapters, x.Width = c.flag("use_shared_attention_adapter", false), c.sizeOr("intermediate_size", 4*d)
	c.want("ffn_hidden_size", float64(x.Width))
	c.want("use_shared_mlp_adapter", true) // the class has it always
	rope := c.rope(x.HeadDim, 10000, 1)
	if rope.Fraction != 1 {
		c.fail("partial_rotary_factor is %v, but zamba2 rotates whole heads", rope.Fraction)
	}
	if c.flag("use_mem_rope", false) {
		x.Rope = rope
	}
	return x
}

// zamba2Mixer reads the mixers, off the first layer.
func (c *Config) zamba2Mixer(d int64, hybrid bool) *recipe.Mamba2 {
	prefix := "model.layers.0.mamba."
	if hybrid {
		prefix = "model.layers.0.mamba_decoder.mamba."
	}
	x := c.mamba2(prefix, d, mamba2Keys{
		heads: "n_mamba_heads", headDim: "mamba_headdim", groups: "mamba_ngroups", state: "mamba_d_state", conv: "mamba_d_conv", expand: "mamba_expand", defGroups: 1,
	})
	if x.DtLimit = c.leastStep("time_step_min"); c.limits("time_step_limit") != [2]float64{} {
		c.fail("time_step_limit is %s: transformers holds to time_step_min alone", spelled(c.get("time_step_limit")))
	}
	return x
}

// sameShared lets a checkpoint hold shared weights several times, when they are the same.
func (c *Config) sameShared(hybrid []int, blocks int) {
	for use := blocks; use < len(hybrid); use++ {
		prefix := fmt.Sprintf("model.layers.%d.shared_transformer.", hybrid[use])
		first := fmt.Sprintf("model.layers.%d.shared_transformer.", hybrid[use%blocks])
		for _, name := range c.tensors.names() {
			rest, ok := strings.CutPrefix(name, prefix)
			if !ok || c.err != nil {
				continue
			}
			if !c.hasTensor(first + rest) {
				continue // is refused as unknown
			}
			if same, err := c.tensors.same(first+rest, name); err != nil || !same {
				c.fail("tensor %s is not equal to %s%s, whose block it shares", name, first, rest)
			}
			c.spare = append(c.spare, name)
		}
	}
}

func zamba2Config(r *recipe.Recipe) map[string]any {
	x, s, hybrid := block(r, mamba2Of), block(r, sharedOf), hybridOf(r)
	layers := len(all(r)) - len(hybrid)
	kinds := slices.Repeat([]string{"mamba"}, layers)
	for _, i := range hybrid {
		kinds[min(i, layers-1)] = "hybrid"
	}
	m := map[string]any{
		"vocab_size": r.Vocabulary.Size, "hidden_size": r.DModel, "num_hidden_layers": layers, "rms_norm_eps": r.Norm.Eps, "hidden_act": "gelu",
		"tie_word_embeddings": r.Head.Tied, "layers_block_type": kinds, "add_bias_linear": false, "use_conv_bias": true,
		"n_mamba_heads": x.Heads, "mamba_ngroups": x.Groups, "mamba_d_state": x.DState, "mamba_d_conv": x.DConv,
		"mamba_expand": x.Heads * x.HeadDim / r.DModel, "time_step_min": leastStepOf(x),
	}
	if m["num_attention_heads"], m["num_key_value_heads"] = 1, 1; s.Heads > 0 {
		m["num_attention_heads"], m["num_key_value_heads"], m["intermediate_size"] = s.Heads, s.Heads, s.Width
		m["num_mem_blocks"], m["adapter_rank"], m["use_shared_attention_adapter"], m["use_mem_rope"] = s.Blocks, s.AdapterRank, s.AttentionAdapters, s.Rope != nil
		if s.Rope != nil {
			m["rope_theta"] = s.Rope.Base
		}
	}
	return m
}

// Zamba2 is transformers' Zamba2ForCausalLM. hybrid are its layers that a shared transformer
// stands before: two of ours each, the others one. Shared weights are stored with the first
// layer that uses them, and the adapters of later uses beside them.
func Zamba2(hybrid []int, blocks int) Names {
	return func(param string, _ int) (Source, bool) {
		switch param {
		case "embedding/weight":
			return plain("model.embed_tokens.weight"), true
		case "final_norm/weight":
			return plain("model.final_layernorm.weight"), true
		}
		if rest, ok := strings.CutPrefix(param, "shared."); ok {
			var block int
			head, name, _ := strings.Cut(rest, "/")
			if n, err := fmt.Sscanf(head, "%d", &block); n != 1 || err != nil || block >= len(hybrid) {
				return Source{}, false
			}
			return zamba2Shared(fmt.Sprintf("model.layers.%d.shared_transformer.", hybrid[block]), name)
		}
		i, rest, ok := layerOf(param)
		if !ok {
			return Source{}, false
		}
		use := 0 // shared transformers at or before the layer
		for use < len(hybrid) && hybrid[use]+use < i {
			use++
		}
		part, name, _ := strings.Cut(rest, "/")
		if part == "shared_transformer" {
			return zamba2Use(hybrid, blocks, use, name)
		}
		prefix := fmt.Sprintf("model.layers.%d.", i-use)
		if slices.Contains(hybrid, i-use) {
			prefix += "mamba_decoder."
		}
		if part == "norm" {
			return plain(prefix + "input_layernorm." + name), true
		}
		return mambaTensors(prefix+"mamba.", name)
	}
}

// zamba2Shared are the shared weights of one block.
func zamba2Shared(prefix, name string) (Source, bool) {
	switch name {
	case "norm_attention/weight":
		return plain(prefix + "input_layernorm.weight"), true
	case "norm_ff/weight":
		return plain(prefix + "pre_ff_layernorm.weight"), true
	case "ff/gate_up.weight":
		return transposed(prefix + "feed_forward.gate_up_proj.weight"), true
	case "ff/down.weight":
		return transposed(prefix + "feed_forward.down_proj.weight"), true
	}
	projection, ok := strings.CutPrefix(name, "attention/")
	return transposed(prefix + "self_attn." + projection), ok
}

// zamba2Use are the weights of one use of a shared block.
func zamba2Use(hybrid []int, blocks, use int, name string) (Source, bool) {
	if use >= len(hybrid) {
		return Source{}, false
	}
	if name == "linear.weight" {
		return transposed(fmt.Sprintf("model.layers.%d.linear.weight", hybrid[use])), true
	}
	kind, half, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(name, "adapter_"), ".weight"), "_")
	if !ok {
		kind, half = "", kind
	}
	list, known := map[string]string{
		"": "feed_forward.gate_up_proj", "q": "self_attn.linear_q", "k": "self_attn.linear_k", "v": "self_attn.linear_v",
	}[kind]
	order := slices.Index([]string{"down", "up"}, half)
	return transposed(fmt.Sprintf("model.layers.%d.shared_transformer.%s_adapter_list.%d.%d.weight", hybrid[use%blocks], list, use, order)), known && order >= 0
}
