package importer

import (
	"fmt"
	"slices"
	"strings"
)

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
