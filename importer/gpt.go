package importer

import (
	"fmt"
	"slices"
	"strings"
)

// GPT2 is transformers' GPT2LMHeadModel: each of its layers is two of ours. Its matrices lie
// [in, out], and queries, keys and values side by side.
func GPT2(param string, _ int) (Source, bool) {
	switch param {
	case "embedding/weight":
		return plain("transformer.wte.weight"), true
	case "embedding/position":
		return plain("transformer.wpe.weight"), true
	}
	if name, ok := strings.CutPrefix(param, "final_norm/"); ok {
		return plain("transformer.ln_f." + name), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Source{}, false
	}
	prefix := fmt.Sprintf("transformer.h.%d.", i/2)
	if name, ok := strings.CutPrefix(rest, "norm/"); ok {
		return plain(fmt.Sprintf("%sln_%d.%s", prefix, 1+i%2, name)), true
	}
	if name, ok := strings.CutPrefix(rest, "ff/"); ok {
		tensor, ok := map[string]string{"w1": "c_fc.weight", "b1": "c_fc.bias", "w2": "c_proj.weight", "b2": "c_proj.bias"}[name]
		return plain(prefix + "mlp." + tensor), ok
	}
	projection, kind, ok := strings.Cut(strings.TrimPrefix(rest, "attention/"), ".")
	if projection == "o_proj" {
		return plain(prefix + "attn.c_proj." + kind), ok
	}
	share := slices.Index([]string{"q_proj", "k_proj", "v_proj"}, projection)
	return plain(prefix+"attn.c_attn."+kind).part(1, share, 3), ok && share >= 0
}

// GPTNeoX is transformers' GPTNeoXForCausalLM with parallel blocks, whose queries, keys and
// values lie side by side head by head.
func GPTNeoX(heads int) Names {
	return func(param string, _ int) (Source, bool) {
		switch param {
		case "embedding/weight":
			return plain("gpt_neox.embed_in.weight"), true
		case "head/weight":
			return transposed("embed_out.weight"), true
		}
		if name, ok := strings.CutPrefix(param, "final_norm/"); ok {
			return plain("gpt_neox.final_layer_norm." + name), true
		}
		i, rest, ok := layerOf(param)
		if !ok {
			return Source{}, false
		}
		prefix := fmt.Sprintf("gpt_neox.layers.%d.", i)
		part, name, _ := strings.Cut(rest, "/")
		switch part {
		case "norm_attention":
			return plain(prefix + "input_layernorm." + name), true
		case "norm_ff":
			return plain(prefix + "post_attention_layernorm." + name), true
		case "ff":
			tensor, ok := map[string]string{"w1": "dense_h_to_4h.weight", "b1": "dense_h_to_4h.bias", "w2": "dense_4h_to_h.weight", "b2": "dense_4h_to_h.bias"}[name]
			return transposed(prefix + "mlp." + tensor), ok
		}
		projection, kind, ok := strings.Cut(name, ".")
		if projection == "o_proj" {
			return transposed(prefix + "attention.dense." + kind), ok
		}
		share := slices.Index([]string{"q_proj", "k_proj", "v_proj"}, projection)
		return transposed(prefix+"attention.query_key_value."+kind).part(heads, share, 3), ok && share >= 0
	}
}
