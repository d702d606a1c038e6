// Command moezoo is the zoo's side of the comparison with other programs: it computes one
// block, forward and backward, with weights that the driver wrote, or feeds tokens to a
// run, and does so again for every line on standard input, answering the milliseconds.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/autodiff"
	"github.com/moezoo/moezoo/graph/fuse"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/safetensors"
)

func main() {
	kind := flag.String("kind", "moe-mamba", "moe-mamba or transformer")
	d := flag.Int64("d", 256, "width")
	experts := flag.Int64("experts", 8, "experts of the Mixture-of-Experts layer")
	batch := flag.Int("batch", 8, "rows")
	length := flag.Int("length", 256, "tokens of a row")
	threads := flag.Int("threads", 2, "threads")
	file := flag.String("weights", "", "safetensors file with x and every parameter; y and dx are written beside it")
	trained := flag.String("run", "", "a run to generate with, instead of a block")
	tokens := flag.Int("tokens", 512, "tokens fed at once with -run: 1 measures decoding")
	flag.Parse()
	if *trained != "" {
		if err := generate(*trained, *tokens, *threads, *file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if err := run(*kind, *d, *experts, *batch, *length, *threads, *file); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(kind string, d, experts int64, batch, length, threads int, path string) error {
	layers, err := block(kind, d, experts)
	if err != nil {
		return err
	}
	device := cpu.New(threads)
	defer device.Close()
	program, tensors, err := compile(layers, device, batch, length, d, path)
	if err != nil {
		return err
	}
	if err := program.Run(context.Background(), nil); err != nil {
		return err
	}
	if err := answer(path+".out", tensors); err != nil {
		return err
	}
	fmt.Printf("{\"ready\": %q}\n", kernel.Level())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		start, used := time.Now(), processorTime()
		if err := program.Run(context.Background(), nil); err != nil {
			return err
		}
		wall, cpu := time.Since(start), processorTime()-used
		if err := json.NewEncoder(os.Stdout).Encode(map[string]float64{"wall_ms": wall.Seconds() * 1e3, "cpu_ms": cpu.Seconds() * 1e3}); err != nil {
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

// compile makes a program of the block's output and the gradients of its sum with respect
// to the input and every parameter. It answers what it is bound to, by name.
func compile(layers []blocks.Layer, d *cpu.Device, batch, length int, width int64, path string) (backend.Program, map[string]*backend.Tensor, error) {
	forward := graph.New("block")
	c := &blocks.Context{G: forward, Train: true}
	c.TokenIDs = forward.Input("ids", graph.Int64, graph.Dims(int64(batch), int64(length)))
	x := forward.Input("x", graph.Float32, graph.Dims(int64(batch), int64(length), width))
	stack := blocks.Stack(c, layers, x, width)
	if err := forward.Err(); err != nil {
		return nil, nil, err
	}
	y := stack[len(stack)-1]
	forward.Rename(y, "y")
	forward.Output(y)
	g, err := fuse.Graph(forward)
	if err != nil {
		return nil, nil, err
	}
	y, wrt := g.Outputs[0], []*graph.Value{g.Inputs[1]}
	for _, p := range g.Params {
		wrt = append(wrt, p.Value)
	}
	grads, err := autodiff.Gradients(g, []*graph.Value{y}, []*graph.Value{op.Expand(g.Float(1), op.ShapeOf(y))}, wrt)
	if err != nil {
		return nil, nil, err
	}
	for i, v := range grads {
		g.Rename(v, "d/"+wrt[i].Name)
		g.Output(v)
	}
	plan, err := backend.NewPlan(g, nil, d)
	if err != nil {
		return nil, nil, err
	}
	p, err := d.Compile(plan, nil)
	if err != nil {
		return nil, nil, err
	}
	tensors, err := bind(plan, p, path)
	return p, tensors, err
}

// bind reads what goes in from the file, and makes room for what comes out.
func bind(plan *backend.Plan, p backend.Program, path string) (map[string]*backend.Tensor, error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	all := append([]*graph.Value(nil), plan.Graph.Inputs...)
	for _, q := range plan.Graph.Params {
		all = append(all, q.Value)
	}
	inputs := len(all)
	tensors := map[string]*backend.Tensor{}
	for i, v := range append(all, plan.Graph.Outputs...) {
		shape, _ := v.Shape().Ints()
		t := backend.NewTensor(v.Type.DType, shape...)
		if i < inputs && v.Name != "ids" {
			if err := f.ReadInto(v.Name, t.Data); err != nil {
				return nil, err
			}
		}
		tensors[v.Name] = t
		if err := p.Bind(v.Name, cpu.Wrap(t)); err != nil {
			return nil, err
		}
	}
	return tensors, nil
}

// answer writes the output and the gradient of the input, for the driver to compare.
func answer(path string, tensors map[string]*backend.Tensor) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	var out []safetensors.Tensor
	for _, name := range []string{"y", "d/x"} {
		t := tensors[name]
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

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
