package blocks_test

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
)

// params holds weights by name; what is missing is drawn, always alike for a name and a
// size.
type params map[string][]float32

func (p params) of(name string, n int) []float32 {
	if v, ok := p[name]; ok {
		return v
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	rng := rand.New(rand.NewPCG(h.Sum64(), uint64(n)))
	out := make([]float32, n)
	for i := range out {
		out[i] = 0.4 * float32(rng.NormFloat64())
	}
	return out
}

// sequence draws [n] numbers around 0.
func sequence(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

// net is a piece of a model with its weights.
type net struct {
	t       *testing.T
	width   int64
	params  params
	mode    blocks.Mode
	train   bool
	mask    []int64 // [batch, l], 0 at padding; nil for none
	packed  bool    // rows hold documents that end with separator
	forward func(c *blocks.Context, x blocks.Value) []blocks.Value
}

// separator ends a document.
const separator = 99

// result is what a net computed: its outputs, then its new states by name.
type result struct {
	out    [][]float32
	ints   [][]int64
	states map[string][]float32
}

// run computes rows of length l from x [batch, l, width] with token ids and states, which
// may be nil, behind past earlier tokens.
func (n net) run(batch, l int, x []float32, ids []int64, states map[string][]float32, past int) result {
	n.t.Helper()
	g := graph.New("net")
	c := &blocks.Context{G: g, Mode: n.mode, Train: n.train}
	c.TokenIDs = g.Input("ids", graph.Int64, graph.Dims(int64(batch), int64(l)))
	if n.packed {
		c.First = op.DocumentStarts(c.TokenIDs, separator)
	}
	if n.mask != nil {
		c.Mask = g.Input("mask", graph.Int64, graph.Dims(int64(batch), int64(l)))
		c.KeyMask = c.Mask
	}
	if n.mode == blocks.Decode {
		c.Past = g.Input("past", graph.Int64, nil)
	}
	outs := n.forward(c, g.Input("x", graph.Float32, graph.Dims(int64(batch), int64(l), n.width)))
	named := make([]string, len(outs))
	for i, v := range outs {
		v = op.Identity(v)
		named[i] = "out" + string(rune('a'+i))
		g.Rename(v, named[i])
		g.Output(v)
	}
	if err := g.Err(); err != nil {
		n.t.Fatal(err)
	}
	in := map[string]*backend.Tensor{"x": backend.NewTensor(graph.Float32, batch, l, int(n.width)), "ids": backend.NewTensor(graph.Int64, batch, l), "past": backend.NewTensor(graph.Int64)}
	copy(in["x"].F32(), x)
	copy(in["ids"].I64(), ids)
	if n.mask != nil {
		in["mask"] = backend.NewTensor(graph.Int64, batch, l)
		copy(in["mask"].I64(), n.mask)
	}
	in["past"].I64()[0] = int64(past)
	in["kept_length"] = in["past"] // nothing is forgotten so early
	got := n.compute(g, in, states)
	r := result{states: map[string][]float32{}}
	for _, name := range named {
		if got[name].DType == graph.Int64 {
			r.ints = append(r.ints, got[name].I64())
			continue
		}
		r.out = append(r.out, got[name].F32())
	}
	for _, s := range g.States {
		r.states[s.Name] = got[s.Out.Name].F32()
	}
	return r
}

// compute runs a graph on the processor.
func (n net) compute(g *graph.Graph, in map[string]*backend.Tensor, states map[string][]float32) map[string]*backend.Tensor {
	n.t.Helper()
	d := cpu.New(1)
	defer d.Close()
	plan, err := backend.NewPlan(g, map[string]int64{blocks.CacheCapacity: 256, blocks.WindowCapacity: 256}, d)
	if err != nil {
		n.t.Fatal(err)
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	defer p.Close()
	tensors := map[string]*backend.Tensor{}
	bind := func(v *graph.Value, content []float32) {
		n.t.Helper()
		t := in[v.Name]
		if t == nil {
			shape, _ := v.Shape().Ints()
			t = backend.NewTensor(v.Type.DType, shape...)
			copy(t.F32(), content)
		}
		tensors[v.Name] = t
		if err := p.Bind(v.Name, cpu.Wrap(t)); err != nil {
			n.t.Fatal(err)
		}
	}
	for _, v := range plan.Graph.Inputs {
		bind(v, states[v.Name])
	}
	for _, q := range plan.Graph.Params {
		elements, _ := q.Value.Shape().Elements().Int()
		bind(q.Value, n.params.of(q.Value.Name, int(elements)))
	}
	for _, v := range plan.Graph.Outputs {
		bind(v, nil)
	}
	if err := p.Run(context.Background(), nil); err != nil {
		n.t.Fatal(err)
	}
	return tensors
}

// gradients of Σ w·output 0 with respect to x and every parameter, by name.
func (n net) gradients(batch, l int, x []float32, ids []int64) map[string][]float32 {
	n.t.Helper()
	g := graph.New("net")
	c := &blocks.Context{G: g, Train: n.train}
	c.TokenIDs = g.Input("ids", graph.Int64, graph.Dims(int64(batch), int64(l)))
	if n.packed {
		c.First = op.DocumentStarts(c.TokenIDs, separator)
	}
	xv := g.Input("x", graph.Float32, graph.Dims(int64(batch), int64(l), n.width))
	loss := op.ReduceSum(n.forward(c, xv)[0], nil, false)
	wrt := []*graph.Value{xv}
	for _, p := range g.Params {
		wrt = append(wrt, p.Value)
	}
	grads, err := autodiff.Gradients(g, []*graph.Value{loss}, []*graph.Value{nil}, wrt)
	if err != nil {
		n.t.Fatal(err)
	}
	for i, v := range grads {
		if v != nil {
			v = op.Identity(v)
			g.Rename(v, "d/"+wrt[i].Name)
			g.Output(v)
		}
	}
	in := map[string]*backend.Tensor{"x": backend.NewTensor(graph.Float32, batch, l, int(n.width)), "ids": backend.NewTensor(graph.Int64, batch, l)}
	copy(in["x"].F32(), x)
	copy(in["ids"].I64(), ids)
	out := map[string][]float32{}
	for name, t := range n.compute(g, in, nil) {
		if len(name) > 2 && name[:2] == "d/" {
			out[name[2:]] = t.F32()
		}
	}
	return out
}

// function builds a built-in router or expert in this process.
func function(t *testing.T, kind plugins.Kind, name, config string, dims map[string]int64) *plugins.Function {
	t.Helper()
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	b, err := h.Build(context.Background(), plugins.Request{Kind: kind, Name: name, Config: []byte(config), Dims: dims})
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Store()
	if err != nil {
		t.Fatal(err)
	}
	f, err := s.Function()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// near compares with a tolerance relative to the largest number: both sides add float32
// numbers in another order.
func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	worst, largest := 0.0, 1e-3
	for i := range want {
		worst = math.Max(worst, math.Abs(float64(got[i]-want[i])))
		largest = math.Max(largest, math.Abs(float64(want[i])))
	}
	if !(worst <= 2e-5*largest) {
		t.Errorf("%s is off by %.3g, the largest number is %.3g", what, worst, largest)
	}
}

// equal compares bit by bit.
func equal(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s[%d] is %v, want %v to the bit", what, i, got[i], want[i])
		}
	}
}
