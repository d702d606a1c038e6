package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// Expressed is a recipe in the words of a class of transformers.
type Expressed struct {
	Arch   *Architecture
	Config map[string]any // of config.json
	Map    *Map           // the class's tensors
}

// Express finds the class of transformers that computes what a recipe does, trying the
// preferred model type first. To be sure of it, the configuration that the class would get is
// read back and must give the recipe again, in all that inference depends on.
func Express(r *recipe.Recipe, params []Param, prefer string) (*Expressed, error) {
	candidates := slices.DeleteFunc(slices.Clone(architectures), func(a *Architecture) bool { return a.Class == "" })
	slices.SortStableFunc(candidates, func(a, b *Architecture) int { return rank(a, prefer) - rank(b, prefer) })
	var reasons []string
	for _, a := range candidates {
		if missing := a.lacks(r); missing != "" {
			continue
		}
		e, err := a.express(r, params)
		if err == nil {
			return e, nil
		}
		reasons = append(reasons, fmt.Sprintf("%s: %v", a.Class, err))
	}
	if len(reasons) == 0 {
		return nil, fmt.Errorf("no class of transformers has a stack of %s", strings.Join(kinds(r), ", "))
	}
	return nil, fmt.Errorf("no class of transformers computes this recipe\n  %s", strings.Join(reasons, "\n  "))
}

func rank(a *Architecture, prefer string) int {
	if a.Type == prefer {
		return 0
	}
	return 1
}

// kinds are the kinds of a recipe's blocks, each once.
func kinds(r *recipe.Recipe) []string {
	var out []string
	for _, l := range r.Layers {
		for _, b := range l.Blocks {
			if !slices.Contains(out, b.Kind()) {
				out = append(out, b.Kind())
			}
		}
	}
	return out
}

// lacks is a kind of block that the architecture does not have, empty for none.
func (a *Architecture) lacks(r *recipe.Recipe) string {
	for _, k := range kinds(r) {
		if !slices.Contains(a.Blocks, k) {
			return k
		}
	}
	return ""
}

func (a *Architecture) express(r *recipe.Recipe, params []Param) (*Expressed, error) {
	m, err := newMap(params, a.Names(r), nil)
	if err != nil {
		return nil, err
	}
	e := &Expressed{a, a.Config(r), m}
	raw, err := json.Marshal(e.Config)
	if err != nil {
		return nil, err
	}
	values, err := parseConfig(raw)
	if err != nil {
		return nil, err
	}
	back, err := a.read(r.Name, newConfig(values, onPaper{m}))
	if err != nil {
		return nil, err
	}
	return e, differs(r, back)
}

// onPaper are the shapes of tensors that are not written yet.
type onPaper struct{ m *Map }

func (o onPaper) names() []string { return o.m.Tensors() }

func (o onPaper) shape(tensor string) ([]int64, bool) {
	if t := o.m.tensors[tensor]; t != nil {
		return t.shape, true
	}
	return nil, false
}

func (o onPaper) same(a, b string) (bool, error) { return a == b, nil }

// differs names the first thing that inference depends on and two recipes say differently.
func differs(r, other *recipe.Recipe) error {
	mine, theirs := essentials(r), essentials(other)
	for i := range mine {
		if i >= len(theirs) {
			return fmt.Errorf("has %d layers where the recipe has %d", len(all(other)), len(all(r)))
		}
		if mine[i] != theirs[i] {
			return fmt.Errorf("has %s where the recipe has %s", theirs[i], mine[i])
		}
	}
	if len(theirs) > len(mine) {
		return fmt.Errorf("has %d layers where the recipe has %d", len(all(other)), len(all(r)))
	}
	return nil
}

// essentials is all that inference depends on, in lines.
func essentials(r *recipe.Recipe) []string {
	out := []string{
		fmt.Sprintf("a vocabulary of %d", r.Vocabulary.Size), fmt.Sprintf("d_model %d", r.DModel), fmt.Sprintf("positions %d", r.Positions),
		fmt.Sprintf("the norm %v", r.Norm), "no final norm", fmt.Sprintf("norm_placement %s", r.Placement),
		fmt.Sprintf("a head that is %+v", r.Head), fmt.Sprintf("multipliers %+v", r.Multiplier),
	}
	if r.FinalNorm != nil {
		out[4] = fmt.Sprintf("the final norm %v", *r.FinalNorm)
	}
	for i, l := range all(r) {
		blocks := make([]recipe.Block, len(l.Blocks))
		for j, b := range l.Blocks {
			blocks[j] = essential(b)
		}
		out = append(out, fmt.Sprintf("layer %d as %s", i, recipe.Layer{Blocks: blocks}))
	}
	return out
}

// essential is a block with all options written, without those of training alone, and with
// what can be said in two ways said in one.
func essential(b recipe.Block) recipe.Block {
	switch {
	case b.FF != nil:
		x := *b.FF
		x.Expert, x.Bias = full(x.Expert, map[string]any{"bias": x.Bias || option(x.Expert, "bias") == true}), false
		return recipe.Block{FF: &x}
	case b.Mamba2 != nil:
		x := *b.Mamba2
		if x.Groups == 1 && x.GatedNorm == recipe.FullNorm {
			x.GatedNorm = recipe.GroupedNorm
		}
		return recipe.Block{Mamba2: &x}
	case b.MoE != nil:
		x := *b.MoE
		x.Router, x.Expert = full(x.Router, map[string]any{"balance": 0.0, "z_loss": 0.0, "bias_rate": 0.0}), full(x.Expert, nil)
		x.CapacityFactor, x.CapacityScope, x.Overflow, x.AllowFuture = 0, "", "", false
		if x.Shared != nil {
			s := *x.Shared
			s.Experts, s.Width, s.Expert = 1, s.Experts*s.Width, full(s.Expert, nil)
			x.Shared = &s
		}
		return recipe.Block{MoE: &x}
	}
	return b
}

// full is a variant with all its options, some of them set.
func full(u recipe.Use, set map[string]any) recipe.Use {
	o := options(u)
	for k, v := range set {
		if _, known := defaults[variant(u)][k]; known || v == true {
			o[k] = v
		}
	}
	return use(variant(u), o)
}

// ConfigFile is config.json with further keys, those of the class coming first.
func (e *Expressed) ConfigFile(more map[string]any) ([]byte, error) {
	all := map[string]any{"model_type": e.Arch.Type, "architectures": []string{e.Arch.Class}}
	for _, m := range []map[string]any{more, e.Config} {
		for k, v := range m {
			all[k] = decimal(v)
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(all); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	return b.Bytes(), nil
}

// decimal writes numbers that are no counts with a point, since Python tells 1 from 1.0.
func decimal(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return json.Number(strconv.FormatFloat(v, 'f', 1, 64))
		}
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[k] = decimal(x)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, x := range v {
			out[i] = decimal(x)
		}
		return out
	}
	return v
}
