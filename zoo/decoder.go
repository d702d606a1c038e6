package zoo

import (
	"context"
	"fmt"
	"slices"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/fuse"
	"github.com/moezoo/moezoo/graph/hoist"
	"github.com/moezoo/moezoo/graph/pack"
)

// Decoder runs a model token by token, or chunk by chunk, with its states carried along.
// Time and memory per token do not depend on how long the text is, except for attention
// without a window, whose caches double in capacity when they are full.
type Decoder struct {
	device   backend.Device
	weights  *Weights
	each     *graph.Graph              // a call, fused
	hoisted  map[string]backend.Buffer // what depends on the parameters alone
	vocab    int
	longest  int // tokens that there are positions for; 0 for any number
	batch    int
	length   int // tokens so far
	caches   caches
	states   map[string]backend.Buffer
	programs map[int]*decodeProgram // by tokens per call
}

// decodeProgram is the model compiled for a number of tokens per call.
type decodeProgram struct {
	program         backend.Program
	ids, past, kept *backend.Tensor
	logits          *backend.Tensor
	in, at, held    backend.Buffer
	out             backend.Buffer
	next            []carried
}

// carried is a state whose new value is computed beside the old one.
type carried struct{ from, to backend.Buffer }

// prefillChunks are the numbers of tokens of a prompt that one call may take.
var prefillChunks = []int{512, 64, 8, 1}

// NewDecoder prepares a decoder for batch rows that advance together.
func NewDecoder(m blocks.Model, batch int, d backend.Device, w *Weights) (*Decoder, error) {
	b, err := m.Build(blocks.Options{Mode: blocks.Decode, Last: true})
	if err != nil {
		return nil, err
	}
	b.G.Output(b.Logits)
	b.G.Rename(b.Logits, "logits")
	stored, err := w.Graph(b.G)
	if err != nil {
		return nil, err
	}
	fused, err := fuse.Graph(stored)
	if err != nil {
		return nil, err
	}
	once, each, err := hoist.Split(fused)
	if err != nil {
		return nil, err
	}
	dec := &Decoder{
		device: d, weights: w, each: each, vocab: int(m.Vocabulary), longest: int(m.MaxLearned), batch: batch, caches: newCaches(each),
		states: map[string]backend.Buffer{}, hoisted: map[string]backend.Buffer{}, programs: map[int]*decodeProgram{},
	}
	if err := dec.prepare(once); err != nil {
		return nil, err
	}
	return dec, dec.Reset()
}

// prepare computes, once, what depends on the parameters alone.
func (d *Decoder) prepare(once *graph.Graph) error {
	once.Outputs = slices.DeleteFunc(once.Outputs, func(v *graph.Value) bool { return d.hoisted[v.Name] != nil })
	if len(once.Outputs) == 0 {
		return nil
	}
	plan, err := backend.NewPlan(once, nil, d.device)
	if err != nil {
		return err
	}
	p, err := d.device.Compile(plan, nil)
	if err != nil {
		return err
	}
	defer p.Close()
	if err := d.weights.bind(p, plan); err != nil {
		return err
	}
	for _, v := range plan.Graph.Outputs {
		shape, _ := v.Shape().Ints()
		b, err := d.device.Alloc(v.Type.DType, shape...)
		if err != nil {
			return err
		}
		d.hoisted[v.Name] = b
		if err := p.Bind(v.Name, b); err != nil {
			return err
		}
	}
	return p.Run(context.Background(), nil)
}

// Reset forgets the text so far. Programs and memory are kept.
func (d *Decoder) Reset() error {
	d.length, d.caches.kept = 0, 0
	for _, s := range d.each.States {
		b := d.states[s.Name]
		if b == nil {
			var err error
			if b, err = d.allocState(s.In); err != nil {
				return err
			}
			d.states[s.Name] = b
			continue // new memory is zero
		}
		if err := b.Upload(nil, backend.NewTensor(b.DType(), b.Shape()...)); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) forgetPrograms() error {
	for _, p := range d.programs {
		p.program.Close()
	}
	d.programs = map[int]*decodeProgram{}
	return nil
}

func (d *Decoder) symbols(tokens int) map[string]int64 {
	return map[string]int64{
		blocks.BatchSize: int64(d.batch), blocks.SequenceLen: int64(tokens),
		blocks.CacheCapacity: int64(d.caches.capacity), blocks.WindowCapacity: int64(d.caches.windowed),
	}
}

func (d *Decoder) allocState(v *graph.Value) (backend.Buffer, error) {
	shape, ok := v.Shape().Bind(d.symbols(1)).Ints()
	if !ok {
		return nil, fmt.Errorf("state %v has an unknown size", v)
	}
	return d.device.Alloc(v.Type.DType, shape...)
}

// Length is the number of tokens so far.
func (d *Decoder) Length() int { return d.length }

// Feed takes the next tokens of every row, [batch · n], and answers the logits behind the
// last of them, [batch · V], valid until the next call.
func (d *Decoder) Feed(ctx context.Context, tokens []int64) ([]float32, error) {
	n := len(tokens) / d.batch
	if n == 0 || len(tokens)%d.batch != 0 {
		return nil, fmt.Errorf("%d tokens do not make rows for a batch of %d", len(tokens), d.batch)
	}
	if d.longest > 0 && d.length+n > d.longest {
		return nil, fmt.Errorf("a text of %d tokens: the model has learned positions for %d", d.length+n, d.longest)
	}
	if err := d.grow(d.length + n); err != nil {
		return nil, err
	}
	var last []float32
	for at := 0; at < n; {
		step := chunkOf(n - at)
		if err := d.slide(step); err != nil {
			return nil, err
		}
		p, err := d.program(step)
		if err != nil {
			return nil, err
		}
		for row := range d.batch {
			copy(p.ids.I64()[row*step:(row+1)*step], tokens[row*n+at:])
		}
		if last, err = d.run(ctx, p, step); err != nil {
			return nil, err
		}
		at += step
	}
	return last, nil
}

// chunkOf is the size of the next call when n tokens are left.
func chunkOf(n int) int {
	for _, c := range prefillChunks {
		if c <= n {
			return c
		}
	}
	return 1
}

// run makes one call of a program.
func (d *Decoder) run(ctx context.Context, p *decodeProgram, step int) ([]float32, error) {
	p.past.I64()[0], p.kept.I64()[0] = int64(d.length), int64(d.caches.kept)
	if err := p.in.Upload(nil, p.ids); err != nil {
		return nil, err
	}
	if err := p.at.Upload(nil, p.past); err != nil {
		return nil, err
	}
	if err := p.held.Upload(nil, p.kept); err != nil {
		return nil, err
	}
	if err := p.program.Run(ctx, nil); err != nil {
		return nil, err
	}
	for _, c := range p.next {
		if err := c.to.Copy(nil, c.from); err != nil {
			return nil, err
		}
	}
	d.length, d.caches.kept = d.length+step, d.caches.kept+step
	if err := p.out.Download(nil, p.logits); err != nil {
		return nil, err
	}
	return p.logits.F32(), nil
}

// program compiles the model for step tokens per call, once.
func (d *Decoder) program(step int) (*decodeProgram, error) {
	if p := d.programs[step]; p != nil {
		return p, nil
	}
	g, err := fuse.Bound(d.each, d.symbols(step))
	if err == nil && step == prefillChunks[0] {
		g, err = d.packed(g)
	}
	if err != nil {
		return nil, err
	}
	plan, err := backend.NewPlan(g, nil, d.device)
	if err != nil {
		return nil, err
	}
	p := &decodeProgram{
		ids: backend.NewTensor(graph.Int64, d.batch, step), past: backend.NewTensor(graph.Int64), kept: backend.NewTensor(graph.Int64),
		logits: backend.NewTensor(graph.Float32, d.batch, 1, d.vocab),
	}
	if p.program, err = d.device.Compile(plan, nil); err != nil {
		return nil, err
	}
	if err := d.bind(p, plan); err != nil {
		return nil, err
	}
	d.programs[step] = p
	return p, nil
}

// packed is the graph of a chunk of a long prompt, of which there may be many, with weights
// in panels that are cut once for a model.
func (d *Decoder) packed(g *graph.Graph) (*graph.Graph, error) {
	p, ok := d.device.(backend.Packer)
	if !ok {
		return g, nil
	}
	g, err := pack.Graph(g, p.PanelWidth(), p.Packs)
	if err != nil {
		return nil, err
	}
	once, each, err := hoist.Split(g)
	if err != nil {
		return nil, err
	}
	return each, d.prepare(once)
}

func (d *Decoder) bind(p *decodeProgram, plan *backend.Plan) error {
	var err error
	for name, at := range map[string]struct {
		b    *backend.Buffer
		like *backend.Tensor
	}{"input_ids": {&p.in, p.ids}, "past_length": {&p.at, p.past}, "kept_length": {&p.held, p.kept}, "logits": {&p.out, p.logits}} {
		if *at.b, err = d.device.Alloc(at.like.DType, at.like.Shape...); err != nil {
			return err
		}
		if name == "kept_length" && d.caches.window == 0 {
			continue // no layer asks
		}
		if err := p.program.Bind(name, *at.b); err != nil {
			return err
		}
	}
	if err := d.weights.bind(p.program, plan); err != nil {
		return err
	}
	for _, v := range plan.Graph.Inputs {
		if b := d.hoisted[v.Name]; b != nil {
			if err := p.program.Bind(v.Name, b); err != nil {
				return err
			}
		}
	}
	for _, s := range plan.Graph.States {
		old := d.states[s.Name]
		if err := p.program.Bind(s.In.Name, old); err != nil {
			return err
		}
		to := old
		if !updatedInPlace(plan.Graph, s) {
			if to, err = d.allocState(s.In); err != nil {
				return err
			}
			p.next = append(p.next, carried{from: to, to: old})
		}
		if err := p.program.Bind(s.Out.Name, to); err != nil {
			return err
		}
	}
	return nil
}

// updatedInPlace reports whether a state's new value may take the memory of the old one:
// when the operator that makes it allows that, and nothing else reads the old one.
func updatedInPlace(g *graph.Graph, s graph.State) bool {
	n := s.Out.Node()
	if n == nil {
		return false
	}
	o, err := graph.Lookup(n.Domain, n.Op)
	if err != nil {
		return false
	}
	out := slices.Index(n.Outputs, s.Out)
	if out >= len(o.InPlace) || o.InPlace[out] < 0 || slices.Index(n.Inputs, s.In) != o.InPlace[out] {
		return false
	}
	reads := 0
	for _, n := range g.Nodes {
		n.Reads(func(v *graph.Value) {
			if v == s.In {
				reads++
			}
		})
	}
	return reads == 1
}

// Close frees the decoder's memory; the parameters are not its own.
func (d *Decoder) Close() {
	_ = d.forgetPrograms()
	for _, buffers := range []map[string]backend.Buffer{d.states, d.hoisted} {
		for _, b := range buffers {
			b.Free()
		}
	}
}
