package zoo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Model is a recipe with the functions that plugins built for it. Nothing is allocated.
type Model struct {
	Recipe    *recipe.Recipe
	Functions []plugins.Stored // every answer once, in the order of first use
	Lock      []byte           // zoo.lock as of their building
	Net       blocks.Model
	// Files are what came with an imported model beside its weights, by name (see
	// importer.Companions and importer.OriginFile), or the tokenizer of prepared data; nil for
	// others.
	Files map[string][]byte
}

// Build asks the host's plugins for the functions of a recipe and assembles the model. A router
// that says it is causal is tested.
func Build(ctx context.Context, r *recipe.Recipe, h *plugins.Host) (*Model, error) {
	return building{}.model(ctx, r, h)
}

// BuildTrusting is Build that takes routers at their word, to find out what they do in a model
// (package check).
func BuildTrusting(ctx context.Context, r *recipe.Recipe, h *plugins.Host) (*Model, error) {
	return building{trusting: true}.model(ctx, r, h)
}

// building says how a model is built.
type building struct {
	held     []plugins.Stored // functions that a run holds already: plugins are asked for others only
	trusting bool             // routers are not tested
}

func (o building) model(ctx context.Context, r *recipe.Recipe, h *plugins.Host) (*Model, error) {
	seen := map[string]int{}
	m := &Model{Recipe: r}
	err := m.assemble(func(kind plugins.Kind, use recipe.Use, dims map[string]int64, extra map[string]any, path string) (*plugins.Function, error) {
		config, err := merged(use.Options, extra)
		if err != nil {
			return nil, err
		}
		s, ok := find(o.held, kind, use, config, dims)
		if !ok {
			built, err := h.Build(ctx, plugins.Request{Kind: kind, Name: use.Name, Config: config, Dims: dims})
			if err != nil {
				var input *plugins.InputError
				if errors.As(err, &input) {
					return nil, r.ErrorAt(path, err.Error(), "")
				}
				return nil, err
			}
			if s, err = built.Store(); err != nil {
				return nil, err
			}
		}
		key := functionKey(kind, s.Provider+"/"+s.Variant.Name, s.Config, dims)
		fn, err := s.Function()
		if err != nil {
			return nil, err
		}
		if _, known := seen[key]; !known {
			seen[key] = len(m.Functions)
			m.Functions = append(m.Functions, s)
			if kind == plugins.RouterKind && fn.Capabilities.Causal && !o.trusting {
				if err := checkCausal(ctx, fn, dims); err != nil {
					return nil, &plugins.Error{Plugin: s.Provider, Op: "build " + s.Variant.Name, Detail: err.Error()}
				}
			}
		}
		return fn, nil
	})
	m.Lock = h.Lock().Bytes()
	return m, err
}

// Restore assembles a model from stored functions, without any plugin.
func Restore(r *recipe.Recipe, functions []plugins.Stored) (*Model, error) {
	m := &Model{Recipe: r, Functions: functions}
	return m, m.assemble(func(kind plugins.Kind, use recipe.Use, dims map[string]int64, extra map[string]any, path string) (*plugins.Function, error) {
		config, err := merged(use.Options, extra)
		if err != nil {
			return nil, err
		}
		if s, ok := find(functions, kind, use, config, dims); ok {
			return s.Function()
		}
		return nil, fmt.Errorf("%s: the run does not hold the function of %s %s", path, kind, use.Name)
	})
}

// find is the stored function of a variant with its options and dimensions.
func find(functions []plugins.Stored, kind plugins.Kind, use recipe.Use, config json.RawMessage, dims map[string]int64) (plugins.Stored, bool) {
	for _, s := range functions {
		name := s.Provider + "/" + s.Variant.Name
		if (use.Name == s.Variant.Name || use.Name == name) && functionKey(kind, name, string(config), dims) == functionKey(s.Variant.Kind, name, s.Config, s.Dims) {
			return s, true
		}
	}
	return plugins.Stored{}, false
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
