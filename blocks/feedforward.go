package blocks

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// FeedForward is an expert's function applied to every token: the dense feed-forward
// layer, [B, L, D] → [B, L, D].
type FeedForward struct {
	DModel int64
	Expert *plugins.Function
}

// Forward applies the expert without lifting it.
func (f FeedForward) Forward(c *Context, x Value) Value {
	rows := op.Reshape(x, -1, f.DModel) // [T, D]
	fn := c.form(f.Expert)
	in := []Value{rows}
	for _, p := range f.Expert.Params {
		in = append(in, c.G.Param(p.Name, p.Init, p.Decay, p.Shape...))
	}
	y, err := inlineOutput(c.G, f.Expert, fn, "y", in)
	if err != nil {
		c.G.Fail(err)
		return x
	}
	return op.ReshapeLike(y, x)
}

// form is the function that the present graph uses.
func (c *Context) form(f *plugins.Function) *graph.Graph {
	if c.Train {
		return f.Train
	}
	return f.Infer
}

// inlineOutput inlines a function and picks one output by name.
func inlineOutput(g *graph.Graph, f *plugins.Function, fn *graph.Graph, name string, in []Value) (Value, error) {
	i, ok := f.Output(fn, name)
	if !ok {
		return nil, fmt.Errorf("%s %s/%s has no output %q", f.Kind, f.Provider, f.Variant, name)
	}
	return g.Inline(fn, in...)[i], g.Err()
}
