package train

import (
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
)

// Task is what is trained. Both graphs take "input_ids" and "targets", int64
// [batch_size, sequence_length], with −100 where there is no target.
type Task struct {
	// Train is the forward graph in its training form. It may also take "rng", int64 [2].
	Train *graph.Graph
	Loss  *graph.Value // scalar, what is minimised
	// Layers are the values between the layers, in order: what recomputing keeps.
	Layers []*graph.Value
	// Reports are further values worth recording: scalars, or vectors such as the load of
	// each expert.
	Reports []Report
	// Updates are parameters that change once per step without a gradient.
	Updates []Update

	// Eval is the graph in its inference form, with the same parameters. Entropy is its
	// mean cross-entropy in nats per target.
	Eval    *graph.Graph
	Entropy *graph.Value

	// Float32 names parameters that no precision rounds, as those of routers; nil for none.
	Float32 func(name string) bool

	// Init writes the first values of a parameter.
	Init func(p *graph.Param, out []float32) error
}

// Report is a value recorded at every step.
type Report struct {
	Name  string
	Value *graph.Value
}

// Update replaces a frozen parameter once per step by a function of itself and of what
// was accumulated over the step's micro-batches.
type Update struct {
	Param      *graph.Value
	Accumulate *graph.Value
	Function   *graph.Graph // (param, accumulated) → param
}

// Optimizer holds the settings of AdamW and of clipping.
type Optimizer struct {
	op.AdamWSpec
	Clip     float64 // largest global gradient norm, 0 for none
	DecayAll bool    // decay every parameter instead of those marked for it
}
