package importer

import (
	"fmt"
	"strings"
)

// NemotronH is transformers' NemotronHForCausalLM, by the names of its checkpoints: each layer
// is one of ours, whatever it holds is called the mixer.
func NemotronH(param string, experts int) (Source, bool) {
	switch param {
	case "embedding/weight":
		return plain("backbone.embeddings.weight", "backbone.embedding.weight"), true
	case "final_norm/weight":
		return plain("backbone.norm_f.weight"), true
	case "head/weight":
		return transposed("lm_head.weight"), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Source{}, false
	}
	prefix := fmt.Sprintf("backbone.layers.%d.", i)
	part, name, _ := strings.Cut(rest, "/")
	switch part {
	case "norm":
		return plain(prefix + "norm." + name), true
	case "mamba2":
		return mambaTensors(prefix+"mixer.", name)
	case "attention":
		return linear(prefix + "mixer." + name), true
	case "ff":
		s, ok := upDown(name)
		return s.under(prefix + "mixer."), ok
	case "moe":
		s, ok := nemotronMoE(name, experts)
		return s.under(prefix + "mixer."), ok
	}
	return Source{}, false
}

// nemotronMoE is one tensor of NemotronHMoE.
func nemotronMoE(name string, experts int) (Source, bool) {
	if shared, ok := strings.CutPrefix(name, "shared/"); ok {
		s, ok := upDown(shared)
		return s.under("shared_experts."), ok
	}
	switch name {
	case "router/router":
		return transposed("gate.weight"), true
	case "router/bias":
		return plain("gate.e_score_correction_bias"), true
	case "latent_in.weight":
		return transposed("fc1_latent_proj.weight"), true
	case "latent_out.weight":
		return transposed("fc2_latent_proj.weight"), true
	case "experts/w1":
		return perExpert(Transposed, "experts.%d.up_proj.weight", experts), true
	case "experts/w2":
		return perExpert(Transposed, "experts.%d.down_proj.weight", experts), true
	}
	return Source{}, false
}

// upDown is one tensor of a layer of two products.
func upDown(name string) (Source, bool) {
	tensor, ok := map[string]string{"w1": "up_proj.weight", "b1": "up_proj.bias", "w2": "down_proj.weight", "b2": "down_proj.bias"}[name]
	return linear(tensor), ok
}
