package show

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// facts are the sizes of a block in words; r is how the recipe wrote it.
func facts(b blocks.Block, r recipe.Block) []string {
	switch b := b.(type) {
	case blocks.Mamba:
		return list("inner %d", b.Inner, "state %d", b.DState, "convolution %d", b.DConv, "step rank %d", b.DtRank, "", when(b.InnerNorm != "", string(b.InnerNorm)+" inner norms"))
	case blocks.Mamba2:
		return list("%d heads", b.Heads, "of %d", b.HeadDim, "groups %d", b.Groups, "state %d", b.DState, "convolution %d", b.DConv)
	case blocks.Mamba3:
		out := list("%d heads", b.Heads, "of %d", b.HeadDim, "groups %d", b.Groups, "state %d", b.DState, "%d angles", b.Angles)
		return append(out, when(b.Rank > 0, fmt.Sprintf("rank %d", b.Rank))...)
	case blocks.GatedDeltaNet:
		return list("%d key heads", b.KeyHeads, "of %d", b.KeyDim, "%d value heads", b.ValueHeads, "of %d", b.ValueDim, "convolution %d", b.DConv)
	case blocks.RGLRU:
		return list("width %d", b.Width, "%d heads", b.Heads, "convolution %d", b.DConv)
	case blocks.S4D:
		return list("state %d", b.DState, "modes %s", b.Modes)
	case blocks.S5:
		return list("state %d", b.DState, "%d blocks", b.Blocks)
	case blocks.Attention:
		return attention(b)
	case blocks.SharedTransformer:
		out := append([]string{"weights " + sharedName(b.Index)}, attention(b.Attention)...)
		out = append(out, fmt.Sprintf("dense layer %d wide", b.Width))
		return append(out, when(b.Rank > 0, fmt.Sprintf("adapters of rank %d", b.Rank))...)
	case blocks.FeedForward:
		return []string{expert(b.Expert, r.FF.Width)}
	case blocks.MoE:
		return moe(b, r.MoE)
	}
	return []string{fmt.Sprintf("%T", b)}
}

// list makes words of pairs of a format and a value; an empty format takes words as they are.
func list(pairs ...any) []string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if format := pairs[i].(string); format != "" {
			out = append(out, fmt.Sprintf(format, pairs[i+1]))
			continue
		}
		out = append(out, pairs[i+1].([]string)...)
	}
	return joinOf(out)
}

// joinOf joins "4 heads" and "of 64" to one fact.
func joinOf(words []string) []string {
	var out []string
	for _, w := range words {
		if strings.HasPrefix(w, "of ") && len(out) > 0 {
			out[len(out)-1] += " " + w
			continue
		}
		out = append(out, w)
	}
	return out
}

// when is a fact that may not be.
func when(is bool, fact string) []string {
	if !is {
		return nil
	}
	return []string{fact}
}

func attention(b blocks.Attention) []string {
	out := list("%d heads", b.Heads, "of %d", b.HeadDim)
	if b.KVHeads != b.Heads {
		out = append(out, fmt.Sprintf("%d of keys and values", b.KVHeads))
	}
	out = append(out, when(b.Window > 0, fmt.Sprintf("window %d", b.Window))...)
	out = append(out, rope(b.Rope, b.HeadDim))
	out = append(out, when(b.QKNorm != nil, "norms of queries and keys")...)
	return append(out, when(b.Gate, "gated")...)
}

func rope(r *op.RopeSpec, headDim int64) string {
	switch {
	case r == nil:
		return "no positions"
	case r.Dims < headDim:
		return fmt.Sprintf("RoPE on %d of a head", r.Dims)
	}
	return "RoPE"
}

func moe(b blocks.MoE, r *recipe.MoE) []string {
	out := []string{choice(b.Router, b.TopK, b.Experts), "experts " + expert(b.Expert, r.Width)}
	out = append(out, when(b.Latent > 0, fmt.Sprintf("in a width of %d", b.Latent))...)
	out = append(out, factor(b.Scale)...)
	return append(out, when(b.CapacityFactor > 0, fmt.Sprintf("capacity %g while training", b.CapacityFactor))...)
}

// choice is how many experts of how many a router lets a token meet.
func choice(router *plugins.Function, k, experts int64) string {
	switch router.Routing.Kind {
	case plugins.Claim:
		return fmt.Sprintf("%d experts choose tokens by %s, %d a token on average", experts, function(router), k)
	case plugins.Mix:
		return fmt.Sprintf("%d experts share mixtures of all tokens by %s", experts, function(router))
	}
	return fmt.Sprintf("%d of %d by %s", k, experts, function(router))
}

// inside are the lines about what a block holds besides: experts in its projections, and
// shared ones.
func inside(b blocks.Block, r recipe.Block) []string {
	switch b := b.(type) {
	case blocks.Mamba:
		return mixture(b.Mixture, r.Mamba.Mixture)
	case blocks.Mamba2:
		return mixture(b.Mixture, r.Mamba2.Mixture)
	case blocks.MoE:
		if b.Shared == nil {
			return nil
		}
		gated := ""
		if b.Shared.Gated {
			gated = ", gated"
		}
		return []string{"every token: " + expert(b.Shared.Expert, r.MoE.Shared.Experts*r.MoE.Shared.Width) + gated}
	}
	return nil
}

func mixture(m *blocks.Mixture, r *recipe.Mixture) []string {
	if m == nil {
		return nil
	}
	var out []string
	if m.Router != nil {
		out = append(out, "one router for all projections: "+choice(m.Router, m.TopK, m.Experts))
	}
	for _, s := range m.Sites {
		line := fmt.Sprintf("%s %d → %d: experts %s", s.Name, s.DIn, s.DOut, expert(s.Expert, r.Width))
		if s.Router != nil {
			line += ", " + choice(s.Router, m.TopK, m.Experts)
		}
		out = append(out, line)
	}
	return out
}

// function is a plugin's variant, with its provider where it is not a built-in one.
func function(f *plugins.Function) string {
	if f.Provider == "routers" || f.Provider == "experts" {
		return f.Variant
	}
	return f.Provider + "/" + f.Variant
}

// expert is an expert's variant, and its width, where it has matrices between which one is.
func expert(f *plugins.Function, width int64) string {
	matrices := 0
	for _, p := range f.Params {
		if len(p.Shape) > 1 {
			matrices++
		}
	}
	if matrices < 2 {
		return function(f)
	}
	return fmt.Sprintf("%s %d", function(f), width)
}
