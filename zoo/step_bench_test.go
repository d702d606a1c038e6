package zoo_test

import (
	"math"
	"testing"
	"time"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/zoo"
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
	d := cpu.New(0)
	defer d.Close()
	benchmarkSteps(b, build(b, name, append(settings, "train.batch=16", "train.context=256")...), d, 0)
}

func benchmarkSteps(b *testing.B, m *zoo.Model, d *cpu.Device, limit int) {
	e := newEngine(b, m, d, limit)
	defer e.Close()
	accumulate := int(m.Recipe.Train.Accumulate)
	b.ReportAllocs()
	least := time.Duration(math.MaxInt64)
	for step := 1; b.Loop(); step++ {
		start := time.Now()
		trainStep(b, e, step, accumulate)
		least = min(least, time.Since(start))
	}
	b.ReportMetric(float64(least.Microseconds())/1e3, "ms/best")
	b.ReportMetric(float64(m.Recipe.Train.Batch*m.Recipe.Train.Context*m.Recipe.Train.Accumulate*int64(b.N))/b.Elapsed().Seconds(), "tokens/s")
}
