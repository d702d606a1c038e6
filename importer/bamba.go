package importer

import (
	"fmt"
	"strings"
)

// Bamba is transformers' BambaForCausalLM: each of its layers is two of ours, Mamba-2 or
// attention, and a dense layer.
func Bamba(param string, experts int) (Source, bool) {
	if param == "final_norm/weight" {
		return plain("model.final_layernorm.weight"), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Llama(param, experts)
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	part, name, _ := strings.Cut(rest, "/")
	switch part {
	case "norm":
		return plain(prefix + []string{"input_layernorm", "pre_ff_layernorm"}[i%2] + "." + name), true
	case "mamba2":
		return mambaTensors(prefix+"mamba.", name)
	case "attention":
		return linear(prefix + "self_attn." + name), true
	case "ff":
		return gatedFF(prefix+"feed_forward.", name)
	}
	return Source{}, false
}

// linear is a linear layer's weight or bias.
func linear(name string) Source {
	if strings.HasSuffix(name, ".bias") {
		return plain(name)
	}
	return transposed(name)
}

// gatedFF is one tensor of a SwiGLU layer, whose projections are called gate_proj, up_proj
// and down_proj.
func gatedFF(prefix, name string) (Source, bool) {
	projection, bias := strings.CutSuffix(name, "_bias")
	kind := ".weight"
	if bias {
		kind = ".bias"
	}
	return linear(prefix + projection + "_proj" + kind), projection == "gate" || projection == "up" || projection == "down"
}
