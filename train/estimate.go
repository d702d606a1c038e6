package train

import (
	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// Plan is the plan of one micro-batch: forward pass, backward pass and gradients.
func Plan(t *Task, s Sizes, d backend.Device) (*backend.Plan, error) {
	e := &Engine{device: d, sizes: s, buffers: map[string]backend.Buffer{}, params: trainable(t)}
	g, err := e.gradientGraph(t, false)
	if err != nil {
		return nil, err
	}
	return backend.NewPlan(g, e.symbols(), d)
}

// Estimate is the memory in bytes that an Engine and its Evaluator will take: buffers,
// arenas and temporary memory. Nothing is allocated.
func Estimate(t *Task, o Optimizer, s Sizes, d backend.Device) (int, error) {
	e := &Engine{device: d, sizes: s, buffers: map[string]backend.Buffer{}, params: trainable(t)}
	total := 0
	for _, p := range t.Train.Params {
		n, _ := p.Value.Shape().Elements().Int()
		total += int(n) * 4
		if !p.Frozen {
			total += 3 * int(n) * 4 // gradient and both moments
		}
	}
	g, err := e.gradientGraph(t, false)
	if err != nil {
		return 0, err
	}
	for _, h := range []*graph.Graph{g, t.Eval} {
		plan, err := backend.NewPlan(h, e.symbols(), d)
		if err != nil {
			return 0, err
		}
		total += plan.Bytes()
	}
	return total, nil
}
