package importer

import (
	"fmt"
	"strings"
)

// LLMRandomMoE is a Mixture-of-Experts layer of llm-random, whose experts lie stacked and
// [in, out] as ours do.
func LLMRandomMoE(param string, _ int) (Source, bool) {
	name, ok := map[string]string{
		"router/router": "gating.gate", "experts/w1": "expert_inner_function.lin1_weight", "experts/w2": "expert_inner_function.lin2_weight",
		"experts/gate": "expert_inner_function.gate_weight", "experts/up": "expert_inner_function.lin1_weight", "experts/down": "expert_inner_function.lin2_weight",
	}[param]
	return plain(name), ok
}

// LLMRandomInnerMoE is a Mamba of llm-random with experts in its projections; those that have
// none are matrices of their own.
func LLMRandomInnerMoE(param string, _ int) (Source, bool) {
	for site, prefix := range map[string]string{"conv": "in_proj.conv_proj.", "gate": "in_proj.gate_proj.", "out": "out_proj."} {
		if param == site+"_proj.weight" && site != "out" {
			return Source{Names: []string{prefix + "weight"}, Layout: Transposed}, true
		}
		if name, ok := strings.CutPrefix(param, site+"/"); ok {
			if name == "router/router" {
				return Source{Names: []string{prefix + "router.gate"}}, true
			}
			s, ok := LLMRandomMoE(name, 0)
			return s.under(prefix), ok
		}
	}
	return mambaTensors("", param)
}

// LLMRandom is the MoE-Mamba language model of llm-random: blocks of a Mamba and a
// Mixture-of-Experts layer, two layers here.
func LLMRandom(param string, _ int) (Source, bool) {
	switch param {
	case "embedding/weight":
		return plain("embedding_layer.layers.0.weight"), true
	case "head/weight":
		return transposed("head.weight"), true
	case "head/bias":
		return plain("head.bias"), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Source{}, false
	}
	kind := []string{"mamba", "feedforward"}[i%2]
	prefix := fmt.Sprintf("encoder.blocks.block_%d.block.residual_%s.layer.", i/2, kind)
	switch rest {
	case "norm/weight", "norm/bias": // RMSNorm calls them g and b, LayerNorm weight and bias
		short := map[string]string{"norm/weight": "g", "norm/bias": "b"}[rest]
		return plain(prefix+"pre_norm."+short, prefix+"pre_norm."+strings.TrimPrefix(rest, "norm/")), true
	}
	if name, ok := strings.CutPrefix(rest, "mamba/"); ok {
		return mambaTensors(prefix+"mamba.", name)
	}
	s, ok := LLMRandomMoE(strings.TrimPrefix(rest, "moe/"), 0)
	for j := range s.Names {
		s.Names[j] = prefix + "feedforward." + s.Names[j]
	}
	return s, ok
}
