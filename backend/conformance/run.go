package conformance

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/lower"
	"github.com/moezoo/moezoo/graph/op"
)

// Tolerance of outputs, relative to the largest: both sides add float32 numbers in another
// order. Difference quotients of float32 functions are good to about 1e-2 of the largest
// gradient.
const (
	outputTolerance   = 2e-5
	gradientTolerance = 1e-2
)

// Run runs all cases on a device.
func Run(t *testing.T, d backend.Device) {
	reference := cpu.New(1)
	defer reference.Close()
	for i, c := range Cases() {
		if p, ok := d.(backend.Packer); c.Panels > 0 && (!ok || p.PanelWidth() != c.Panels) {
			continue
		}
		t.Run(fmt.Sprintf("%s/%d", c.Name, i), func(t *testing.T) {
			forward(t, c, d, reference)
			if !c.NoGradient {
				gradient(t, c, d)
			}
		})
	}
}

// draw makes the inputs of a graph.
func draw(g *graph.Graph) map[string]*backend.Tensor {
	rng := rand.New(rand.NewPCG(5, 6))
	in := map[string]*backend.Tensor{}
	for _, v := range g.Inputs {
		shape, _ := v.Shape().Ints()
		x := backend.NewTensor(v.Type.DType, shape...)
		for i := range x.F32() {
			r := rng.NormFloat64()
			switch {
			case strings.HasPrefix(v.Name, "pos"):
				r = 0.1 + math.Abs(r)
			case strings.HasPrefix(v.Name, "neg"):
				r = -0.1 - math.Abs(r)
			}
			x.F32()[i] = float32(r)
		}
		in[v.Name] = x
	}
	return in
}

// compute runs a graph on a device; outputs are those of the graph, by index.
func compute(t *testing.T, g *graph.Graph, d backend.Device, in map[string]*backend.Tensor) []*backend.Tensor {
	t.Helper()
	plan, err := backend.NewPlan(g, nil, d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, v := range plan.Graph.Inputs {
		b, err := d.Alloc(v.Type.DType, in[v.Name].Shape...)
		if err == nil {
			err = b.Upload(nil, in[v.Name])
		}
		if err == nil {
			err = p.Bind(v.Name, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var out []*backend.Tensor
	var buffers []backend.Buffer
	for _, v := range plan.Graph.Outputs {
		shape, _ := v.Shape().Ints()
		b, err := d.Alloc(v.Type.DType, shape...)
		if err == nil {
			err = p.Bind(v.Name, b)
		}
		if err != nil {
			t.Fatal(err)
		}
		out, buffers = append(out, backend.NewTensor(v.Type.DType, shape...)), append(buffers, b)
	}
	if err := p.Run(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	for i, b := range buffers {
		if err := b.Download(nil, out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func build(t *testing.T, c Case) *graph.Graph {
	t.Helper()
	g := graph.New(c.Name)
	g.Output(c.Build(g)...)
	if err := g.Err(); err != nil {
		t.Fatal(err)
	}
	return g
}

// forward compares the device's kernels with the lowering.
func forward(t *testing.T, c Case, d backend.Device, reference *cpu.Device) {
	t.Helper()
	g := build(t, c)
	in := draw(g)
	got := compute(t, g, d, in)
	lowered, err := lower.Graph(g)
	if err != nil {
		t.Fatal(err)
	}
	want, err := eval.New(lowered, reference, eval.Limits{}).Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		near(t, fmt.Sprintf("output %d", i), got[i].F32(), want[i].F32(), outputTolerance)
	}
	for i := 0; len(want) > 1 && i < len(want); i++ { // a kernel does without the results that nothing reads
		alone := build(t, c)
		alone.Outputs = alone.Outputs[i : i+1]
		near(t, fmt.Sprintf("output %d alone", i), compute(t, alone, d, in)[0].F32(), want[i].F32(), outputTolerance)
	}
}

func near(t *testing.T, what string, got, want []float32, tolerance float64) {
	t.Helper()
	worst, largest := 0.0, 1e-3
	for i := range want {
		worst = math.Max(worst, math.Abs(float64(got[i]-want[i])))
		largest = math.Max(largest, math.Abs(float64(want[i])))
	}
	if len(got) != len(want) || !(worst <= tolerance*largest) {
		t.Errorf("%s is off by %.3g, its largest element is %.3g", what, worst, largest)
	}
}

// gradient compares gradients of Σ weights·outputs with central differences.
func gradient(t *testing.T, c Case, d backend.Device) {
	t.Helper()
	g := build(t, c)
	outputs := g.Outputs
	inputs := append([]*graph.Value(nil), g.Inputs...)
	var losses, seeds []*graph.Value
	for i, v := range outputs {
		shape, _ := v.Shape().Ints()
		w := make([]float32, elements(v))
		for j := range w {
			w[j] = float32(math.Sin(float64(3*j + i)))
		}
		losses, seeds = append(losses, v), append(seeds, g.Const("seed", graph.Floats(shape, w...)))
	}
	grads, err := autodiff.Gradients(g, losses, seeds, inputs)
	if err != nil {
		t.Fatal(err)
	}
	g.Outputs = nil
	loss := g.Float(0)
	for i, v := range losses {
		loss = op.Add(loss, op.ReduceSum(op.Mul(v, seeds[i]), nil, false))
	}
	g.Output(loss)
	for i, v := range grads {
		if v == nil {
			t.Fatalf("%s has no gradient", inputs[i].Name)
		}
		g.Output(op.Identity(v))
	}
	in := draw(g)
	base := compute(t, g, d, in)
	for i, v := range inputs {
		x := in[v.Name].F32()
		got, want := []float32{}, []float32{}
		for _, j := range []int{0, len(x) / 3, len(x) / 2, len(x) - 1} {
			const h = 1e-2
			at := func(delta float32) float64 {
				old := x[j]
				x[j] += delta
				y := compute(t, g, d, in)[0].F32()[0]
				x[j] = old
				return float64(y)
			}
			got = append(got, base[1+i].F32()[j])
			want = append(want, float32((at(h)-at(-h))/(2*h)))
		}
		largest := 1e-2
		for _, x := range base[1+i].F32() {
			largest = math.Max(largest, math.Abs(float64(x)))
		}
		for k := range got {
			if math.Abs(float64(got[k]-want[k])) > gradientTolerance*largest+2e-3 {
				t.Errorf("gradient of %s: %v, difference quotient %v, largest %v", v.Name, got[k], want[k], largest)
			}
		}
	}
}

func elements(v *graph.Value) int {
	n, _ := v.Shape().Elements().Int()
	return int(n)
}
