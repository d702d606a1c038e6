package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/zoo"
)

// Parts are what can be measured, in the order of the report.
var Parts = []string{"step", "prefill", "decode"}

// Options say what to measure.
type Options struct {
	Parts   []string // of Parts; all when empty
	Repeats int
	Prompt  int // tokens of a prefill
}

// Row is one measurement.
type Row struct {
	Name   string `json:"name"`
	Tokens int    `json:"tokens"`
	Times
	TokensPerS float64 `json:"tokens_per_s"`
	GFLOPS     float64 `json:"gflop_per_s,omitempty"` // of matrix products, in the median time
	GBPS       float64 `json:"gb_per_s,omitempty"`    // of weights read
	// Share is the part of the machine's peak of multiply-adds or of reading, whichever
	// bounds the row, that the median time reaches.
	Share float64 `json:"share_of_peak"`
	Bound string  `json:"bound"` // "multiply-adds", "reading", or "reading, from caches"
}

// Report is a run of the benchmark.
type Report struct {
	Recipe  string      `json:"recipe"`
	Machine string      `json:"machine"` // architecture and kernel level
	Threads int         `json:"threads"`
	Go      string      `json:"go"`
	Repeats int         `json:"repeats"`
	Peak    kernel.Peak `json:"peak"`
	Rows    []Row       `json:"rows"`
	Profile []Operator  `json:"profile,omitempty"` // of one training step
	// Frames are the milliseconds of one training step by place: "backward;layers.0;mamba;Gemm".
	Frames map[string]float64 `json:"frames,omitempty"`
	Memory int                `json:"peak_memory_bytes"`
}

// Run measures a recipe on the processor. progress is told what is measured next.
func Run(ctx context.Context, m *zoo.Model, d *cpu.Device, o Options, progress func(string)) (*Report, error) {
	if o.Repeats < 1 || o.Prompt < 1 {
		return nil, fmt.Errorf("%d repeats of %d tokens: want at least one of each", o.Repeats, o.Prompt)
	}
	if len(o.Parts) == 0 {
		o.Parts = Parts
	}
	r := &Report{Recipe: m.Recipe.Name, Machine: zoo.Machine(), Threads: d.Pool.Threads(), Go: runtime.Version(), Repeats: o.Repeats}
	progress("the machine's peaks")
	r.Peak = kernel.MeasurePeak(d.Pool, o.Repeats)
	runtime.GC()
	b := &bench{ctx, m, d, o, r}
	for _, part := range Parts {
		if !slices.Contains(o.Parts, part) {
			continue
		}
		progress(part)
		var err error
		switch part {
		case "step":
			err = b.step()
		case "prefill":
			err = b.decoding(o.Prompt)
		case "decode":
			err = b.decoding(1)
		}
		if err != nil {
			return nil, err
		}
	}
	r.Memory = peakMemory()
	return r, nil
}

type bench struct {
	ctx    context.Context
	model  *zoo.Model
	device *cpu.Device
	Options
	report *Report
}

// step measures whole optimiser steps, and then one with a clock at every node.
func (b *bench) step() error {
	sizes, optimizer, _ := zoo.Settings(b.model.Recipe)
	sizes.Accumulate = 1
	task, err := b.model.Task()
	if err != nil {
		return err
	}
	e, err := train.NewEngine(task, optimizer, sizes, b.device)
	if err != nil {
		return err
	}
	defer e.Close()
	if err := e.Initialise(task.Train.Params, task.Init); err != nil {
		return err
	}
	ids, targets := e.Batch()
	tokens(ids, int(b.model.Net.Vocabulary))
	tokens(targets, int(b.model.Net.Vocabulary))
	step := 0
	once := func() error {
		step++
		if err := e.Accumulate(b.ctx, 0, [2]int64{1, int64(step)}); err != nil {
			return err
		}
		_, err := e.Update(b.ctx, step, 1e-4)
		return err
	}
	times, err := repeat(b.Repeats, once)
	if err != nil {
		return err
	}
	p := newProfile()
	e.Observe(p.add)
	if err := once(); err != nil {
		return err
	}
	e.Observe(nil)
	b.report.Profile, b.report.Frames = p.operators(), p.milliseconds()
	b.addRow(fmt.Sprintf("training step, %d × %d tokens", sizes.Batch, sizes.Context), len(ids), times, p.operations, 0)
	return nil
}

// decoding measures feeding n tokens to a model that has seen some.
func (b *bench) decoding(n int) error {
	params, err := b.weights()
	if err != nil {
		return err
	}
	dec, err := zoo.NewDecoder(b.model.Net, 1, b.device, func(name string) backend.Buffer { return params[name] })
	if err != nil {
		return err
	}
	defer dec.Close()
	ids := make([]int64, n)
	tokens(ids, int(b.model.Net.Vocabulary))
	feed := func() error {
		_, err := dec.Feed(b.ctx, ids)
		return err
	}
	repeats := b.Repeats
	if n == 1 {
		repeats *= 20
	}
	times, err := repeat(repeats, feed)
	if err != nil {
		return err
	}
	counts, err := b.model.Net.Count(int64(n))
	if err != nil {
		return err
	}
	name, operations := fmt.Sprintf("prefill, %d tokens", n), float64(counts.FLOPs)*float64(n)
	read := 0.0
	if n == 1 {
		table := float64(b.model.Net.Vocabulary * b.model.Net.DModel) // of the embedding one row is read
		name, read = "decode, 1 token", 4*(float64(counts.Active)-table)
		if b.model.Net.TiedHead {
			read += 4 * table
		}
	}
	b.addRow(name, n, times, operations, read)
	return nil
}

// weights are the parameters as training would start with them.
func (b *bench) weights() (map[string]backend.Buffer, error) {
	task, err := b.model.Task()
	if err != nil {
		return nil, err
	}
	params := map[string]backend.Buffer{}
	for _, p := range task.Train.Params {
		shape, _ := p.Value.Shape().Ints()
		t := backend.NewTensor(graph.Float32, shape...)
		if err := task.Init(p, t.F32()); err != nil {
			return nil, err
		}
		params[p.Value.Name] = cpu.Wrap(t)
	}
	return params, nil
}

// addRow reports a measurement; the bound is what takes longer at the machine's peak.
func (b *bench) addRow(name string, n int, t Times, operations, read float64) {
	seconds := t.Median / 1e3
	row := Row{Name: name, Tokens: n, Times: t, TokensPerS: float64(n) / seconds, GFLOPS: operations / seconds / 1e9, GBPS: read / seconds / 1e9}
	peak := b.report.Peak
	row.Share, row.Bound = row.GFLOPS/peak.GFLOPS, "multiply-adds"
	if s := row.GBPS / peak.ReadGBPS; s > row.Share {
		row.Share, row.Bound = s, "reading"
	}
	if row.Share > 1 { // the weights stay in the caches, which the peak is not measured in
		row.Bound = "reading, from caches"
	}
	b.report.Rows = append(b.report.Rows, row)
}

// tokens fills ids with a fixed mixture.
func tokens(ids []int64, vocabulary int) {
	for i := range ids {
		ids[i] = int64((i*7919 + i*i%127) % min(vocabulary, 251))
	}
}
