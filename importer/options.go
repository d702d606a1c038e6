package importer

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/moezoo/moezoo/zoo/recipe"
)

// defaults are the options of the plugins' variants that other projects' models have; a
// recipe need not write them out.
var defaults = map[string]map[string]any{
	"topk":    {"softmax": "before", "renormalize": true, "bias": false, "balance": 0.01, "z_loss": 0.0},
	"sigmoid": {"n_group": 1.0, "topk_group": 1.0, "renormalize": true, "bias_rate": 0.001, "balance": 0.0, "z_loss": 0.0},
	"swiglu":  {"bias": false},
	"gelu":    {"bias": false, "form": "exact"},
	"geglu":   {"bias": false, "form": "exact"},
	"relu2":   {"bias": false},
}

// options are a variant's options, with those that a recipe leaves out.
func options(u recipe.Use) map[string]any {
	out := maps.Clone(defaults[variant(u)])
	if out == nil {
		out = map[string]any{}
	}
	if len(u.Options) > 0 {
		_ = json.Unmarshal(u.Options, &out) // checked when the recipe was read
	}
	return out
}

// variant is the name of a variant without its provider's.
func variant(u recipe.Use) string { return u.Name[strings.LastIndexByte(u.Name, '/')+1:] }

// option is one of a variant's options.
func option(u recipe.Use, key string) any { return options(u)[key] }

// marshal writes options.
func marshal(options map[string]any) json.RawMessage {
	raw, err := json.Marshal(options)
	if err != nil {
		panic("importer: " + err.Error()) // options are words, numbers and truth values
	}
	return raw
}
