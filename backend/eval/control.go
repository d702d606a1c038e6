package eval

import (
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/graph"
)

// branch runs one of the bodies of an If.
func (r *run) branch(n *graph.Node, in []*backend.Tensor) error {
	if in[0].DType != graph.Bool || in[0].Elements() != 1 {
		return fmt.Errorf("the condition is %v%v, want one bool", in[0].DType, in[0].Shape)
	}
	body := n.Body("else_branch")
	if in[0].Data[0] != 0 {
		body = n.Body("then_branch")
	}
	out, err := r.graph(body)
	if err != nil {
		return err
	}
	if len(out) < len(n.Outputs) {
		return fmt.Errorf("the branch gives %d values, want %d", len(out), len(n.Outputs))
	}
	for i, v := range n.Outputs {
		r.value[v] = out[i]
	}
	return nil
}

// bind sets the inputs of a body.
func (r *run) bind(body *graph.Graph, in []*backend.Tensor) error {
	if len(body.Inputs) != len(in) {
		return fmt.Errorf("the body takes %d values, got %d", len(body.Inputs), len(in))
	}
	for i, v := range body.Inputs {
		r.value[v] = in[i]
	}
	return nil
}

// loop runs the body of a Loop: trips, condition, states.
func (r *run) loop(n *graph.Node, in []*backend.Tensor) error {
	body := n.Body("body")
	trips, again := int64(-1), true
	var states []*backend.Tensor
	for i, t := range in {
		switch {
		case i == 0 && t != nil:
			trips = t.I64()[0]
		case i == 1 && t != nil:
			again = t.Data[0] != 0
		case i >= 2:
			states = append(states, t)
		}
	}
	stacks := make([]stack, len(n.Outputs)-len(states))
	for turn := int64(0); again && (trips < 0 || turn < trips); turn++ {
		if err := r.turn(); err != nil {
			return err
		}
		count, condition := backend.NewTensor(graph.Int64), backend.NewTensor(graph.Bool)
		count.I64()[0], condition.Data[0] = turn, 1
		if err := r.bind(body, append([]*backend.Tensor{count, condition}, states...)); err != nil {
			return err
		}
		out, err := r.graph(body)
		if err != nil {
			return err
		}
		again = out[0].Data[0] != 0
		states = append([]*backend.Tensor(nil), out[1:1+len(states)]...)
		for i := range stacks {
			if err := stacks[i].push(out[1+len(states)+i]); err != nil {
				return err
			}
		}
	}
	return r.finish(n, states, stacks, nil, nil)
}

// scan runs the body of a Scan over the scanned axes of its inputs.
func (r *run) scan(n *graph.Node, in []*backend.Tensor) error {
	body, scanned := n.Body("body"), int(n.Int("num_scan_inputs", 0))
	if scanned < 1 || scanned > len(in) {
		return fmt.Errorf("num_scan_inputs is %d of %d inputs", scanned, len(in))
	}
	states := in[:len(in)-scanned]
	inputs := in[len(in)-scanned:]
	axes, backwards := n.Ints("scan_input_axes"), n.Ints("scan_input_directions")
	steps := -1
	views := make([]slicer, scanned)
	for i, t := range inputs {
		axis, err := axisOf(t.Shape, at(axes, i))
		if err != nil {
			return err
		}
		views[i] = newSlicer(t, axis)
		if steps >= 0 && steps != t.Shape[axis] {
			return fmt.Errorf("scan inputs of %d and %d positions", steps, t.Shape[axis])
		}
		steps = t.Shape[axis]
	}
	stacks := make([]stack, len(n.Outputs)-len(states))
	for s := range steps {
		if err := r.turn(); err != nil {
			return err
		}
		args := append([]*backend.Tensor(nil), states...)
		for i := range views {
			position := s
			if at(backwards, i) == 1 {
				position = steps - 1 - s
			}
			args = append(args, views[i].slice(position))
		}
		if err := r.bind(body, args); err != nil {
			return err
		}
		out, err := r.graph(body)
		if err != nil {
			return err
		}
		states = append([]*backend.Tensor(nil), out[:len(states)]...)
		for i := range stacks {
			if err := stacks[i].push(out[len(states)+i]); err != nil {
				return err
			}
		}
	}
	return r.finish(n, states, stacks, n.Ints("scan_output_axes"), n.Ints("scan_output_directions"))
}

func at(list []int64, i int) int64 {
	if i < len(list) {
		return list[i]
	}
	return 0
}

func axisOf(shape []int, axis int64) (int, error) {
	if axis < 0 {
		axis += int64(len(shape))
	}
	if axis < 0 || axis >= int64(len(shape)) {
		return 0, fmt.Errorf("axis %d is outside of %v", axis, shape)
	}
	return int(axis), nil
}

// finish sets the outputs of a loop: states, then stacked results.
func (r *run) finish(n *graph.Node, states []*backend.Tensor, stacks []stack, axes, backwards []int64) error {
	for i, v := range n.Outputs {
		if i < len(states) {
			r.value[v] = states[i]
			continue
		}
		s := &stacks[i-len(states)]
		if len(s.parts) == 0 {
			shape, _ := v.Type.Shape.Ints()
			if v.Known() && len(v.Type.Shape) > 0 {
				shape = append([]int{0}, shape[1:]...)
			}
			r.value[v] = backend.NewTensor(max(v.Type.DType, graph.Float32), shape...)
			continue
		}
		axis, err := axisOf(append([]int{1}, s.parts[0].Shape...), at(axes, i-len(states)))
		if err != nil {
			return err
		}
		if r.value[v], err = s.join(r, axis, at(backwards, i-len(states)) == 1); err != nil {
			return err
		}
	}
	return nil
}

// stack collects one result of every turn.
type stack struct{ parts []*backend.Tensor }

func (s *stack) push(t *backend.Tensor) error {
	if len(s.parts) > 0 {
		if first := s.parts[0]; first.DType != t.DType || fmt.Sprint(first.Shape) != fmt.Sprint(t.Shape) {
			return fmt.Errorf("a result changes from %v%v to %v%v between turns", first.DType, first.Shape, t.DType, t.Shape)
		}
	}
	s.parts = append(s.parts, t)
	return nil
}

// join stacks the parts along a new axis.
func (s *stack) join(r *run, axis int, backwards bool) (*backend.Tensor, error) {
	first := s.parts[0]
	shape := append(append(append([]int(nil), first.Shape[:axis]...), len(s.parts)), first.Shape[axis:]...)
	if err := r.fits(shape); err != nil {
		return nil, err
	}
	out := backend.NewTensor(first.DType, shape...)
	v := newSlicer(out, axis)
	for i, p := range s.parts {
		if backwards {
			i = len(s.parts) - 1 - i
		}
		v.put(i, p)
	}
	return out, nil
}

// slicer cuts a tensor along an axis.
type slicer struct {
	t            *backend.Tensor
	outer, block int // slices in front of the axis, bytes of one position behind it
	n            int // positions
	shape        []int
}

func newSlicer(t *backend.Tensor, axis int) slicer {
	s := slicer{t: t, outer: 1, block: t.DType.Size(), n: t.Shape[axis]}
	for i, d := range t.Shape {
		switch {
		case i < axis:
			s.outer *= d
		case i > axis:
			s.block *= d
		}
		if i != axis {
			s.shape = append(s.shape, d)
		}
	}
	return s
}

// slice copies one position.
func (s *slicer) slice(i int) *backend.Tensor {
	out := backend.NewTensor(s.t.DType, s.shape...)
	for o := range s.outer {
		copy(out.Data[o*s.block:(o+1)*s.block], s.t.Data[(o*s.n+i)*s.block:])
	}
	return out
}

// put writes one position.
func (s *slicer) put(i int, part *backend.Tensor) {
	for o := range s.outer {
		copy(s.t.Data[(o*s.n+i)*s.block:(o*s.n+i+1)*s.block], part.Data[o*s.block:])
	}
}
