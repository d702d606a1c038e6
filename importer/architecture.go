package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// Architecture is one kind of model of another project: how its config.json becomes a recipe
// and a recipe its config.json, and what its tensors are called. Each is a file of this
// package.
type Architecture struct {
	Type  string // model_type in config.json
	Class string // the class of transformers that loads an export; empty for none
	// Blocks are the kinds of blocks that its recipes have.
	Blocks []string
	// Recipe reads a configuration: vocabulary, width, layers, norms and head. What stays
	// empty gets a recipe's defaults.
	Recipe func(c *Config) recipe.Recipe
	// Names are the tensors of a recipe's parameters.
	Names func(r *recipe.Recipe) Names
	// Config writes what Recipe reads. It need not check that the recipe is one that Recipe
	// could answer: that is found out by asking Recipe.
	Config func(r *recipe.Recipe) map[string]any
	// Spare tells of tensors that mean nothing; nil for none.
	Spare func(tensor string) bool
}

// architectures are all known ones.
var architectures = []*Architecture{&mamba, &falconMamba, &mamba2, &stateSpaces, &llama, &mixtral, &qwen2MoE, &jamba, &gpt2, &gptNeoX, &bamba, &granite, &nemotron, &zamba2, &qwen3Next, &recurrentGemma}

// Types lists the model types that can be read.
func Types() []string {
	var out []string
	for _, a := range architectures {
		out = append(out, a.Type)
	}
	slices.Sort(out)
	return out
}

// find is the architecture of a configuration. One without a model type is of state-spaces.
func find(values map[string]any) (*Architecture, error) {
	v, there := values["model_type"]
	if !there && values["d_model"] != nil {
		return &stateSpaces, nil
	}
	name, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("model_type is %s, want one of %s", spelled(v), strings.Join(Types(), ", "))
	}
	for _, a := range architectures {
		if a.Type == name {
			return a, nil
		}
	}
	hint := ""
	if near := recipe.Nearest(name, Types()); near != "" {
		hint = fmt.Sprintf(" (did you mean %s?)", near)
	}
	return nil, fmt.Errorf("the model_type %.100q is not known%s: want one of %s", name, hint, strings.Join(Types(), ", "))
}

// read makes a recipe of a configuration.
func (a *Architecture) read(name string, c *Config) (*recipe.Recipe, error) {
	r := a.Recipe(c)
	c.done(a.Type)
	if c.err != nil {
		return nil, c.err
	}
	r.Name, r.Train.LR = name, tuningRate
	r.Repeat, r.Layers = repeated(r.Layers)
	out, err := recipe.Made(r)
	if err != nil {
		return nil, fmt.Errorf("config.json describes no possible model: %w", err)
	}
	return out, nil
}

// tuningRate is the learning rate of imported recipes, a tenth of the default: their weights
// are trained already.
const tuningRate = 1e-4

// repeated finds the shortest list of layers that, repeated, is all of them.
func repeated(layers []recipe.Layer) (int64, []recipe.Layer) {
	words := make([]string, len(layers))
	for i, l := range layers {
		words[i] = l.String()
	}
	for n := 1; n < len(layers); n++ {
		if len(layers)%n == 0 && slices.Equal(words[n:], words[:len(words)-n]) {
			return int64(len(layers) / n), layers[:n]
		}
	}
	return 1, layers
}

// all are a recipe's layers with their repetitions.
func all(r *recipe.Recipe) []recipe.Layer {
	return slices.Repeat(r.Layers, int(r.Repeat))
}

// layer is a layer of one block.
func layer(b recipe.Block) recipe.Layer { return recipe.Layer{Blocks: []recipe.Block{b}} }

// block is the first block of a kind in a recipe; an empty one when there is none.
func block[T any](r *recipe.Recipe, of func(b recipe.Block) *T) *T {
	for _, l := range r.Layers {
		for _, b := range l.Blocks {
			if x := of(b); x != nil {
				return x
			}
		}
	}
	return new(T)
}
