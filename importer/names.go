package importer

import (
	"fmt"
	"strings"
)

// Layout is how a peer's tensor becomes ours.
type Layout uint8

// Layouts: Plain has the same order of elements (a convolution's [C, 1, K] included),
// Transposed is stored [out, in].
const (
	Plain Layout = iota
	Transposed
)

// Source says which tensors of a peer make up one of our parameters: one, or one for each
// expert, to be stacked.
type Source struct {
	Names  []string
	Layout Layout
	Part   Part
}

// Part says which of a fused tensor's outputs are meant: of each of its groups, share Index
// of Of equal ones. The zero Part is the whole tensor.
type Part struct{ Groups, Index, Of int }

// plain and transposed are one tensor, or all its spellings, or one for each expert.
func plain(names ...string) Source      { return Source{Names: names, Layout: Plain} }
func transposed(names ...string) Source { return Source{Names: names, Layout: Transposed} }

// part is share index of of equal ones in each of a fused tensor's groups.
func (s Source) part(groups, index, of int) Source {
	s.Part = Part{groups, index, of}
	return s
}

// Names maps our parameters to a peer's tensors; ok is false for one that the peer does
// not have.
type Names func(param string, experts int) (s Source, ok bool)

// mambaTensors are the tensors of Mamba and Mamba-2 mixers, the same in all projects.
func mambaTensors(prefix, name string) (Source, bool) {
	switch name {
	case "in_proj.weight", "x_proj.weight", "dt_proj.weight", "out_proj.weight":
		return transposed(prefix + name), true
	case "conv1d.weight", "conv1d.bias", "dt_proj.bias", "A_log", "D", "in_proj.bias", "out_proj.bias", "dt_bias", "norm.weight", "dt_layernorm.weight", "b_layernorm.weight", "c_layernorm.weight":
		return plain(prefix + name), true
	}
	return Source{}, false
}

// layerOf splits "layers.3/mamba/A_log" into 3 and "mamba/A_log".
func layerOf(param string) (layer int, rest string, ok bool) {
	head, rest, found := strings.Cut(param, "/")
	n, err := fmt.Sscanf(head, "layers.%d", &layer)
	return layer, rest, found && n == 1 && err == nil
}

// MambaBlock is a mixer alone, as state-spaces/mamba's module calls it.
func MambaBlock(param string, _ int) (Source, bool) { return mambaTensors("", param) }

// Mamba is the language model of state-spaces/mamba, whose embedding is called
// "embedding", and of transformers' MambaForCausalLM, which calls it "embeddings".
func Mamba(embedding string) Names {
	return func(param string, _ int) (Source, bool) {
		switch param {
		case "embedding/weight":
			return plain("backbone." + embedding + ".weight"), true
		case "final_norm/weight":
			return plain("backbone.norm_f.weight"), true
		case "head/weight":
			return transposed("lm_head.weight"), true
		}
		i, rest, ok := layerOf(param)
		switch {
		case !ok:
			return Source{}, false
		case rest == "norm/weight":
			return plain(fmt.Sprintf("backbone.layers.%d.norm.weight", i)), true
		}
		return mambaTensors(fmt.Sprintf("backbone.layers.%d.mixer.", i), strings.TrimPrefix(strings.TrimPrefix(rest, "mamba/"), "mamba2/"))
	}
}

// MambaMLP is the language model of state-spaces/mamba with a gated feed-forward layer behind
// every mixer: two layers here. Its gate is the second half of fc1's outputs.
func MambaMLP(param string, _ int) (Source, bool) {
	i, rest, ok := layerOf(param)
	if !ok || i%2 == 0 {
		return Mamba("embedding")(strings.Replace(param, fmt.Sprintf("layers.%d/", i), fmt.Sprintf("layers.%d/", i/2), 1), 0)
	}
	prefix := fmt.Sprintf("backbone.layers.%d.", i/2)
	switch rest {
	case "norm/weight":
		return plain(prefix + "norm2.weight"), true
	case "ff/up":
		return transposed(prefix+"mlp.fc1.weight").part(1, 0, 2), true
	case "ff/gate":
		return transposed(prefix+"mlp.fc1.weight").part(1, 1, 2), true
	case "ff/down":
		return transposed(prefix + "mlp.fc2.weight"), true
	}
	return Source{}, false
}

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

// perExpert are the tensors of one kind of all experts.
func perExpert(format string, experts int) []string {
	names := make([]string, experts)
	for e := range names {
		names[e] = fmt.Sprintf(format, e)
	}
	return names
}

// SwitchMoE is transformers' SwitchTransformersSparseMLP.
func SwitchMoE(param string, experts int) (Source, bool) {
	switch param {
	case "router/router":
		return transposed("router.classifier.weight"), true
	case "experts/w1":
		return transposed(perExpert("experts.expert_%d.wi.weight", experts)...), true
	case "experts/w2":
		return transposed(perExpert("experts.expert_%d.wo.weight", experts)...), true
	}
	return Source{}, false
}

// MixtralMoE is transformers' MixtralSparseMoeBlock: w1 is the gate, w3 up, w2 down.
func MixtralMoE(param string, experts int) (Source, bool) {
	return gatedMoE("gate.weight", "experts.%d.w1.weight", "experts.%d.w3.weight", "experts.%d.w2.weight", param, experts)
}

// JambaMoE is transformers' JambaSparseMoeBlock.
func JambaMoE(param string, experts int) (Source, bool) {
	return gatedMoE("router.weight", "experts.%d.gate_proj.weight", "experts.%d.up_proj.weight", "experts.%d.down_proj.weight", param, experts)
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
		return transposed(perExpert("local_experts.%d.linear_fc"+param[len("experts/w"):]+".weight", experts)...), true
	case "experts/b1", "experts/b2":
		return plain(perExpert("local_experts.%d.linear_fc"+param[len("experts/b"):]+".bias", experts)...), true
	}
	return Source{}, false
}

// Qwen2MoE is transformers' Qwen2MoeSparseMoeBlock.
func Qwen2MoE(param string, experts int) (Source, bool) {
	if name, ok := strings.CutPrefix(param, "shared/"); ok {
		return transposed("shared_expert." + name + "_proj.weight"), true
	}
	if param == "shared_gate.weight" {
		return transposed("shared_expert_gate.weight"), true
	}
	return gatedMoE("gate.weight", "experts.%d.gate_proj.weight", "experts.%d.up_proj.weight", "experts.%d.down_proj.weight", param, experts)
}

func gatedMoE(router, gate, up, down, param string, experts int) (Source, bool) {
	switch param {
	case "router/router":
		return transposed(router), true
	case "experts/gate":
		return transposed(perExpert(gate, experts)...), true
	case "experts/up":
		return transposed(perExpert(up, experts)...), true
	case "experts/down":
		return transposed(perExpert(down, experts)...), true
	}
	return Source{}, false
}

// Llama is transformers' LlamaForCausalLM and MixtralForCausalLM: each of their layers is
// two of ours, attention and feed-forward or experts.
func Llama(param string, experts int) (Source, bool) {
	switch param {
	case "embedding/weight":
		return plain("model.embed_tokens.weight"), true
	case "final_norm/weight":
		return plain("model.norm.weight"), true
	case "head/weight":
		return transposed("lm_head.weight"), true
	}
	i, rest, ok := layerOf(param)
	if !ok {
		return Source{}, false
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	if rest == "norm/weight" {
		return Source{[]string{prefix + []string{"input_layernorm", "post_attention_layernorm"}[i%2] + ".weight"}, Plain, Part{}}, true
	}
	if name, ok := strings.CutPrefix(rest, "attention/"); ok {
		return transposed(prefix + "self_attn." + name), true
	}
	if name, ok := strings.CutPrefix(rest, "ff/"); ok {
		return transposed(prefix + "mlp." + name + "_proj.weight"), true
	}
	s, ok := MixtralMoE(strings.TrimPrefix(rest, "moe/"), experts)
	return s.under(prefix + "block_sparse_moe."), ok
}

// Qwen2MoELM is transformers' Qwen2MoeForCausalLM: as Llama but for the experts, and with
// biases of queries, keys and values.
func Qwen2MoELM(param string, experts int) (Source, bool) {
	i, rest, ok := layerOf(param)
	if !ok {
		return Llama(param, experts)
	}
	prefix := fmt.Sprintf("model.layers.%d.", i/2)
	if name, ok := strings.CutPrefix(rest, "attention/"); ok && strings.HasSuffix(name, ".bias") {
		return plain(prefix + "self_attn." + name), true
	}
	if name, ok := strings.CutPrefix(rest, "moe/"); ok {
		s, ok := Qwen2MoE(name, experts)
		return s.under(prefix + "mlp."), ok
	}
	return Llama(param, experts)
}

// under is the source with a prefix before its tensors' names.
func (s Source) under(prefix string) Source {
	names := make([]string, len(s.Names))
	for i, name := range s.Names {
		names[i] = prefix + name
	}
	s.Names = names
	return s
}
