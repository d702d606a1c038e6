package plugins

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins/wire"
)

// Value is a tensor inside a router or expert.
type Value = *graph.Value

// Dims are the sizes a variant is built for; those that do not apply are 0.
type Dims struct {
	DModel     int64 // width of x
	DOut       int64 // width of an expert's result: DModel, except inside of a mixer
	Experts    int64
	TopK       int64
	Width      int64 // of an expert
	Vocabulary int64
}

// Builder builds the function of a variant: parameters through Param, everything else
// through graph/op on the values at hand.
type Builder struct {
	*graph.Graph
	Training  bool  // the form used while training is being built
	TokenIDs  Value // int64 [T], when the variant needs them
	Positions Value // int64 [T], when the variant needs them
	RNG       Value // int64 [2], when the variant needs it: a key of its own for each step and layer; only the training form may read it

	params   []*wire.Param
	states   []*wire.State
	values   []Value // of the states
	warnings []*wire.Diagnostic
}

// Warn tells who builds a model with the variant what they may not expect of these options
// and sizes, in one sentence.
func (b *Builder) Warn(format string, args ...any) {
	b.warnings = append(b.warnings, &wire.Diagnostic{Severity: wire.Severity_SEVERITY_WARNING, Summary: fmt.Sprintf(format, args...)})
}

// Init starts of parameters.
func linear(scheme string, fanIn int64) graph.Init {
	return graph.Init{Scheme: scheme, Args: map[string]float64{"fan_in": float64(fanIn)}}
}

// Param adds a parameter; its shape is that of one expert.
func (b *Builder) Param(name string, init graph.Init, decay bool, shape ...int64) Value {
	v := b.Graph.Input(name, graph.Float32, graph.Dims(shape...))
	p := &wire.Param{Tensor: &wire.TensorSpec{Name: name, Dtype: int32(graph.Float32), Dims: shape}, Decay: decay, Init: &wire.Init{Scheme: init.Scheme}}
	args := make([]string, 0, len(init.Args))
	for k := range init.Args {
		args = append(args, k)
	}
	sort.Strings(args)
	for _, k := range args {
		p.Init.Args = append(p.Init.Args, &wire.Arg{Name: k, Value: init.Args[k]})
	}
	b.params = append(b.params, p)
	return v
}

// State adds a tensor that training carries along without a gradient, filled with fill at
// the start; Routing.Update says how it changes.
func (b *Builder) State(name string, fill float64, shape ...int64) Value {
	v := b.Graph.Input(name, graph.Float32, graph.Dims(shape...))
	b.states = append(b.states, &wire.State{
		Tensor: &wire.TensorSpec{Name: name, Dtype: int32(graph.Float32), Dims: shape}, Fill: fill, Accumulate: wire.Accumulate_ACCUMULATE_SUM,
	})
	b.values = append(b.values, v)
	return v
}

// Linear is x·W with a weight [in, out] that starts as a linear layer does.
func (b *Builder) Linear(name string, x Value, in, out int64) Value {
	return op.MatMul(x, b.Param(name, linear("linear", in), true, in, out))
}

// Project is Linear for the last product of an expert, whose output is added to the
// residual stream.
func (b *Builder) Project(name string, x Value, in, out int64) Value {
	return op.MatMul(x, b.Param(name, linear("residual", in), true, in, out))
}

// Bias adds a vector that starts at zero, if has says so.
func (b *Builder) Bias(name string, x Value, has bool, n int64) Value {
	if !has {
		return x
	}
	return op.Add(x, b.Param(name, graph.Init{Scheme: "zeros"}, false, n))
}

// Router defines a router with options of type C, a struct with json tags; the tag doc
// says what a field means, min, max and enum what it may be.
type Router[C any] struct {
	Name, Doc, Paper string
	Revision         uint32 // raised whenever the function changes for an unchanged request
	Capabilities     Capabilities
	Default          C
	// Route maps x [T, d_model] to experts and weights.
	Route func(b *Builder, x Value, c C, d Dims) Routing
}

// Expert defines an expert with options of type C: a function of one token that knows
// nothing of other tokens or experts.
type Expert[C any] struct {
	Name, Doc, Paper string
	Revision         uint32
	Default          C
	// Apply maps x [T, d_model] → [T, d_out].
	Apply func(b *Builder, x Value, c C, d Dims) Value
}

// Definition is a Router or an Expert.
type Definition interface {
	describe() *wire.Variant
	build(req *wire.BuildRequest) (*wire.BuildResponse, error)
}

// NewProvider serves definitions under a provider's name.
func NewProvider(name, version string, defs ...Definition) Provider {
	return &sdkProvider{name, version, defs}
}

type sdkProvider struct {
	name, version string
	defs          []Definition
}

func (p *sdkProvider) Describe(context.Context) (*wire.DescribeResponse, error) {
	d := &wire.DescribeResponse{Provider: p.name, Version: p.version}
	for _, def := range p.defs {
		d.Variants = append(d.Variants, def.describe())
	}
	return d, nil
}

func (p *sdkProvider) Build(_ context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error) {
	for _, def := range p.defs {
		if def.describe().Name == req.Variant {
			return def.build(req)
		}
	}
	return nil, fmt.Errorf("provider %s has no variant %q", p.name, req.Variant)
}

func (r Router[C]) describe() *wire.Variant {
	c := r.Capabilities
	return &wire.Variant{
		Name: r.Name, Kind: wire.Kind_KIND_ROUTER, Doc: r.Doc, Paper: r.Paper, ConfigSchema: configSchema(r.Default), Revision: max(r.Revision, 1),
		Capabilities: &wire.Capabilities{
			Causal: c.Causal, NeedsTokenIds: c.NeedsTokenIDs, NeedsPositions: c.NeedsPositions, NeedsRng: c.NeedsRNG, Stateful: c.Stateful, Allow: c.Allow,
		},
	}
}

func (e Expert[C]) describe() *wire.Variant {
	return &wire.Variant{
		Name: e.Name, Kind: wire.Kind_KIND_EXPERT, Doc: e.Doc, Paper: e.Paper, ConfigSchema: configSchema(e.Default), Revision: max(e.Revision, 1),
		Capabilities: &wire.Capabilities{Causal: true},
	}
}

// maxListed bounds what a function may hold a number for each of: more would not fit into an
// answer.
const maxListed = maxFunctionBytes / 8

// begin reads a request: the options over their defaults, and the sizes.
func begin[C any](req *wire.BuildRequest, def C) (C, Dims, error) {
	c := def
	if len(req.Config) > 0 {
		if err := json.Unmarshal(req.Config, &c); err != nil {
			return c, Dims{}, fmt.Errorf("config: %w", err)
		}
	}
	d := Dims{DModel: req.Dims["d_model"], DOut: req.Dims["d_out"], Experts: req.Dims["experts"], TopK: req.Dims["top_k"], Width: req.Dims["width"], Vocabulary: req.Dims["vocabulary"]}
	if d.DModel < 1 {
		return c, d, fmt.Errorf("d_model is %d, want at least 1", d.DModel)
	}
	for name, n := range map[string]int64{"experts": d.Experts, "vocabulary": d.Vocabulary} {
		if n > maxListed {
			return c, d, fmt.Errorf("%s is %d, want at most %d: a function may list them", name, n, maxListed)
		}
	}
	if d.DOut == 0 {
		d.DOut = d.DModel
	}
	return c, d, nil
}

// newBuilder begins a function with the inputs that capabilities ask for.
func newBuilder(name string, training bool, caps Capabilities, d Dims) (*Builder, Value) {
	b := &Builder{Graph: graph.New(name), Training: training}
	tokens := graph.Symbol("T")
	x := b.Input("x", graph.Float32, graph.Shape{tokens, graph.Const(d.DModel)})
	if caps.NeedsTokenIDs {
		b.TokenIDs = b.Input("token_ids", graph.Int64, graph.Shape{tokens})
	}
	if caps.NeedsPositions {
		b.Positions = b.Input("positions", graph.Int64, graph.Shape{tokens})
	}
	if caps.NeedsRNG {
		b.RNG = b.Input("rng", graph.Int64, graph.ShapeOf(2))
	}
	return b, x
}

// output adds a result under a name of its own.
func (b *Builder) output(name string, v Value) {
	if v == nil {
		b.Fail(fmt.Errorf("output %q is missing", name))
		return
	}
	if v.Node() == nil || b.isOutput(v) {
		v = op.Identity(v)
	}
	b.Rename(v, name)
	b.Output(v)
}

func (b *Builder) isOutput(v Value) bool {
	for _, o := range b.Outputs {
		if o == v {
			return true
		}
	}
	return false
}

func (b *Builder) encode(name string) ([]byte, error) {
	b.Inputs = slices.DeleteFunc(b.Inputs, func(v Value) bool { return slices.Contains(b.values, v) })
	b.Inputs = append(b.Inputs, b.values...) // states come last
	b.Prune()
	return onnx.EncodeFunction(b.Graph, "zoo.plugin", name)
}

func (e Expert[C]) build(req *wire.BuildRequest) (*wire.BuildResponse, error) {
	c, d, err := begin(req, e.Default)
	if err != nil {
		return nil, err
	}
	if d.Width < 1 {
		return nil, fmt.Errorf("width is %d, want at least 1", d.Width)
	}
	b, x := newBuilder(e.Name, true, Capabilities{}, d)
	b.output("y", e.Apply(b, x, c, d))
	bytes, err := b.encode(e.Name)
	if err != nil {
		return nil, err
	}
	return &wire.BuildResponse{Train: bytes, Params: b.params, Diagnostics: b.warnings}, nil
}

// qualifiedName is "provider/variant".
func qualifiedName(provider, variant string) string {
	return strings.Join([]string{provider, variant}, "/")
}
