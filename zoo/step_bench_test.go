package zoo_test

import (
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph/op"
	engine "github.com/moezoo/moezoo/train"
)

// BenchmarkTrainStep makes whole optimiser steps of 4,096 tokens.
func BenchmarkTrainStep(b *testing.B) {
	for _, c := range []struct {
		name     string
		settings []string
	}{
		{"moe-mamba-tiny", nil},
		{"moe-mamba-tiny", []string{"d_model=256"}},
		{"transformer-tiny", []string{"d_model=256"}},
	} {
		name := c.name
		for _, s := range c.settings {
			name += "/" + s
		}
		b.Run(name, func(b *testing.B) { benchmarkStep(b, c.name, c.settings) })
	}
}

func benchmarkStep(b *testing.B, name string, settings []string) {
	task, err := build(b, name, settings...).Task()
	if err != nil {
		b.Fatal(err)
	}
	d := cpu.New(0)
	defer d.Close()
	adam := engine.Optimizer{AdamWSpec: op.AdamWSpec{Beta1: 0.9, Beta2: 0.95, Eps: 1e-8, Decay: 0.1}, Clip: 1}
	e, err := engine.NewEngine(task, adam, engine.Sizes{Batch: 16, Context: 256, Accumulate: 1}, d)
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close()
	if err := e.Initialise(task.Train.Params, task.Init); err != nil {
		b.Fatal(err)
	}
	ids, targets := e.Batch()
	for i := range ids {
		ids[i], targets[i] = int64(i*7919%251), int64((i+1)*7919%251)
	}
	for step := 1; b.Loop(); step++ {
		if err := e.Accumulate(b.Context(), 0, [2]int64{1, int64(step)}); err != nil {
			b.Fatal(err)
		}
		if _, err := e.Update(b.Context(), step, 1e-3); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(ids)*b.N)/b.Elapsed().Seconds(), "tokens/s")
}
