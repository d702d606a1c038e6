package importer

import (
	"fmt"
	"math"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// granite is transformers' GraniteMoeHybridForCausalLM: attention in some layers, Mamba-2 in
// the others, experts with a shared one behind each, or a dense layer. Four constants scale the
// embedding, what blocks add, attention's scores and the logits.
var granite = Architecture{
	Type: "granitemoehybrid", Class: "GraniteMoeHybridForCausalLM", Blocks: []string{"mamba2", "attention", "moe", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		d, layers := c.size("hidden_size"), c.layers("num_hidden_layers", "model.layers.")
		c.want("hidden_act", "silu", "swish")
		c.want("normalization_function", "rmsnorm")
		c.harmless("init_method") // first weights
		a := c.attention(d)
		a.Scale = c.number("attention_multiplier", 1)
		if rope := c.rope(a.HeadDim, 10000, 1); c.word("position_embedding_type", "nope", "nope", "rope") == "rope" {
			a.Rope = rope
		}
		if c.flag("attention_bias", false) {
			a.Bias = recipe.AllBias
		}
		n := recipe.Norm{Kind: recipe.RMSNorm, Eps: c.number("rms_norm_eps", 1e-6)}
		kinds := c.kinds("layer_types", layers, hybridKinds)
		attends := func(i int64) bool { return kinds != nil && kinds[i] == "attention" }
		mixer := c.hybridMixer("mamba.", d, layers, n.Eps, func(i int64) bool { return !attends(i) })
		r := c.llamaSkeleton(d, n)
		r.Multiplier = recipe.Multiplier{
			Embedding: c.number("embedding_multiplier", 1), Residual: c.number("residual_multiplier", 1), Logits: 1 / c.number("logits_scaling", 1),
		}
		second := c.graniteMoE()
		for i := range layers {
			first := recipe.Block{Attention: a}
			if !attends(i) {
				first = recipe.Block{Mamba2: mixer}
			}
			r.Layers = append(r.Layers, layer(first), layer(second))
		}
		return r
	},
	Names: func(*recipe.Recipe) Names { return GraniteMoEHybrid },
	Config: func(r *recipe.Recipe) map[string]any {
		m, a, moe := llamaKeys(r), block(r, attentionOf), block(r, moeOf)
		attentionKeys(m, a)
		delete(m, "head_dim") // the class has none
		m["attention_bias"], m["attention_multiplier"], m["position_embedding_type"] = a.Bias == recipe.AllBias, scaleOf(a), "nope"
		if a.Rope != nil {
			m["position_embedding_type"] = "rope"
		}
		hybridMixerKeys(m, block(r, mamba2Of), r.DModel)
		m["embedding_multiplier"], m["residual_multiplier"], m["logits_scaling"] = r.Multiplier.Embedding, r.Multiplier.Residual, inverse(r.Multiplier.Logits)
		m["num_local_experts"], m["num_experts_per_tok"], m["shared_intermediate_size"] = moe.Experts, moe.TopK, block(r, ffOf).Width
		if moe.Experts > 0 {
			m["intermediate_size"], m["router_aux_loss_coef"] = moe.Width, option(moe.Router, "balance")
			if moe.Shared != nil {
				m["shared_intermediate_size"] = moe.Shared.Experts * moe.Shared.Width
			}
		}
		kinds := []string{}
		for i, l := range all(r) {
			if i%2 == 0 {
				kinds = append(kinds, map[bool]string{true: "attention", false: "mamba"}[l.Blocks[0].Attention != nil])
			}
		}
		m["layer_types"] = kinds
		return m
	},
	Spare: rotaryBuffer,
}

// hybridKinds are layers that are mixers, in the words of old and new transformers.
var hybridKinds = map[string]string{"mamba": "mamba", "linear_attention": "mamba", "attention": "attention", "full_attention": "attention"}

// graniteMoE reads the second half of a layer.
func (c *Config) graniteMoE() recipe.Block {
	experts, shared := c.integer("num_local_experts", 8, 0), c.sizeOr("shared_intermediate_size", 1024)
	if experts == 0 {
		c.harmless("intermediate_size", "num_experts_per_tok", "router_aux_loss_coef")
		return swiglu(shared)
	}
	const stacked = "model.layers.0.block_sparse_moe.input_linear.weight"
	c.agrees("num_local_experts", c.shape(stacked, 3)[0], stacked)
	moe := topK(experts, c.sizeOr("num_experts_per_tok", 2), c.size("intermediate_size"), true, 0)
	moe.Router = use("topk", map[string]any{"softmax": "after", "balance": c.number("router_aux_loss_coef", 0.001)})
	moe.Shared = &recipe.Shared{Experts: 1, Width: shared, Expert: moe.Expert}
	return recipe.Block{MoE: moe}
}

// scaleOf is the factor of attention's scores.
func scaleOf(a *recipe.Attention) float64 {
	if a.Scale != 0 {
		return a.Scale
	}
	return 1 / math.Sqrt(float64(max(a.HeadDim, 1)))
}

// inverse is a number whose own inverse is x exactly, where there is one.
func inverse(x float64) float64 {
	y := 1 / x
	for _, z := range []float64{y, math.Nextafter(y, 0), math.Nextafter(y, math.Inf(1))} {
		if 1/z == x {
			return z
		}
	}
	return y
}

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
