package importer

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// nemotron is transformers' NemotronHForCausalLM: one block a layer, Mamba-2, attention without
// positions, a dense layer, or experts. Transformers holds the step sizes of Mamba-2 above
// time_step_min and passes over time_step_limit; so does the recipe.
var nemotron = Architecture{
	Type: "nemotron_h", Class: "NemotronHForCausalLM", Blocks: []string{"mamba2", "attention", "moe", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, kinds := c.size("hidden_size"), c.nemotronKinds()
		c.want("mlp_hidden_act", "relu2")
		c.want("mamba_hidden_act", "silu", "swish")
		c.want("attention_bias", false) // the class has none, whatever this says
		c.want("sliding_window")
		c.harmless("rope_theta", "partial_rotary_factor", "mamba_proj_bias", "mamba_ssm_cache_dtype", "moe_shared_expert_overlap") // what the class does not read
		c.harmless("num_nextn_predict_layers", "mtp_layers_block_type", "mtp_hybrid_override_pattern")                             // tokens beyond the next
		n := recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("layer_norm_epsilon", 1e-5)}
		c.want("norm_eps", n.Eps)
		c.want("rms_norm_eps", n.Eps)
		blocks := c.nemotronBlocks(d, kinds, n.Eps)
		table := "backbone.embeddings.weight"
		if !c.hasTensor(table) {
			table = "backbone.embedding.weight"
		}
		r := recipe.Recipe{Vocabulary: c.vocabulary("vocab_size", table), DModel: d, Norm: n, FinalNorm: &n}
		r.Head.Tied = c.tied("tie_word_embeddings", false, table, "lm_head.weight")
		for _, k := range kinds {
			r.Layers = append(r.Layers, layer(blocks[k]))
		}
		return r
	},
	Names:  func(*recipe.Recipe) Names { return NemotronH },
	Config: nemotronConfig,
	Spare:  func(tensor string) bool { return strings.HasPrefix(tensor, "mtp.") },
}

// nemotronKinds is what each layer holds.
func (c *Config) nemotronKinds() []string {
	var kinds []string
	const words, letters = "layers_block_type", "hybrid_override_pattern"
	switch list, ok := c.get(words).([]any); {
	case ok:
		kinds = c.kinds(words, int64(len(list)), map[string]string{
			"mamba": "M", "linear_attention": "M", "attention": "*", "full_attention": "*", "mlp": "-", "moe": "E",
		})
		c.harmless(letters)
	case c.has(letters):
		pattern, ok := c.get(letters).(string)
		if !ok || strings.Trim(pattern, "M*-E") != "" {
			c.fail("%s is %s, want letters M, *, - and E", letters, spelled(c.get(letters)))
		}
		kinds = strings.Split(pattern, "")
	default:
		c.fail("%s is missing", words)
	}
	if len(kinds) == 0 || len(kinds) > 1<<20 {
		c.fail("there are %d layers", len(kinds))
		return []string{"M"}
	}
	if n := int64(len(kinds)); c.sizeOr("num_hidden_layers", n) != n {
		c.fail("num_hidden_layers is %s, but there are kinds of %d layers", spelled(c.get("num_hidden_layers")), n)
	}
	c.counted(int64(len(kinds)), words, "layers", "backbone.layers.")
	return kinds
}

// nemotronKeys are the settings of Nemotron-H's mixers. It calls some of them by two names.
func (c *Config) nemotronKeys() mamba2Keys {
	c.harmless("expand", "mamba_expand", "chunk_size", "mamba_chunk_size") // the width is heads × head_dim
	c.harmless("time_step_max", "time_step_floor", "mamba_dt_max", "mamba_dt_init_floor")
	return mamba2Keys{
		heads: "mamba_num_heads", headDim: "mamba_head_dim", groups: c.spelling("n_groups", "mamba_n_groups"), state: "ssm_state_size",
		conv: c.spelling("conv_kernel", "mamba_d_conv"), bias: "use_bias", convBias: c.spelling("use_conv_bias", "mamba_conv_bias"), defGroups: 8,
	}
}

// spelling is which of a key's two names the configuration has; one with both must say the
// same by them.
func (c *Config) spelling(name, other string) string {
	if !c.has(other) {
		return name
	}
	if c.has(name) && spelled(c.get(name)) != spelled(c.get(other)) {
		c.fail("%s is %s, but %s is %s", name, spelled(c.get(name)), other, spelled(c.get(other)))
	}
	return other
}

// nemotronBlocks are the blocks that the kinds of layers stand for.
func (c *Config) nemotronBlocks(d int64, kinds []string, eps float64) map[string]recipe.Block {
	first := map[string]string{} // where the first layer of each kind lies
	for i := len(kinds) - 1; i >= 0; i-- {
		first[kinds[i]] = fmt.Sprintf("backbone.layers.%d.mixer.", i)
	}
	keys, least := c.nemotronKeys(), c.leastStep(c.spelling("time_step_min", "mamba_dt_min"))
	if limit := c.limits(c.spelling("time_step_limit", "mamba_dt_limit")); limit != [2]float64{} && limit != least {
		c.fail("time_step_limit is %v and time_step_min %v: transformers holds to the latter alone", limit, least[0])
	}
	biased := c.flag("mlp_bias", false)
	ff := recipe.Block{FF: &recipe.FF{Expert: recipe.Use{Name: "relu2"}, Width: c.sizeOr("intermediate_size", 21504), Bias: biased}}
	out := map[string]recipe.Block{"-": ff, "*": c.nemotronAttention(first["*"]), "E": c.nemotronMoE(first["E"], biased)}
	if prefix := first["M"]; prefix != "" {
		x := c.mamba2(prefix, d, keys)
		x.NormEps, x.DtLimit = eps, least
		out["M"] = recipe.Block{Mamba2: x}
	} else {
		c.harmless(keys.heads, keys.headDim, keys.groups, keys.state, keys.conv, keys.bias, keys.convBias)
	}
	return out
}

// nemotronAttention reads attention; the width of a head is that of the tensors.
func (c *Config) nemotronAttention(prefix string) recipe.Block {
	a := &recipe.Attention{Heads: c.sizeOr("num_attention_heads", 32), Bias: recipe.NoBias}
	a.KVHeads = c.sizeOr("num_key_value_heads", 8)
	key := c.spelling("head_dim", "attention_head_dim")
	if prefix == "" {
		c.harmless(key)
		return recipe.Block{}
	}
	a.HeadDim = c.multiple(c.shape(prefix+"q_proj.weight", 2)[0], a.Heads, "the width of queries", "num_attention_heads")
	c.multiple(a.Heads, a.KVHeads, "num_attention_heads", "num_key_value_heads")
	c.agrees(key, a.HeadDim, prefix+"q_proj.weight")
	return recipe.Block{Attention: a}
}

// nemotronMoE reads experts, and passes over them where no layer has any, prefix then being
// empty.
func (c *Config) nemotronMoE(prefix string, biased bool) recipe.Block {
	c.harmless("n_shared_experts") // moe_shared_expert_intermediate_size is the width of all
	moe := topK(c.sizeOr("n_routed_experts", 8), c.sizeOr("num_experts_per_tok", 2), c.sizeOr("moe_intermediate_size", 7688), true, 0)
	moe.Router = use("sigmoid", map[string]any{
		"n_group": c.sizeOr("n_group", 1), "topk_group": c.sizeOr("topk_group", 1), "renormalize": c.flag("norm_topk_prob", true),
	})
	moe.Expert, moe.RoutedScale = recipe.Use{Name: "relu2"}, c.number("routed_scaling_factor", 1)
	moe.Shared = &recipe.Shared{Experts: 1, Width: c.sizeOr("moe_shared_expert_intermediate_size", 7688), Expert: moe.Expert}
	if biased {
		moe.Shared.Expert = use("relu2", map[string]any{"bias": true})
	}
	if prefix != "" {
		c.experts(moe.Experts, "n_routed_experts", prefix+"experts.")
	}
	if moe.Latent = c.integer("moe_latent_size", 0, 1); moe.Latent > 0 && biased && prefix != "" {
		c.fail("mlp_bias with moe_latent_size is not supported: projections to and from the latent width have no bias here")
	}
	return recipe.Block{MoE: moe}
}

func nemotronConfig(r *recipe.Recipe) map[string]any {
	m := map[string]any{
		"vocab_size": r.Vocabulary.Size, "hidden_size": r.DModel, "layer_norm_epsilon": r.Norm.Eps, "tie_word_embeddings": r.Head.Tied,
		"mlp_hidden_act": "relu2", "mamba_hidden_act": "silu", "attention_bias": false, "use_bias": false, "mlp_bias": false,
	}
	kinds := []string{}
	for _, l := range all(r) {
		word := map[string]string{"mamba2": "mamba", "attention": "attention", "ff": "mlp", "moe": "moe"}[l.Blocks[0].Kind()]
		kinds = append(kinds, word)
	}
	m["layers_block_type"] = kinds
	if x := block(r, mamba2Of); x.Heads > 0 {
		m["mamba_num_heads"], m["mamba_head_dim"], m["n_groups"], m["ssm_state_size"], m["conv_kernel"] = x.Heads, x.HeadDim, x.Groups, x.DState, x.DConv
		m["use_bias"], m["use_conv_bias"], m["time_step_min"] = x.Bias, x.ConvBias, leastStepOf(x)
	}
	if a := block(r, attentionOf); a.Heads > 0 {
		m["num_attention_heads"], m["num_key_value_heads"], m["head_dim"] = a.Heads, a.KVHeads, a.HeadDim
	}
	if ff := block(r, ffOf); ff.Width > 0 {
		m["intermediate_size"], m["mlp_bias"] = ff.Width, ff.Bias || option(ff.Expert, "bias") == true
	}
	moe := block(r, moeOf)
	if moe.Experts == 0 {
		return m
	}
	m["n_routed_experts"], m["num_experts_per_tok"], m["moe_intermediate_size"] = moe.Experts, moe.TopK, moe.Width
	m["n_group"], m["topk_group"], m["norm_topk_prob"] = whole(option(moe.Router, "n_group")), whole(option(moe.Router, "topk_group")), option(moe.Router, "renormalize")
	m["routed_scaling_factor"] = moe.RoutedScale
	if moe.Latent > 0 {
		m["moe_latent_size"] = moe.Latent
	}
	if s := moe.Shared; s != nil {
		m["moe_shared_expert_intermediate_size"] = s.Experts * s.Width
		m["mlp_bias"] = m["mlp_bias"] == true || option(s.Expert, "bias") == true
	}
	return m
}

// whole is an option that counts something, as a number without a point.
func whole(option any) int64 {
	x, _ := option.(float64)
	return int64(x)
}

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
