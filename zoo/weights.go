package zoo

import (
	"fmt"
	"strings"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/narrow"
)

// Weights are a model's parameters on a device, as they are stored there: all in float32,
// or those of matrix products and embeddings in less (see package graph/narrow).
type Weights struct {
	Kind    narrow.Kind
	device  backend.Device
	narrow  narrow.Weights // which are stored as Kind
	buffers map[string]backend.Buffer
	others  func(name string) backend.Buffer // for names that are not in buffers; may be nil
}

// NewWeights makes room for nothing yet: [Weights.Put] brings the parameters one by one, so
// that never more than one of them is in memory in float32.
func NewWeights(net blocks.Model, kind narrow.Kind, d backend.Device) (*Weights, error) {
	w := &Weights{Kind: kind, device: d, narrow: narrow.Weights{}, buffers: map[string]backend.Buffer{}}
	if !kind.Narrow() {
		return w, nil
	}
	b, err := net.Build(blocks.Options{})
	if err != nil {
		return nil, err
	}
	b.G.Output(b.Logits)
	w.narrow = narrow.Find(b.G, keepsFloat32)
	return w, nil
}

// keepsFloat32 names parameters of routers: a choice of experts that flips because of
// rounding is no small error.
func keepsFloat32(name string) bool { return strings.Contains(name, "/router/") }

// WeightsOf are float32 parameters that somebody else owns.
func WeightsOf(buffer func(name string) backend.Buffer) *Weights {
	return &Weights{Kind: narrow.Float32, others: buffer}
}

// Put stores a float32 parameter. The tensor may be changed afterwards.
func (w *Weights) Put(name string, t *backend.Tensor) error {
	axis, ok := w.narrow[name]
	if !ok {
		return w.put(name, t)
	}
	data, scale, err := narrow.Encode(w.Kind, t.F32(), t.Shape, axis)
	if err != nil {
		return fmt.Errorf("parameter %s does not fit %s: %w", name, w.Kind, err)
	}
	if scale != nil {
		if err := w.put(narrow.ScaleName(name), backend.FromGraph(scale)); err != nil {
			return err
		}
	}
	return w.put(name, backend.FromGraph(data))
}

func (w *Weights) put(name string, t *backend.Tensor) error {
	b, err := w.device.Alloc(t.DType, t.Shape...)
	if err != nil {
		return err
	}
	w.buffers[name] = b
	return b.Upload(nil, t)
}

// Buffer is the memory behind a parameter, nil when there is none of that name. The scales
// of int8 weights are parameters, too.
func (w *Weights) Buffer(name string) backend.Buffer {
	b := w.buffers[name]
	if b == nil && w.others != nil {
		return w.others(name)
	}
	return b
}

// Graph is an inference graph of the model that reads the parameters as they are stored.
func (w *Weights) Graph(g *graph.Graph) (*graph.Graph, error) {
	if !w.Kind.Narrow() {
		return g, nil
	}
	return narrow.Graph(g, w.Kind, w.narrow)
}

// Bytes is how much memory a parameter takes, with its scales.
func (w *Weights) Bytes(name string) int {
	n := 0
	for _, name := range []string{name, narrow.ScaleName(name)} {
		if b := w.Buffer(name); b != nil {
			n += backend.Bytes(b)
		}
	}
	return n
}

// Size is how much memory all parameters take.
func (w *Weights) Size() int {
	n := 0
	for _, b := range w.buffers {
		n += backend.Bytes(b)
	}
	return n
}

// bind binds all parameters of a program.
func (w *Weights) bind(p backend.Program, plan *backend.Plan) error {
	for _, q := range plan.Graph.Params {
		b := w.Buffer(q.Value.Name)
		if b == nil {
			return fmt.Errorf("parameter %s has no data", q.Value.Name)
		}
		if err := p.Bind(q.Value.Name, b); err != nil {
			return err
		}
	}
	return nil
}

// tensor is a copy of a parameter's data as it is stored, nil when there is none.
func (w *Weights) tensor(name string) *backend.Tensor {
	b := w.Buffer(name)
	if b == nil {
		return nil
	}
	out := backend.NewTensor(b.DType(), b.Shape()...)
	if b.Download(nil, out) != nil {
		return nil
	}
	return out
}

// with is w with other memory behind one parameter.
func (w *Weights) with(name string, b backend.Buffer) *Weights {
	return &Weights{Kind: w.Kind, device: w.device, narrow: w.narrow, buffers: map[string]backend.Buffer{name: b}, others: w.Buffer}
}
