package recipe

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Upcycling says how dense layers become Mixture-of-Experts layers (arXiv 2212.05055).
type Upcycling struct {
	Router  Use
	Experts int64
	TopK    int64
	// Layers are the dense layers meant, as parameters count them ("layers.3"); nil for all.
	Layers []int
}

// Upcycled is the recipe with Mixture-of-Experts layers in the place of dense ones, each with
// the dense layer's function as its expert. A choice of layers writes the stack out in full,
// without repetition or pattern. changed are the layers that became experts.
func (r *Recipe) Upcycled(u Upcycling) (out *Recipe, changed []int, err error) {
	next := *r
	next.Name, next.tree = r.Name+"-moe", nil
	var dense []int
	for i := range int(r.Repeat) * len(r.Layers) {
		if r.Layers[i%len(r.Layers)].dense() != nil {
			dense = append(dense, i)
		}
	}
	for _, i := range u.Layers {
		if !slices.Contains(dense, i) {
			return nil, nil, fmt.Errorf("layer %d of %s is no dense layer: there is %s", i, r.Name, listed(dense))
		}
	}
	switch {
	case !variantName.MatchString(u.Router.Name):
		return nil, nil, fmt.Errorf("router %s is no name of a variant, such as topk", quoteShort(u.Router.Name))
	case len(dense) == 0:
		return nil, nil, fmt.Errorf("%s has no dense layer (ff) whose copies could be experts", r.Name)
	case u.Layers == nil:
		changed = dense
		next.Layers = u.all(r.Layers)
		next.Blocks = slices.Clone(r.Blocks)
		for i := range next.Blocks {
			next.Blocks[i].Layers = u.all(next.Blocks[i].Layers)
		}
	default:
		changed = u.Layers
		next.Repeat, next.Blocks, next.Pattern = 1, nil, nil
		next.Layers = slices.Repeat(r.Layers, int(r.Repeat))
		for _, i := range changed {
			next.Layers[i] = u.layer(next.Layers[i])
		}
	}
	out, err = Parse(next.Name, next.YAML(), nil)
	return out, changed, err
}

// listed names layers.
func listed(layers []int) string {
	if len(layers) == 0 {
		return "none"
	}
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(layers)), ", "), "[]")
}

// dense is the layer's dense feed-forward block, nil when it has none.
func (l Layer) dense() *FF {
	for _, b := range l.Blocks {
		if b.FF != nil {
			return b.FF
		}
	}
	return nil
}

func (u Upcycling) all(layers []Layer) []Layer {
	out := slices.Clone(layers)
	for i := range out {
		out[i] = u.layer(out[i])
	}
	return out
}

// layer is a layer with experts in the place of its dense block.
func (u Upcycling) layer(l Layer) Layer {
	blocks := slices.Clone(l.Blocks)
	for i, b := range blocks {
		if b.FF != nil {
			blocks[i] = Block{MoE: &MoE{
				Router: u.Router, Experts: u.Experts, TopK: u.TopK, Expert: b.FF.expert(), Width: b.FF.Width,
				RoutedScale: 1, CapacityScope: PerBatch, Overflow: ZeroOverflow,
			}}
		}
	}
	return Layer{Blocks: blocks}
}

// expert is the dense block's function with all its options.
func (f *FF) expert() Use {
	if !f.Bias {
		return f.Expert
	}
	options := map[string]any{}
	if f.Expert.Options != nil {
		_ = json.Unmarshal(f.Expert.Options, &options) // made by json.Marshal
	}
	options["bias"] = true
	raw, _ := json.Marshal(options)
	return Use{Name: f.Expert.Name, Options: raw}
}
