package train

import (
	"fmt"
	"sort"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// Memory is what training takes, in bytes.
type Memory struct {
	Parameters int `json:"parameters"`
	Gradients  int `json:"gradients"`
	Moments    int `json:"moments"`
	Arena      int `json:"arena"` // activations, their gradients, and temporary memory
	// Prepared is what depends on weights alone and is computed once for all micro-batches of
	// a step: weights in panels, and rounded ones.
	Prepared int `json:"prepared,omitempty"`
	Process  int `json:"process"` // the program itself, and one tensor on its way to a file

	// Recompute says what the backward pass computes a second time to save memory, "" for
	// nothing.
	Recompute string `json:"recompute,omitempty"`
}

// Total is all of it.
func (m Memory) Total() int {
	return m.Parameters + m.Gradients + m.Moments + m.Arena + m.Prepared + m.Process
}

// TooLarge says that training does not fit, even when everything that can be is computed
// twice.
type TooLarge struct{ Need, Limit int }

// Error says by how much.
func (e *TooLarge) Error() string {
	gigabytes := func(n int) float64 { return float64(n) / (1 << 30) }
	return fmt.Sprintf("training takes %.2f GB even when all layers are computed a second time, %.2f GB more than the limit of %.2f GB",
		gigabytes(e.Need), gigabytes(e.Need-e.Limit), gigabytes(e.Limit))
}

// Plan is the plan of a step's first micro-batch, forward pass, backward pass and gradients, with
// the memory that an [Engine] will take. Nothing is allocated.
func Plan(t *Task, s Sizes, d backend.Device) (*backend.Plan, Memory, error) {
	e := &Engine{device: d, sizes: s, buffers: map[string]backend.Buffer{}, params: trainable(t)}
	p, saved, err := fit(e, t)
	if err != nil {
		return nil, Memory{}, err
	}
	m := standing(t)
	m.Arena, m.Prepared, m.Recompute = p.arena(), p.prepared, saved.String()
	return p.first, m, nil
}

// program is what the program takes besides, measured on Linux: code, texts, plans, garbage.
const program = 64 << 20

// standing is what lives from the first step to the last.
func standing(t *Task) Memory {
	m := Memory{Process: program}
	for _, p := range t.Train.Params {
		n, _ := p.Value.Shape().Elements().Int()
		m.Parameters += 4 * int(n)
		m.Process = max(m.Process, program+4*int(n))
		if !p.Frozen {
			m.Gradients += 4 * int(n)
			m.Moments += 8 * int(n)
		}
	}
	return m
}

// saving says what is computed more often than it must be.
type saving struct {
	anew   bool // what depends on weights alone, in every micro-batch
	cheap  bool // what costs little beside the products, a second time in the backward pass
	layers int  // everything inside the first layers, too
}

// none reports whether the backward pass computes nothing a second time.
func (s saving) none() bool { return !s.cheap && s.layers == 0 }

// String is for people: what the backward pass computes a second time.
func (s saving) String() string {
	switch {
	case s.layers > 0:
		return fmt.Sprintf("the first %d layers, and in others what costs little", s.layers)
	case s.cheap:
		return "what costs little"
	}
	return ""
}

// fit plans the micro-batches with as little recomputation as the limit of memory allows.
// Prepared weights are given up first, then what costs little, then layer after layer from
// the bottom, whose activations would wait longest.
func fit(e *Engine, t *Task) (microPlans, saving, error) {
	limit := e.sizes.Memory
	fixed := standing(t).Total()
	var last microPlans
	try := func(s saving) (bool, error) {
		var err error
		last, err = e.gradientPlans(t, s)
		return err == nil && (limit <= 0 || fixed+last.bytes() <= limit), err
	}
	for _, s := range []saving{{}, {anew: true}, {anew: true, cheap: true}} {
		if ok, err := try(s); ok || err != nil {
			return last, s, err
		}
	}
	var failed error
	n := 1 + sort.Search(len(t.Layers), func(i int) bool { // more layers never take more
		ok, err := try(saving{anew: true, cheap: true, layers: i + 1})
		if err != nil {
			failed = err
		}
		return ok
	})
	if failed != nil {
		return microPlans{}, saving{}, failed
	}
	s := saving{anew: true, cheap: true, layers: min(n, len(t.Layers))}
	if ok, err := try(s); !ok {
		if err == nil {
			err = &TooLarge{Need: fixed + last.bytes(), Limit: limit}
		}
		return microPlans{}, s, err
	}
	return last, s, nil
}

// costly operators are not worth a second time for the memory of their results alone.
var costly = map[string]bool{
	"MatMul": true, "MixedMatMul": true, "Gemm": true, "SplitMatMul": true, "GroupedMatMul": true, "SelectiveScan": true, "GatedDelta": true, "RGLRU": true, "Attention": true, "Conv": true,
	"TopK": true, "Scan": true, "Loop": true,
}

// again answers which nodes of the forward pass, copied by c into g, are computed a second
// time. The values between layers are always kept.
func (s saving) again(t *Task, c *graph.Copier, g *graph.Graph) func(n *graph.Node) bool {
	if s.none() {
		return nil
	}
	kept, layer := map[*graph.Node]bool{}, map[*graph.Node]int{}
	at := map[*graph.Node]int{}
	for i, n := range g.Nodes {
		at[n] = i
	}
	from := 0
	for i, v := range t.Layers {
		end := c.Value(v).Node()
		kept[end] = true
		for _, n := range g.Nodes[from : at[end]+1] {
			layer[n] = i + 1
		}
		from = at[end] + 1
	}
	return func(n *graph.Node) bool {
		if kept[n] {
			return false
		}
		if l := layer[n]; l > 0 && l <= s.layers {
			return true
		}
		return s.cheap && !costly[n.Op]
	}
}
