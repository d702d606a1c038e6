package importer

import (
	"fmt"
	"strings"
)

// RecurrentGemma is transformers' RecurrentGemmaForCausalLM: each of its layers is two of
// ours, a temporal block and a gated feed-forward layer.
func RecurrentGemma(param string, _ int) (Source, bool) {
	switch param {
	case "embedding/weight":
		return plain("model.embed_tokens.weight"), true
	case "final_norm/weight":
		return plain("model.final_norm.weight"), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Source{}, false
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	part, name, _ := strings.Cut(rest, "/")
	switch part {
	case "norm":
		return plain(prefix + []string{"temporal_pre_norm", "channel_pre_norm"}[i%2] + ".weight"), true
	case "attention":
		return transposed(prefix + "temporal_block." + name), true
	case "rglru":
		if gate, kind, ok := strings.Cut(name, "_gate."); ok {
			return plain(prefix + "temporal_block.rg_lru." + gate + "_gate_" + kind), true
		}
		if name == "recurrent_param" {
			return plain(prefix + "temporal_block.rg_lru.recurrent_param"), true
		}
		switch name {
		case "conv_1d.weight":
			return depthwise(prefix + "temporal_block." + name), true
		case "conv_1d.bias":
			return plain(prefix + "temporal_block." + name), true
		}
		return transposed(prefix + "temporal_block." + name), true
	case "ff":
		if name, ok := strings.CutSuffix(name, "_bias"); ok {
			return plain(prefix + "mlp_block." + name + "_proj.bias"), true
		}
		return transposed(prefix + "mlp_block." + name + "_proj.weight"), true
	}
	return Source{}, false
}
