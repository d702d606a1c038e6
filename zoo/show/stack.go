package show

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Picture is a model as it is drawn.
type Picture struct {
	Name       string `json:"name"`
	Doc        string `json:"doc,omitempty"`
	Facts      string `json:"facts"` // of the model, in words
	Parameters int64  `json:"parameters"`
	Active     int64  `json:"active"` // parameters that one token meets
	Items      []Item `json:"stack"`  // from the tokens to the logits
	Shared     []Part `json:"shared,omitempty"`
}

// Item is a part, or a group of items: of those that repeat, or that stand side by side.
type Item struct {
	*Part
	Times    int    `json:"times,omitempty"` // of a group that repeats
	Parallel bool   `json:"parallel,omitempty"`
	Items    []Item `json:"items,omitempty"` // of a group
}

// Part is a block.
type Part struct {
	Kind       string   `json:"kind"`             // "mamba", "moe", "embedding"
	Facts      []string `json:"facts"`            // sizes, in words
	Inside     []string `json:"inside,omitempty"` // experts in its projections, shared experts: a line each
	States     []string `json:"states,omitempty"` // what it carries from token to token
	Aside      bool     `json:"aside,omitempty"`  // its result goes to the next layer's input
	Parameters int64    `json:"parameters"`
	Active     int64    `json:"active"`
}

// Of is the picture of a model.
func Of(m *zoo.Model) (*Picture, error) {
	counts, err := m.Net.Count(1)
	if err != nil {
		return nil, err
	}
	w := &walker{net: m.Net, written: m.Recipe.Layers, total: counts.TotalOf, active: counts.ActiveOf, states: states(m.Net)}
	p := &Picture{
		Name: m.Recipe.Name, Doc: m.Recipe.Doc, Parameters: counts.Total, Active: counts.Active, Shared: w.shared(),
		Facts: fmt.Sprintf("width %d, %d residual layers, %s %s", m.Net.DModel, len(m.Net.Layers), m.Recipe.Norm.Kind, map[string]string{
			"pre": "before each block", "post": "behind each sum", "sandwich": "before and behind each block",
		}[string(m.Recipe.Placement)]),
	}
	if words := strings.Join(m.Recipe.Pattern, ""); len(m.Recipe.Pattern) > 0 && len(words) == len(m.Recipe.Pattern) {
		if p.Facts += ", pattern " + words; m.Recipe.Repeat > 1 {
			p.Facts += fmt.Sprintf(" %d times", m.Recipe.Repeat)
		}
	}
	p.Items = append(p.Items, w.embedding())
	p.Items = append(p.Items, Fold(w.layers())...)
	if m.Net.FinalNorm != nil {
		p.Items = append(p.Items, Item{Part: w.part("norm", []string{string(m.Net.FinalNorm.Kind)}, "final_norm/")})
	}
	p.Items = append(p.Items, w.head())
	return p, nil
}

// states are the shapes of what each layer carries along, by layer; none for a model that
// cannot run token by token.
func states(net blocks.Model) map[int][]string {
	out := map[int][]string{}
	b, err := net.Build(blocks.Options{Mode: blocks.Decode})
	if err != nil {
		return out
	}
	for _, s := range b.G.States {
		kind, layer := s.Name, 0
		if i := strings.LastIndexByte(s.Name, '.'); i >= 0 {
			if _, err := fmt.Sscan(s.Name[i+1:], &layer); err == nil {
				kind = s.Name[:i]
			}
		}
		out[layer] = append(out[layer], kind+" "+extents(s.In.Shape()[1:]))
	}
	return out
}

// extents are the sizes of a state; capacities of caches are what they hold.
func extents(shape graph.Shape) string {
	var words []string
	for _, d := range shape {
		words = append(words, strings.NewReplacer(blocks.CacheCapacity, "tokens", blocks.WindowCapacity, "window").Replace(d.String()))
	}
	return strings.Join(words, "×")
}

// walker makes parts of layers.
type walker struct {
	net           blocks.Model
	written       []recipe.Layer // of one repetition
	total, active map[string]int64
	states        map[int][]string
}

// part counts the parameters whose names begin in one of some ways.
func (w *walker) part(kind string, facts []string, prefixes ...string) *Part {
	p := &Part{Kind: kind, Facts: facts}
	for name, n := range w.total {
		if slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			p.Parameters += n
			p.Active += w.active[name]
		}
	}
	return p
}

func (w *walker) embedding() Item {
	facts := []string{fmt.Sprintf("%d × %d", w.net.Vocabulary, w.net.DModel)}
	if w.net.MaxLearned > 0 {
		facts = append(facts, fmt.Sprintf("%d learned positions", w.net.MaxLearned))
	}
	facts = append(facts, factor(w.net.EmbeddingScale)...)
	return Item{Part: w.part("embedding", facts, "embedding/")}
}

func (w *walker) head() Item {
	facts := []string{fmt.Sprintf("%d × %d", w.net.DModel, w.net.Vocabulary)}
	if w.net.TiedHead {
		facts = append(facts, "tied to the embedding")
	}
	facts = append(facts, factor(w.net.LogitsScale)...)
	if w.net.LogitsCap > 0 {
		facts = append(facts, fmt.Sprintf("capped at ±%g", w.net.LogitsCap))
	}
	return Item{Part: w.part("head", facts, "head/")}
}

// factor is a constant factor in words, nothing for 1.
func factor(x float64) []string {
	if x == 0 || x == 1 {
		return nil
	}
	return []string{fmt.Sprintf("times %.4g", x)}
}

// layers are the layers as they are written, one after the other.
func (w *walker) layers() []Item {
	out := make([]Item, len(w.net.Layers))
	for i, l := range w.net.Layers {
		prefix, written := fmt.Sprintf("layers.%d/", i), w.written[i%len(w.written)].Blocks
		if l.Aside != nil {
			p := w.part(l.Aside.Name, facts(l.Aside.Block, written[0]), prefix)
			p.Aside, p.States = true, w.states[i]
			p.Inside = append(inside(l.Aside.Block, written[0]), "added to what the next layer reads, not to the stream")
			out[i] = Item{Part: p}
			continue
		}
		group := Item{Parallel: len(l.Branches) > 1}
		for j, b := range l.Branches {
			norm := "norm/"
			if group.Parallel {
				norm = "norm_" + b.Name + "/"
			}
			p := w.part(b.Name, append(facts(b.Block, written[j]), factor(l.Scale)...), prefix+b.Name+"/", prefix+norm, prefix+"post_"+norm)
			p.Inside, p.States = inside(b.Block, written[j]), w.statesOf(i, b.Block)
			group.Items = append(group.Items, Item{Part: p})
		}
		if out[i] = group; !group.Parallel {
			out[i] = group.Items[0]
		}
	}
	return out
}

// statesOf are a layer's states where its block is the one that mixes tokens.
func (w *walker) statesOf(layer int, b blocks.Block) []string {
	switch b.(type) {
	case blocks.MoE, blocks.FeedForward:
		return nil
	}
	return w.states[layer]
}

// shared are the weights that several layers share, each once.
func (w *walker) shared() []Part {
	var out []Part
	seen := map[string]bool{}
	for _, l := range w.net.Layers {
		if l.Aside == nil {
			continue
		}
		if s, ok := l.Aside.Block.(blocks.SharedTransformer); ok && !seen[sharedName(s.Index)] {
			seen[sharedName(s.Index)] = true
			out = append(out, *w.part(l.Aside.Name+" "+sharedName(s.Index), facts(s, recipe.Block{})[1:], fmt.Sprintf("shared.%d/", s.Index)))
		}
	}
	return out
}

// sharedName is the letter of shared weights.
func sharedName(index int64) string { return string(rune('A' + index%26)) }
