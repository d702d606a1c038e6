package importer

import (
	"github.com/moezoo/moezoo/zoo/recipe"
)

// stateSpaces is the language model of state-spaces/mamba in its own layout, with Mamba or
// Mamba-2 layers and, where d_intermediate is not 0, a gated feed-forward layer behind each.
// Its config.json has no model_type, and no class of transformers reads it: exports are
// transformers' mamba or mamba2.
var stateSpaces = Architecture{
	Type: "state-spaces", Blocks: []string{"mamba", "mamba2", "ff"},
	Recipe: func(c *Config) recipe.Recipe {
		c.flatten("ssm_cfg")
		d, layers := c.size("d_model"), c.layers("n_layer", "backbone.layers.")
		c.want("attn_layer_idx", []any{})
		c.want("attn_cfg", map[string]any{})
		c.harmless("fused_add_norm", "ssm_cfg.use_fast_path", "ssm_cfg.use_mem_eff_path", "ssm_cfg.chunk_size")
		for _, k := range []string{"dt_min", "dt_max", "dt_init", "dt_scale", "dt_init_floor", "A_init_range"} {
			c.harmless("ssm_cfg." + k) // of the first weights
		}
		n := recipe.Norm{Kind: recipe.RMSNorm, Eps: 1e-5}
		if !c.flag("rms_norm", true) {
			n = recipe.Norm{Kind: recipe.LayerNorm, Eps: 1e-5, Bias: true}
		}
		const table = "backbone.embedding.weight"
		r := recipe.Recipe{Vocabulary: c.paddedVocabulary(table), DModel: d, Norm: n, FinalNorm: &n}
		r.Head.Tied = c.tied("tie_embeddings", true, table, "lm_head.weight")
		stack := []recipe.Layer{layer(c.stateSpacesMixer(d))}
		if width := c.integer("d_intermediate", 0, 0); width > 0 {
			// The width on file is rounded up.
			width = c.shape("backbone.layers.0.mlp.fc2.weight", 2)[1]
			stack = append(stack, layer(recipe.Block{FF: &recipe.FF{Expert: recipe.Use{Name: "swiglu"}, Width: width}}))
		}
		for range layers {
			r.Layers = append(r.Layers, stack...)
		}
		return r
	},
	Names: func(r *recipe.Recipe) Names {
		if len(r.Layers) > 1 {
			return MambaMLP
		}
		return Mamba("embedding")
	},
}

func (c *Config) stateSpacesMixer(d int64) recipe.Block {
	const prefix = "backbone.layers.0.mixer."
	if c.word("ssm_cfg.layer", "Mamba1", "Mamba1", "Mamba2") == "Mamba1" {
		return recipe.Block{Mamba: c.mamba(prefix, d, mambaKeys{
			state: "ssm_cfg.d_state", conv: "ssm_cfg.d_conv", rank: "ssm_cfg.dt_rank", expand: "ssm_cfg.expand", bias: "ssm_cfg.bias", convBias: "ssm_cfg.conv_bias",
		})}
	}
	x := c.mamba2(prefix, d, mamba2Keys{
		headDim: "ssm_cfg.headdim", groups: "ssm_cfg.ngroups", state: "ssm_cfg.d_state", conv: "ssm_cfg.d_conv", expand: "ssm_cfg.expand",
		limit: "ssm_cfg.dt_limit", bias: "ssm_cfg.bias", convBias: "ssm_cfg.conv_bias", defGroups: 1,
	})
	c.agrees("ssm_cfg.d_ssm", x.Heads*x.HeadDim, prefix+"out_proj.weight")
	c.agreesFlag("ssm_cfg.D_has_hdim", x.Skip == recipe.PerChannel, prefix+"D")
	if x.NormFirst = c.flag("ssm_cfg.norm_before_gate", false); !c.flag("ssm_cfg.rmsnorm", true) {
		x.GatedNorm = recipe.NoNorm
	}
	return recipe.Block{Mamba2: x}
}

// paddedVocabulary is the number of rows of the embedding: the vocabulary rounded up.
func (c *Config) paddedVocabulary(table string) recipe.Vocabulary {
	n, unit := c.size("vocab_size"), c.sizeOr("pad_vocab_size_multiple", 8)
	padded := (n + unit - 1) / unit * unit
	if rows := c.shape(table, 2)[0]; rows != padded {
		c.fail("vocab_size is %d, in multiples of %d %d, but %s has %d rows", n, unit, padded, table, rows)
	}
	return recipe.Vocabulary{Kind: recipe.Sized, Size: padded}
}
