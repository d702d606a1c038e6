package onnxgo

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/owulveryck/onnx-go"
	"google.golang.org/protobuf/proto"
	"gorgonia.org/tensor"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/lower"
	zooonnx "github.com/moezoo/moezoo/graph/onnx"
)

// TestAnExportedStepRunsThroughOnnxGo exports a single step of a Mamba block, decodes the
// file with onnx-go, runs it on this backend, and compares with the compiled plan.
func TestAnExportedStepRunsThroughOnnxGo(t *testing.T) {
	g := graph.New("step")
	c := &blocks.Context{G: g, Mode: blocks.Decode, TokenIDs: graph.New("ids").Input("input_ids", graph.Int64, graph.Dims(1, 1))}
	x := g.Input("x", graph.Float32, graph.Dims(1, 1, 8))
	y := blocks.Mamba{DModel: 8, Inner: 16, DState: 4, DConv: 4, DtRank: 1, ConvBias: true}.Forward(c, x)
	g.Rename(y, "y")
	g.Output(y)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(v *graph.Value) *backend.Tensor {
		shape, _ := v.Shape().Ints()
		out := backend.NewTensor(graph.Float32, shape...)
		for i := range out.F32() {
			out.F32()[i] = float32(rng.NormFloat64()) / 2
		}
		return out
	}
	values := map[string]*backend.Tensor{}
	for _, v := range g.Inputs {
		values[v.Name] = random(v)
	}
	for _, p := range g.Params {
		values[p.Value.Name] = random(p.Value)
	}
	want := planned(t, g, values)

	lowered, err := lower.Graph(g)
	if err != nil {
		t.Fatal(err)
	}
	m, err := zooonnx.Model(lowered, zooonnx.ModelOptions{Weight: func(name string) []byte { return values[name].Data }})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	b := New(1)
	defer b.Close()
	model := onnx.NewModel(b)
	if err := model.UnmarshalBinary(raw); err != nil {
		t.Fatal(err)
	}
	for i, v := range lowered.Inputs {
		in, err := toTensor(values[v.Name])
		if err != nil {
			t.Fatal(err)
		}
		if err := model.SetInput(i, in); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	out, err := model.GetOutputTensors()
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range lowered.Outputs {
		near(t, v.Name, out[i], want[v.Name])
	}
}

// planned runs the graph as a compiled plan.
func planned(t *testing.T, g *graph.Graph, values map[string]*backend.Tensor) map[string]*backend.Tensor {
	t.Helper()
	d := cpu.New(1)
	defer d.Close()
	plan, err := backend.NewPlan(g, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range values {
		if err := p.Bind(name, cpu.Wrap(v)); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]*backend.Tensor{}
	for _, v := range plan.Graph.Outputs {
		shape, _ := v.Shape().Ints()
		out[v.Name] = backend.NewTensor(v.Type.DType, shape...)
		if err := p.Bind(v.Name, cpu.Wrap(out[v.Name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Run(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	return out
}

func near(t *testing.T, name string, got tensor.Tensor, want *backend.Tensor) {
	t.Helper()
	g, err := fromTensor(got)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want.F32() {
		if d := math.Abs(float64(g.F32()[i] - w)); !(d <= 1e-5+1e-4*math.Abs(float64(w))) {
			t.Errorf("%s[%d] is %v, want %v", name, i, g.F32()[i], w)
			return
		}
	}
}
