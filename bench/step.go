package bench

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

// stepper makes optimiser steps of a recipe with tokens that do not change.
type stepper struct {
	*train.Engine
	sizes train.Sizes
	bench *bench
	count int
}

func (b *bench) newStepper(m *zoo.Model) (*stepper, error) {
	sizes, optimizer, _ := zoo.Settings(m.Recipe)
	sizes.Accumulate = 1
	task, err := m.Task()
	if err != nil {
		return nil, err
	}
	e, err := train.NewEngine(task, optimizer, sizes, b.device)
	if err != nil {
		return nil, err
	}
	if err := e.Initialise(task.Train.Params, task.Init); err != nil {
		e.Close()
		return nil, err
	}
	ids, targets := e.Batch()
	tokens(ids, int(m.Net.Vocabulary))
	tokens(targets, int(m.Net.Vocabulary))
	return &stepper{Engine: e, sizes: sizes, bench: b}, nil
}

func (s *stepper) once() error {
	s.count++
	if err := s.Accumulate(s.bench.ctx, 0, [2]int64{1, int64(s.count)}); err != nil {
		return err
	}
	_, err := s.Update(s.bench.ctx, s.count, 1e-4)
	return err
}

// profile makes one step with a clock at every node.
func (s *stepper) profile() (*profile, error) {
	p := newProfile()
	s.Observe(p.add)
	defer s.Observe(nil)
	return p, s.once()
}

func (s *stepper) tokens() int { return s.sizes.Batch * s.sizes.Context }

// name is what the steps are called in the report.
func (s *stepper) name() string {
	return fmt.Sprintf("training step, %d × %d tokens", s.sizes.Batch, s.sizes.Context)
}

// step measures whole optimiser steps, and then some with a clock at every node.
func (b *bench) step(m *zoo.Model, whole bool) error {
	s, err := b.newStepper(m)
	if err != nil {
		return err
	}
	defer s.Close()
	var times Times
	if whole {
		times, err = repeat(b.Repeats, s.once)
	} else {
		err = s.once()
	}
	if err != nil {
		return err
	}
	p, err := s.profile()
	if err != nil {
		return err
	}
	b.report.Profile, b.report.Frames = p.operators(), p.milliseconds()
	if whole {
		b.addRow(s.name(), s.tokens(), times, p.operations, 0)
	}
	if slices.Contains(b.Parts, "operators") {
		return b.operators(s)
	}
	return nil
}

// sized is an operator at the sizes it has in a step: what it takes in one step, all its
// calls together.
type sized struct {
	calls             int
	operations, bytes float64
	elements          float64 // of the first results
	now               time.Duration
	samples           []float64
}

// operators measures each distinct operator at its sizes, where it stands in the step: with
// the caches as the nodes before leave them.
func (b *bench) operators(s *stepper) error {
	all := map[string]*sized{}
	for i := range b.Repeats {
		s.Observe(func(n *graph.Node, took time.Duration) {
			key := signature(n)
			o := all[key]
			if o == nil {
				o = &sized{}
				all[key] = o
			}
			o.now += took
			if i == 0 {
				o.calls++
				o.operations += operations(n)
				o.bytes += traffic(n)
				o.elements += elements(n.Outputs[0])
			}
		})
		err := s.once()
		s.Observe(nil)
		if err != nil {
			return err
		}
		for _, o := range all {
			o.samples = append(o.samples, milliseconds(o.now))
			o.now = 0
		}
	}
	for name, o := range all {
		slices.Sort(o.samples)
		t := Times{Best: o.samples[0], Median: o.samples[len(o.samples)/2], Worst: o.samples[len(o.samples)-1]}
		if o.calls > 1 {
			name = fmt.Sprintf("%s, %d calls", name, o.calls)
		}
		row := b.row(name, t, o.operations, o.bytes)
		row.Nanoseconds = t.Median * 1e6 * float64(b.report.Threads) / o.elements
		b.report.Operators = append(b.report.Operators, row)
	}
	slices.SortFunc(b.report.Operators, func(x, y Row) int {
		return cmp.Or(-cmp.Compare(x.Median, y.Median), cmp.Compare(x.Name, y.Name))
	})
	return nil
}
