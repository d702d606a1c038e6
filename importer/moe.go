package importer

import "strings"

// SwitchMoE is transformers' SwitchTransformersSparseMLP.
func SwitchMoE(param string, experts int) (Source, bool) {
	switch param {
	case "router/router":
		return transposed("router.classifier.weight"), true
	case "experts/w1":
		return perExpert(Transposed, "experts.expert_%d.wi.weight", experts), true
	case "experts/w2":
		return perExpert(Transposed, "experts.expert_%d.wo.weight", experts), true
	}
	return Source{}, false
}

// DeepSeekMoE is transformers' DeepseekV3MoE, with its experts apart as on file.
func DeepSeekMoE(param string, experts int) (Source, bool) {
	if name, ok := strings.CutPrefix(param, "shared/"); ok {
		return transposed("shared_experts." + name + "_proj.weight"), true
	}
	if param == "router/bias" {
		return plain("gate.e_score_correction_bias"), true
	}
	return gatedMoE("gate.weight", "experts.%d.gate_proj.weight", "experts.%d.up_proj.weight", "experts.%d.down_proj.weight", param, experts)
}

// BlackMambaMoE is Zyphra's SwitchMLP: two products with biases, and a router with one.
func BlackMambaMoE(param string, experts int) (Source, bool) {
	switch param {
	case "router/router":
		return transposed("router.weight"), true
	case "router/router_bias":
		return plain("router.bias"), true
	case "experts/w1", "experts/w2":
		return perExpert(Transposed, "local_experts.%d.linear_fc"+param[len("experts/w"):]+".weight", experts), true
	case "experts/b1", "experts/b2":
		return perExpert(Plain, "local_experts.%d.linear_fc"+param[len("experts/b"):]+".bias", experts), true
	}
	return Source{}, false
}
