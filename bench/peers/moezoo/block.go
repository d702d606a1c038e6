package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/safetensors"
)

// computeBlock computes a block with the weights in a file; with products in bfloat16 where
// rounded, but for the router's, as training does.
func computeBlock(kind string, d, experts int64, batch, length, threads int, rounded bool, path string) error {
	layers, err := block(kind, d, experts)
	if err != nil {
		return err
	}
	device := cpu.New(threads)
	defer device.Close()
	results := path + ".moezoo"
	var keep func(name string) bool
	if rounded {
		results += ".bf16"
		keep = func(name string) bool { return strings.Contains(name, "/router/") }
	}
	b, err := bench.CompileBlock(layers, device, int64(batch), int64(length), d, keep)
	if err != nil {
		return err
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	tensors, err := b.Bind(func(name string, _ *graph.Param, t *backend.Tensor) error {
		if name == "ids" { // no block here looks at them
			return nil
		}
		return f.ReadInto(name, t.Data)
	})
	if err != nil {
		return err
	}
	if err := b.Program.Run(context.Background(), nil); err != nil {
		return err
	}
	if err := writeResults(results, tensors); err != nil {
		return err
	}
	fmt.Printf("{\"ready\": %q}\n", kernel.Level())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := answer(1, func() error { return b.Program.Run(context.Background(), nil) }); err != nil {
			return err
		}
	}
	return nil
}

// block is two residual layers: a mixer, and experts or a dense feed-forward layer.
func block(kind string, d, experts int64) ([]blocks.Layer, error) {
	n := blocks.Norm{Kind: blocks.RMSNorm, Eps: 1e-5}
	layer := func(name string, b blocks.Block) blocks.Layer {
		return blocks.Layer{Branches: []blocks.Branch{{Name: name, Norm: n, Block: b}}}
	}
	switch kind {
	case "moe-mamba":
		dims := map[string]int64{"d_model": d, "experts": experts, "top_k": 1, "width": 3 * d}
		router, err := function("router", "switch", `{"balance":0}`, dims)
		if err != nil {
			return nil, err
		}
		expert, err := function("expert", "relu", "{}", dims)
		if err != nil {
			return nil, err
		}
		return []blocks.Layer{
			layer("mamba", blocks.Mamba{DModel: d, Inner: 2 * d, DState: 16, DConv: 4, DtRank: (d + 15) / 16, ConvBias: true}),
			layer("moe", blocks.MoE{DModel: d, Experts: experts, Router: router, Expert: expert}),
		}, nil
	case "transformer":
		expert, err := function("expert", "relu", "{}", map[string]int64{"d_model": d, "width": 4 * d})
		if err != nil {
			return nil, err
		}
		return []blocks.Layer{
			layer("attention", blocks.Attention{DModel: d, Heads: d / 64, KVHeads: d / 64, HeadDim: 64}),
			layer("ff", blocks.FeedForward{DModel: d, Expert: expert}),
		}, nil
	}
	return nil, fmt.Errorf("kind %q: want moe-mamba or transformer", kind)
}

// function builds a built-in router or expert in this process.
func function(kind plugins.Kind, name, config string, dims map[string]int64) (*plugins.Function, error) {
	h, err := plugins.NewHost(plugins.Config{InProcess: true, NotBeside: true, Checker: plugins.CheckFunctions})
	if err != nil {
		return nil, err
	}
	defer h.Close()
	b, err := h.Build(context.Background(), plugins.Request{Kind: kind, Name: name, Config: []byte(config), Dims: dims})
	if err != nil {
		return nil, err
	}
	s, err := b.Store()
	if err != nil {
		return nil, err
	}
	return s.Function()
}

// writeResults writes the output and all gradients, for the driver to compare.
func writeResults(path string, tensors map[string]*backend.Tensor) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	var out []safetensors.Tensor
	for name, t := range tensors {
		if name != "y" && !strings.HasPrefix(name, "d/") {
			continue
		}
		s := safetensors.Tensor{Name: name, DType: safetensors.F32, Data: t.Data}
		for _, n := range t.Shape {
			s.Shape = append(s.Shape, int64(n))
		}
		out = append(out, s)
	}
	if err := safetensors.Write(f, out, nil); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
