package plugins

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx"
	"github.com/moezoo/moezoo/plugins/wire"
)

// Stored is a variant's answer with the request it answers: all that is needed to make
// its function again, without the plugin. Checkpoints keep it.
type Stored struct {
	Provider string           `json:"provider"`
	Variant  Variant          `json:"variant"`
	Dims     map[string]int64 `json:"dims"`
	Config   string           `json:"config"`
	Digest   string           `json:"digest"`
	Answer   []byte           `json:"answer"` // serialised wire.BuildResponse
}

// Store is the answer as a checkpoint keeps it.
func (b *Built) Store() (Stored, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(b.Response)
	return Stored{Provider: b.Provider, Variant: b.Variant, Dims: b.Dims, Config: string(b.Config), Digest: b.Digest, Answer: raw}, err
}

// Function decodes and checks a stored answer as one that comes over the wire.
func (s Stored) Function() (*Function, error) {
	resp := &wire.BuildResponse{}
	left := maxMessageElements
	if err := countElements(s.Answer, resp.ProtoReflect().Descriptor(), &left); err != nil {
		return nil, fmt.Errorf("function of %s: %w", qualifiedName(s.Provider, s.Variant.Name), err)
	}
	if err := proto.Unmarshal(s.Answer, resp); err != nil {
		return nil, fmt.Errorf("function of %s: %w", qualifiedName(s.Provider, s.Variant.Name), err)
	}
	if d := wire.Digest(resp); d != s.Digest {
		return nil, fmt.Errorf("function of %s: has SHA-256 %.12s…, its record says %.12s…", qualifiedName(s.Provider, s.Variant.Name), d, s.Digest)
	}
	if err := checkAnswer(s.Variant, resp); err != nil {
		return nil, fmt.Errorf("function of %s: %w", qualifiedName(s.Provider, s.Variant.Name), err)
	}
	f, err := decode(s.Variant, s.Dims, resp)
	if err != nil {
		return nil, fmt.Errorf("function of %s: %w", qualifiedName(s.Provider, s.Variant.Name), err)
	}
	f.Provider, f.Wire, f.Hash = s.Provider, s.Answer, s.Digest
	return f, nil
}

// CheckFunctions is the Checker of a Host: an answer must decode.
func CheckFunctions(v Variant, req *wire.BuildRequest, resp *wire.BuildResponse) error {
	_, err := decode(v, req.Dims, resp)
	return err
}

// allowed says which operators a function may use: those of the table that neither
// branch nor loop, nor are newer than the opset of functions, nor belong to training itself.
func allowed(domain, name string) bool {
	entry, err := graph.Lookup(domain, name)
	if err != nil {
		return true // the decoder's message names the nearest operator
	}
	for _, a := range entry.Attrs {
		if a.Kind == graph.GraphAttr {
			return false
		}
	}
	if domain == "" {
		return entry.Since <= onnx.Opset
	}
	return domain == graph.Domain && entry.Lower != nil
}

// decode turns an answer into functions, checking every type and shape.
func decode(v Variant, dims map[string]int64, resp *wire.BuildResponse) (*Function, error) {
	f := &Function{Variant: v.Name, Kind: v.Kind, Capabilities: v.Capabilities}
	tokens := graph.Symbol("T")
	inputs := []onnx.FunctionInput{{Name: "x", Type: graph.Type{DType: graph.Float32, Shape: graph.Shape{tokens, graph.Const(dims["d_model"])}}}}
	for _, extra := range []struct {
		needed bool
		name   string
		shape  graph.Shape
	}{
		{v.Capabilities.NeedsTokenIDs, "token_ids", graph.Shape{tokens}},
		{v.Capabilities.NeedsPositions, "positions", graph.Shape{tokens}},
		{v.Capabilities.NeedsRNG, "rng", graph.ShapeOf(2)},
	} {
		if extra.needed {
			inputs = append(inputs, onnx.FunctionInput{Name: extra.name, Type: graph.Type{DType: graph.Int64, Shape: extra.shape}})
		}
	}
	for _, p := range resp.Params {
		inputs = append(inputs, onnx.FunctionInput{Name: p.Tensor.Name, Type: graph.Type{DType: graph.Float32, Shape: graph.Dims(p.Tensor.Dims...)}})
		init := graph.Init{Scheme: p.Init.GetScheme(), Args: map[string]float64{}}
		for _, a := range p.Init.GetArgs() {
			init.Args[a.Name] = a.Value
		}
		f.Params = append(f.Params, FunctionParam{Name: p.Tensor.Name, Shape: p.Tensor.Dims, Init: init, Decay: p.Decay})
	}
	for _, s := range resp.States {
		t := graph.Type{DType: graph.Float32, Shape: graph.Dims(s.Tensor.Dims...)}
		inputs = append(inputs, onnx.FunctionInput{Name: s.Tensor.Name, Type: t})
		update, err := onnx.DecodeFunction(s.Update, []onnx.FunctionInput{{Name: "state", Type: t}, {Name: "accumulated", Type: t}}, allowed)
		if err != nil {
			return nil, fmt.Errorf("update of state %s: %w", s.Tensor.Name, err)
		}
		if len(update.Outputs) != 1 || update.Outputs[0].Type.DType != t.DType || !update.Outputs[0].Shape().Equal(t.Shape) {
			return nil, fmt.Errorf("update of state %s answers %v, want one %v", s.Tensor.Name, update.Outputs, t)
		}
		f.States = append(f.States, FunctionState{Name: s.Tensor.Name, Shape: s.Tensor.Dims, Fill: float32(s.Fill), Accumulate: s.AccumulateOutput, Update: update})
	}
	var err error
	if f.Train, err = onnx.DecodeFunction(resp.Train, inputs, allowed); err != nil {
		return nil, err
	}
	f.Infer = f.Train
	if len(resp.Infer) > 0 {
		if f.Infer, err = onnx.DecodeFunction(resp.Infer, inputs, allowed); err != nil {
			return nil, fmt.Errorf("inference form: %w", err)
		}
	}
	for _, l := range resp.Losses {
		f.Losses = append(f.Losses, FunctionLoss{Name: l.Name, Output: l.Output, Weight: l.Weight, PerToken: l.PerToken})
	}
	for _, m := range resp.Metrics {
		f.Metrics = append(f.Metrics, NamedOutput{m.Name, m.Output})
	}
	for _, t := range resp.TokenOutputs {
		f.TokenOutputs = append(f.TokenOutputs, NamedOutput{t.Name, t.Output})
	}
	for _, fn := range []*graph.Graph{f.Train, f.Infer} {
		if err := f.checkOutputs(fn, dims, resp); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// checkOutputs makes sure that a function answers what its kind promises.
func (f *Function) checkOutputs(fn *graph.Graph, dims map[string]int64, resp *wire.BuildResponse) error {
	tokens := graph.Symbol("T")
	want := func(name string, dtype graph.DType, shape graph.Shape) error {
		i, ok := f.Output(fn, name)
		if !ok {
			names := make([]string, len(fn.Outputs))
			for j, o := range fn.Outputs {
				names[j] = cleanLine(o.Name, 80)
			}
			return fmt.Errorf("output %q is missing; there are %s", name, strings.Join(names, ", "))
		}
		if t := fn.Outputs[i].Type; t.DType != dtype || !t.Shape.Equal(shape) {
			return fmt.Errorf("output %q is %v, want %v", name, t, graph.Type{DType: dtype, Shape: shape})
		}
		return nil
	}
	if f.Kind == ExpertKind {
		out := dims["d_model"]
		if n := dims["d_out"]; n > 0 {
			out = n
		}
		return want("y", graph.Float32, graph.Shape{tokens, graph.Const(out)})
	}
	if err := f.checkRouting(fn, dims, resp, want); err != nil {
		return err
	}
	for _, s := range f.States {
		if err := want(s.Accumulate, graph.Float32, graph.Dims(s.Shape...)); err != nil {
			return fmt.Errorf("state %s: %w", s.Name, err)
		}
	}
	for _, l := range f.Losses {
		shape := graph.Shape(nil)
		if l.PerToken {
			shape = graph.Shape{tokens}
		}
		if err := want(l.Output, graph.Float32, shape); err != nil {
			return fmt.Errorf("loss %s: %w", l.Name, err)
		}
	}
	for _, m := range f.Metrics {
		if err := want(m.Output, graph.Float32, nil); err != nil {
			return fmt.Errorf("metric %s: %w", m.Name, err)
		}
	}
	for _, t := range f.TokenOutputs {
		if err := want(t.Output, graph.Float32, graph.Shape{tokens, graph.Const(dims["experts"])}); err != nil {
			return fmt.Errorf("value per token %s: %w", t.Name, err)
		}
	}
	return nil
}

// checkRouting checks the two outputs of the routing itself, in one of its three forms.
func (f *Function) checkRouting(fn *graph.Graph, dims map[string]int64, resp *wire.BuildResponse, want func(name string, dtype graph.DType, shape graph.Shape) error) error {
	tokens, experts := graph.Symbol("T"), graph.Const(dims["experts"])
	var first, second graph.Shape
	dtype := graph.Int64
	switch r := resp.Routing.(type) {
	case *wire.BuildResponse_Assign:
		f.Routing = RoutingOutputs{Kind: Assign, First: r.Assign.Expert, Second: r.Assign.Weight}
		first = graph.Shape{tokens, graph.Const(dims["top_k"])}
		second = first
	case *wire.BuildResponse_Claim:
		f.Routing = RoutingOutputs{Kind: Claim, First: r.Claim.Token, Second: r.Claim.Weight}
		first = graph.Shape{experts, f.extent(fn, r.Claim.Token, 1)}
		second = first
	case *wire.BuildResponse_Mix:
		f.Routing = RoutingOutputs{Kind: Mix, First: r.Mix.Dispatch, Second: r.Mix.Combine}
		slots := f.extent(fn, r.Mix.Dispatch, 0)
		if _, even := slots.Div(experts); !even {
			return fmt.Errorf("output %q has %v slots, which %v experts cannot share evenly", r.Mix.Dispatch, slots, experts)
		}
		first, second, dtype = graph.Shape{slots, tokens}, graph.Shape{tokens, slots}, graph.Float32
	}
	if err := want(f.Routing.First, dtype, first); err != nil {
		return err
	}
	return want(f.Routing.Second, graph.Float32, second)
}

// extent is the extent of an output along an axis, 0 when there is none.
func (f *Function) extent(fn *graph.Graph, output string, axis int) graph.Dim {
	if i, ok := f.Output(fn, output); ok && fn.Outputs[i].Rank() > axis {
		return fn.Outputs[i].Dim(axis)
	}
	return graph.Const(0)
}

// FunctionOf asks a provider in this program for a variant's function and checks it.
func FunctionOf(ctx context.Context, p Provider, req *wire.BuildRequest) (*Function, error) {
	d, err := p.Describe(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := p.Build(ctx, req)
	if err != nil {
		return nil, err
	}
	for _, v := range describe(d).Variants {
		if v.Name == req.Variant {
			b := Built{Ref: Ref{Provider: d.Provider, Variant: v}, Config: req.Config, Dims: req.Dims, Response: resp, Digest: wire.Digest(resp)}
			s, err := b.Store()
			if err != nil {
				return nil, err
			}
			return s.Function()
		}
	}
	return nil, fmt.Errorf("provider %s has no variant %q", d.Provider, req.Variant)
}
