package importer

import (
	"fmt"
	"strings"
)

// GraniteMoEHybrid is transformers' GraniteMoeHybridForCausalLM: each of its layers is two of
// ours, Mamba-2 or attention, and experts with a shared one, or a dense layer, which it calls
// the shared one, too. Gate and up are one tensor, the gate first; experts are stacked.
func GraniteMoEHybrid(param string, experts int) (Source, bool) {
	i, rest, ok := layerOf(param)
	if !ok {
		return Llama(param, experts)
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	part, name, _ := strings.Cut(rest, "/")
	switch part {
	case "norm":
		return Llama(param, experts)
	case "mamba2":
		return mambaTensors(prefix+"mamba.", name)
	case "attention":
		return linear(prefix + "self_attn." + name), true
	case "ff":
		return gateUpDown(prefix+"shared_mlp.", name)
	case "moe":
		if name == "router/router" {
			return transposed(prefix + "block_sparse_moe.router.layer.weight"), true
		}
		if name, ok := strings.CutPrefix(name, "shared/"); ok {
			return gateUpDown(prefix+"shared_mlp.", name)
		}
		return gateUpDown(prefix+"block_sparse_moe.", strings.TrimPrefix(name, "experts/"))
	}
	return Source{}, false
}

// gateUpDown is one tensor of a layer whose gate and up are one linear layer.
func gateUpDown(prefix, name string) (Source, bool) {
	switch name {
	case "gate":
		return transposed(prefix+"input_linear.weight").part(1, 0, 2), true
	case "up":
		return transposed(prefix+"input_linear.weight").part(1, 1, 2), true
	case "down":
		return transposed(prefix + "output_linear.weight"), true
	}
	return Source{}, false
}
