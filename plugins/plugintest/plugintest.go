// Package plugintest is for the tests of whoever writes a router or an expert. Nothing here
// starts a process: what a provider's process does is checked by "zoo plugin verify".
package plugintest

import (
	"context"
	"encoding/json"
	"maps"
	"testing"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/plugins/verify"
	"github.com/moezoo/moezoo/plugins/wire"
)

// Verify puts all variants of a provider to the test, as "zoo plugin verify" does. It
// registers the provider with the test's program, and so is called once.
func Verify(t *testing.T, p plugins.Provider) {
	t.Helper()
	plugins.Register(p)
	h := Host(t)
	d, err := p.Describe(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	r, err := h.Verify(context.Background(), d.Provider, verify.Function)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Checks {
		if c.Status == plugins.Failed {
			t.Errorf("%s: %s", c.Name, c.Detail)
		} else {
			t.Logf("%-8s %s: %s", c.Status, c.Name, c.Detail)
		}
	}
}

// Host runs the providers that the test's program has registered, the built-in ones too where
// they are imported, in this process. It is closed when the test ends.
func Host(t testing.TB) *plugins.Host {
	t.Helper()
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// Case asks a variant for a function and runs it.
type Case struct {
	Variant  string
	Options  string // JSON, "" for the defaults
	Dims     plugins.Dims
	Training bool // the form used while training
	// Inputs are "x" [T, d_model] and the parameters and states by name, in rows.
	Inputs map[string][][]float32
}

// Run answers the function's outputs: "expert" and "weight" of a router, "y" of an expert.
func (c Case) Run(t *testing.T, p plugins.Provider) map[string]*backend.Tensor {
	t.Helper()
	d := c.Dims
	dims := map[string]int64{"d_model": d.DModel, "d_out": d.DOut, "experts": d.Experts, "top_k": d.TopK, "width": d.Width, "vocabulary": d.Vocabulary}
	maps.DeleteFunc(dims, func(_ string, n int64) bool { return n == 0 })
	f, err := plugins.FunctionOf(context.Background(), p, &wire.BuildRequest{Variant: c.Variant, Config: json.RawMessage(c.Options), Dims: dims})
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*backend.Tensor{}
	for name, rows := range c.Inputs {
		in[name] = backend.NewTensor(graph.Float32, len(rows), len(rows[0]))
		for i, row := range rows {
			copy(in[name].F32()[i*len(row):], row)
		}
	}
	g := f.Infer
	if c.Training {
		g = f.Train
	}
	for _, v := range g.Inputs { // a vector is one row
		if x := in[v.Name]; x != nil && v.Rank() == 1 {
			x.Shape = x.Shape[1:]
		}
	}
	device := cpu.New(1)
	defer device.Close()
	values, err := eval.New(g, device, eval.Limits{}).Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*backend.Tensor{}
	for i, v := range g.Outputs {
		out[v.Name] = values[i]
	}
	return out
}
