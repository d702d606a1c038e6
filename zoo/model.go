package zoo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Model is a recipe with the functions that plugins built for it. Nothing is allocated.
type Model struct {
	Recipe    *recipe.Recipe
	Functions []plugins.Stored // every answer once, in the order of first use
	Net       blocks.Model
}

// Build asks the host's plugins for the functions of a recipe and assembles the model.
func Build(ctx context.Context, r *recipe.Recipe, h *plugins.Host) (*Model, error) {
	seen := map[string]int{}
	m := &Model{Recipe: r}
	return m, m.assemble(func(kind plugins.Kind, use recipe.Use, dims map[string]int64, extra map[string]any, path string) (*plugins.Function, error) {
		config, err := merged(use.Options, extra)
		if err != nil {
			return nil, err
		}
		built, err := h.Build(ctx, plugins.Request{Kind: kind, Name: use.Name, Config: config, Dims: dims})
		if err != nil {
			var input *plugins.InputError
			if errors.As(err, &input) {
				return nil, r.ErrorAt(path, err.Error(), "")
			}
			return nil, err
		}
		s, err := built.Store()
		if err != nil {
			return nil, err
		}
		key := functionKey(kind, s.Provider+"/"+s.Variant.Name, s.Config, dims)
		fn, err := s.Function()
		if err != nil {
			return nil, err
		}
		if _, known := seen[key]; !known {
			seen[key] = len(m.Functions)
			m.Functions = append(m.Functions, s)
			if kind == plugins.RouterKind && fn.Capabilities.Causal {
				if err := checkCausal(ctx, fn, dims); err != nil {
					return nil, &plugins.Error{Plugin: s.Provider, Op: "build " + s.Variant.Name, Detail: err.Error()}
				}
			}
		}
		return fn, nil
	})
}

// Restore assembles a model from stored functions, without any plugin.
func Restore(r *recipe.Recipe, functions []plugins.Stored) (*Model, error) {
	m := &Model{Recipe: r, Functions: functions}
	return m, m.assemble(func(kind plugins.Kind, use recipe.Use, dims map[string]int64, extra map[string]any, path string) (*plugins.Function, error) {
		config, err := merged(use.Options, extra)
		if err != nil {
			return nil, err
		}
		for _, s := range functions {
			name := s.Provider + "/" + s.Variant.Name
			if (use.Name == s.Variant.Name || use.Name == name) && functionKey(kind, name, string(config), dims) == functionKey(s.Variant.Kind, name, s.Config, s.Dims) {
				return s.Function()
			}
		}
		return nil, fmt.Errorf("%s: the run does not hold the function of %s %s", path, kind, use.Name)
	})
}

func functionKey(kind plugins.Kind, name, config string, dims map[string]int64) string {
	d, _ := json.Marshal(dims) // keys come out sorted
	return string(kind) + "\x00" + name + "\x00" + config + "\x00" + string(d)
}

// merged is a recipe's options with further ones, as canonical JSON.
func merged(options json.RawMessage, extra map[string]any) (json.RawMessage, error) {
	m := map[string]any{}
	if len(options) > 0 {
		if err := json.Unmarshal(options, &m); err != nil {
			return nil, err
		}
	}
	for k, v := range extra {
		m[k] = v
	}
	return json.Marshal(m)
}

// function finds the function of a variant.
type function func(kind plugins.Kind, use recipe.Use, dims map[string]int64, extra map[string]any, path string) (*plugins.Function, error)

// assemble turns the recipe into blocks.
func (m *Model) assemble(f function) error {
	r := m.Recipe
	m.Net = blocks.Model{
		Name: r.Name, Vocabulary: r.Vocabulary.Size, DModel: r.DModel, TiedHead: r.Head.Tied, HeadBias: r.Head.Bias,
		MaxLearned: r.Positions, Balance: blocks.Balance(r.Balance),
	}
	if r.FinalNorm != nil {
		n := norm(*r.FinalNorm)
		m.Net.FinalNorm = &n
	}
	for range r.Repeat {
		for _, l := range r.Layers {
			layer := blocks.Layer{}
			for _, b := range l.Blocks {
				block, err := m.block(b, f)
				if err != nil {
					return err
				}
				layer.Branches = append(layer.Branches, blocks.Branch{Name: b.Kind(), Norm: norm(r.Norm), Block: block})
			}
			m.Net.Layers = append(m.Net.Layers, layer)
		}
	}
	return nil
}

func norm(n recipe.Norm) blocks.Norm {
	return blocks.Norm{Kind: blocks.NormKind(n.Kind), Eps: n.Eps, Bias: n.Bias}
}

func (m *Model) block(b recipe.Block, f function) (blocks.Block, error) {
	d := m.Recipe.DModel
	switch {
	case b.Mamba != nil:
		x := b.Mamba
		return blocks.Mamba{DModel: d, Inner: x.Expand * d, DState: x.DState, DConv: x.DConv, DtRank: x.DtRank, Bias: x.Bias, ConvBias: x.ConvBias}, nil
	case b.Attention != nil:
		x := b.Attention
		a := blocks.Attention{DModel: d, Heads: x.Heads, KVHeads: x.KVHeads, HeadDim: x.HeadDim, Bias: x.Bias}
		if x.Rope != nil {
			a.Rope = &op.RopeSpec{Base: x.Rope.Base, Dims: int64(x.Rope.Fraction * float64(x.HeadDim)), Interleaved: x.Rope.Interleaved}
		}
		return a, nil
	case b.FF != nil:
		extra := map[string]any{}
		if b.FF.Bias {
			extra["bias"] = true
		}
		expert, err := f(plugins.ExpertKind, b.FF.Expert, map[string]int64{"d_model": d, "width": b.FF.Width}, extra, b.Path+".expert")
		return blocks.FeedForward{DModel: d, Expert: expert}, err
	}
	return m.moe(b, f)
}

func (m *Model) moe(b recipe.Block, f function) (blocks.Block, error) {
	x, d := b.MoE, m.Recipe.DModel
	router, err := f(plugins.RouterKind, x.Router, map[string]int64{"d_model": d, "experts": x.Experts, "top_k": x.TopK, "vocabulary": m.Recipe.Vocabulary.Size}, nil, b.Path+".router")
	if err != nil {
		return nil, err
	}
	if !router.Capabilities.Causal {
		return nil, m.Recipe.ErrorAt(b.Path+".router", fmt.Sprintf("router %s looks at later tokens, which a causal model must not", x.Router.Name), "choose a router that zoo list shows as causal")
	}
	expert, err := f(plugins.ExpertKind, x.Expert, map[string]int64{"d_model": d, "width": x.Width}, nil, b.Path+".expert")
	return blocks.MoE{
		DModel: d, Experts: x.Experts, Router: router, Expert: expert, CapacityFactor: x.CapacityFactor,
		CapacityPerRow: x.CapacityScope == recipe.PerRow, PassThrough: x.Overflow == recipe.PassThrough,
	}, err
}

// Tokenizer is the tokenizer of the recipe's vocabulary.
func (m *Model) Tokenizer() (tokenizer.Tokenizer, error) {
	switch m.Recipe.Vocabulary.Kind {
	case recipe.Bytes:
		return tokenizer.Bytes{}, nil
	case recipe.GPT2:
		return tokenizer.GPT2()
	}
	return nil, m.Recipe.ErrorAt("vocabulary", "a vocabulary of a mere size has no tokenizer: it cannot read text", "use bytes or gpt2")
}
