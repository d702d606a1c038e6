package blocks

import (
	"fmt"
	"math"
	"slices"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// Model is a causal language model: an embedding, a stack of residual layers, and a head.
type Model struct {
	Name       string
	Vocabulary int64 // V
	DModel     int64 // D
	Layers     []Layer
	FinalNorm  *Norm // nil for none
	TiedHead   bool  // the head is the embedding's transpose
	HeadBias   bool
	// EmbeddingScale and LogitsScale are constant factors, 1 when 0. LogitsCap c bounds the
	// logits as c·tanh(x/c) (arXiv 2408.00118); 0 for no bound.
	EmbeddingScale, LogitsScale, LogitsCap float64
	// Separator, in Whole mode, is the token that ends a document: no state and no attention
	// crosses it. nil lets them.
	Separator  *int64
	MaxLearned int64 // learned absolute positions up to this length; 0 for none
	Balance    Balance
}

// Layer is one residual step: h + Σ branch(norm(h)). One branch is the sequential
// arrangement, several are parallel, each behind a norm of its own.
type Layer struct {
	Branches  []Branch
	Placement NormPlacement // PreNorm when empty
	Scale     float64       // of what is added to h, 1 when 0
	Aside     *Aside        // instead of branches
}

// Aside is a block whose result is added to what the next layer reads, not to the stream.
type Aside struct {
	Name  string
	Block Block
}

// Branch is a block with its norm.
type Branch struct {
	Name  string // "mamba", "moe": the scope of its parameters
	Norm  Norm
	Block Block
}

// NormPlacement says where the norm of a block stands.
type NormPlacement string

// Placements: h + f(norm(h)); norm(h + f(h)), for one branch only; and h + norm′(f(norm(h)))
// with a norm of its own.
const (
	PreNorm      NormPlacement = "pre"
	PostNorm     NormPlacement = "post"
	SandwichNorm NormPlacement = "sandwich"
)

// Built is a model as a graph.
type Built struct {
	G       *graph.Graph
	Logits  Value    // [B, L, V]
	Layers  []Value  // [B, L, D] behind each residual layer
	Loss    Value    // scalar: cross-entropy plus weighted auxiliary losses; nil without targets
	Entropy Value    // scalar: cross-entropy alone, in nats per target
	Losses  []Metric // auxiliary losses, unweighted
	Metrics []Metric // router metrics
	Updates []StateUpdate

	routed []*routed
}

// Options say what to build a model for.
type Options struct {
	Mode    Mode
	Train   bool // training form of routers
	Targets bool // add targets and the loss
	Masked  bool // take an attention mask, for left-padded batches
	Past    bool // take the number of earlier tokens (Decode; Export derives it)
	Last    bool // logits of the last token only, [B, 1, V]
}

// Build makes the model's graph. Inputs: "input_ids" int64 [batch_size, sequence_length];
// with Targets also "targets" of the same shape, −100 where there is none; in Decode mode
// "past_length", an int64 scalar, and, where attention has a window, "kept_length", how many
// earlier tokens its caches hold; when Masked "attention_mask" int64
// [batch_size, past + sequence_length]; with Train, when a router draws random numbers, "rng"
// int64 [2], a key that differs by micro-batch.
func (m Model) Build(o Options) (*Built, error) {
	g := graph.New(m.Name)
	c := &Context{G: g, Mode: o.Mode, Train: o.Train}
	tokens := graph.ShapeOf(BatchSize, SequenceLen)
	c.TokenIDs = g.Input("input_ids", graph.Int64, tokens)
	if o.Train && m.needsRNG() {
		c.RNG = g.Input("rng", graph.Int64, graph.ShapeOf(2))
	}
	m.past(c, o)
	h := m.embed(c)
	c.Embedded = h
	layers := Stack(c, m.Layers, h, m.DModel)
	if err := g.Err(); err != nil {
		return nil, err
	}
	if len(layers) > 0 {
		h = layers[len(layers)-1]
	}
	b := &Built{G: g, Layers: layers}
	if o.Last {
		h = op.Slice(h, 1, -1, math.MaxInt64)
	}
	b.Logits = m.head(c, h)
	if o.Targets {
		m.loss(c, b, g.Input("targets", graph.Int64, tokens))
	}
	b.Metrics, b.Updates, b.routed = c.metrics, c.updates, c.routed
	if err := g.Err(); err != nil {
		return nil, err
	}
	return b, nil
}

// Routed is a block that asks routers.
type Routed interface {
	Routers() []*plugins.Function
}

// Routers are the routers of all blocks.
func (m Model) Routers() []*plugins.Function {
	var out []*plugins.Function
	for _, l := range m.Layers {
		for _, b := range l.Branches {
			if r, ok := b.Block.(Routed); ok {
				out = append(out, r.Routers()...)
			}
		}
	}
	return out
}

func (m Model) needsRNG() bool {
	return slices.ContainsFunc(m.Routers(), func(f *plugins.Function) bool { return f.Capabilities.NeedsRNG })
}

// past adds the inputs that tell where the sequence continues and what is padding.
func (m Model) past(c *Context, o Options) {
	g := c.G
	switch o.Mode {
	case Decode:
		c.Past = g.Input("past_length", graph.Int64, nil)
	case Export:
		total := graph.Symbol(PastLength).Add(graph.Symbol(SequenceLen))
		c.KeyMask = g.Input("attention_mask", graph.Int64, graph.Shape{graph.Symbol(BatchSize), total})
		shape := op.ShapeOf(c.TokenIDs)
		l := op.Slice(shape, 0, 1, 2)
		// The mask's length is past + L, also in models without attention.
		p := op.Sub(op.Slice(op.ShapeOf(c.KeyMask), 0, 1, 2), l)
		c.Past = op.Squeeze(p, 0)
		c.Mask = op.ReshapeTo(op.SliceBy(c.KeyMask, 1, p, op.Add(p, l)), shape)
	default:
		if m.Separator != nil {
			c.First = op.DocumentStarts(c.TokenIDs, *m.Separator)
		}
		if o.Masked {
			c.Mask = g.Input("attention_mask", graph.Int64, graph.ShapeOf(BatchSize, SequenceLen))
			c.KeyMask = c.Mask
		}
	}
}

// embed is the embedding of the tokens [B, L, D].
func (m Model) embed(c *Context) Value {
	defer c.G.Scope("embedding")()
	table := c.G.Param("weight", graph.Init{Scheme: "embedding"}, true, m.Vocabulary, m.DModel)
	h := scaled(op.Gather(table, c.TokenIDs, 0), m.EmbeddingScale)
	if m.MaxLearned > 0 {
		position := c.G.Param("position", graph.Init{Scheme: "embedding"}, true, m.MaxLearned, m.DModel)
		at := op.ReshapeTo(c.positions(), op.ShapeOf(c.TokenIDs))
		h = op.Add(h, op.Gather(position, at, 0))
	}
	return h
}

// Stack is what x [B, L, d] is behind each of the layers.
func Stack(c *Context, layers []Layer, x Value, d int64) []Value {
	var out []Value
	aside := Value(nil)
	for i, layer := range layers {
		c.Layer = i
		if a := layer.Aside; a != nil {
			aside = a.forward(c, i, x)
		} else {
			x, aside = layer.forward(c, i, x, aside, d), nil
		}
		if c.G.Err() != nil {
			break
		}
		out = append(out, x)
	}
	return out
}

func (a *Aside) forward(c *Context, i int, x Value) Value {
	defer c.G.Scope(fmt.Sprintf("layers.%d", i))()
	defer c.G.Scope(a.Name)()
	return a.Block.Forward(c, x)
}

// forward is the layer's step, h [B, L, d] → [B, L, d]. Its blocks read h + aside.
func (l Layer) forward(c *Context, i int, h, aside Value, d int64) Value {
	sum := h
	if aside != nil {
		h = op.Add(h, aside)
	}
	for _, b := range l.Branches {
		done := c.G.Scope(fmt.Sprintf("layers.%d", i))
		y := h
		if l.Placement != PostNorm {
			y = b.Norm.Forward(c, b.normName(l), h, d)
		}
		leave := c.G.Scope(b.Name)
		y = b.Block.Forward(c, y)
		leave()
		if l.Placement == SandwichNorm && c.G.Err() == nil {
			y = b.Norm.Forward(c, "post_"+b.normName(l), y, d)
		}
		if c.G.Err() != nil {
			return sum
		}
		sum = op.Add(sum, scaled(y, l.Scale))
		if l.Placement == PostNorm {
			sum = b.Norm.Forward(c, b.normName(l), sum, d)
		}
		done()
	}
	return sum
}

// scaled is x times a constant, x itself for 0 and 1.
func scaled(x Value, factor float64) Value {
	if factor == 0 || factor == 1 {
		return x
	}
	return op.Scale(x, factor)
}

// normName is "norm", or "norm_<branch>" where several branches stand side by side.
func (b Branch) normName(l Layer) string {
	if len(l.Branches) == 1 {
		return "norm"
	}
	return "norm_" + b.Name
}

// head is the logits [B, L, V].
func (m Model) head(c *Context, h Value) Value {
	if m.FinalNorm != nil {
		h = m.FinalNorm.Forward(c, "final_norm", h, m.DModel)
	}
	defer c.G.Scope("head")()
	var w Value
	if m.TiedHead {
		for _, p := range c.G.Params {
			if p.Value.Name == "embedding/weight" {
				w = op.Transpose(p.Value, 1, 0)
			}
		}
	} else {
		w = c.G.Param("weight", graph.Init{Scheme: "head", Args: map[string]float64{"fan_in": float64(m.DModel)}}, true, m.DModel, m.Vocabulary)
	}
	logits := scaled(op.Linear(h, w, c.biasOf(m.HeadBias, m.Vocabulary)), m.LogitsScale)
	if m.LogitsCap == 0 {
		return logits
	}
	return op.Scale(op.Tanh(op.Scale(logits, 1/m.LogitsCap)), m.LogitsCap)
}

// loss is the mean cross-entropy over positions that have a target, plus the auxiliary
// losses of all layers.
func (m Model) loss(c *Context, b *Built, targets Value) {
	defer c.G.Scope("loss")()
	flat := op.Reshape(targets, -1)
	each := op.CrossEntropy(op.Reshape(b.Logits, -1, m.Vocabulary), flat)
	counted := op.Cast(op.GreaterOrEqual(flat, c.G.Int64(0)), graph.Float32)
	n := op.Max(op.ReduceSum(counted, nil, false), c.G.Float(1))
	b.Entropy = op.Div(op.ReduceSum(each, nil, false), n)
	b.Loss = b.Entropy
	for _, a := range c.auxiliary(m.Balance) {
		b.Losses = append(b.Losses, Metric{Name: a.name, Value: a.value})
		b.Loss = op.Add(b.Loss, op.Scale(a.value, a.weight))
	}
}
