package bench

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/zoo"
)

// Parts are what can be measured of a recipe as it is, in the order of the report.
var Parts = []string{"operators", "block", "step", "prefill", "decode"}

// peakRepeats make half a second: the memory of a machine that others share has moments.
const peakRepeats = 20

// Options say what to measure.
type Options struct {
	Parts   []string // of Parts and Growth; all Parts when empty
	Repeats int
	Prompt  int // tokens of a prefill
	// Change builds the recipe anew with settings changed (KEY=VALUE); what grows needs it.
	Change func(settings ...string) (*zoo.Model, error)
	// Weights are the kinds that prefill and decoding are measured with; fp32 when empty.
	Weights []narrow.Kind
}

// Row is one measurement.
type Row struct {
	Name   string `json:"name"`
	Tokens int    `json:"tokens"`
	Times
	TokensPerS float64 `json:"tokens_per_s"`
	GFLOPS     float64 `json:"gflop_per_s,omitempty"` // of matrix products, in the median time
	GBPS       float64 `json:"gb_per_s,omitempty"`    // of weights read; of an operator, all that goes in and out
	// Nanoseconds are those that one core takes for one element of an operator's result.
	Nanoseconds float64 `json:"core_ns_per_element,omitempty"`
	// Share is the part of the machine's peak of multiply-adds or of reading, whichever
	// bounds the row, that the median time reaches.
	Share  float64 `json:"share_of_peak"`
	Bound  string  `json:"bound"`                       // "multiply-adds", "reading", or "reading, from caches"
	Memory int     `json:"peak_memory_bytes,omitempty"` // the largest resident set while it was measured
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
	// Operators are rows, too: each distinct operator of a training step at its sizes.
	Operators []Row      `json:"operators,omitempty"`
	Curves    []Curve    `json:"curves,omitempty"`
	Profile   []Operator `json:"profile,omitempty"` // of one training step
	// Frames are the milliseconds of one training step by place: "backward;layers.0;mamba;Gemm".
	Frames   map[string]float64 `json:"frames,omitempty"`
	Memory   int                `json:"peak_memory_bytes"`
	Compared []Ratio            `json:"compared,omitempty"` // with an earlier report
}

// Run measures a recipe on the processor. progress is told what is measured next.
func Run(ctx context.Context, m *zoo.Model, d *cpu.Device, o Options, progress func(string)) (*Report, error) {
	if o.Repeats < 1 || o.Prompt < 1 {
		return nil, fmt.Errorf("%d repeats of %d tokens: want at least one of each", o.Repeats, o.Prompt)
	}
	if len(o.Parts) == 0 {
		o.Parts = Parts
	}
	if len(o.Weights) == 0 {
		o.Weights = []narrow.Kind{narrow.Float32}
	}
	r := &Report{Recipe: m.Recipe.Name, Machine: zoo.Machine(), Threads: d.Pool.Threads(), Go: runtime.Version(), Repeats: o.Repeats}
	progress("the machine's peaks")
	r.Peak = kernel.MeasurePeak(d.Pool, max(o.Repeats, peakRepeats), backend.AlignedBytes)
	b := &bench{ctx: ctx, model: m, device: d, Options: o, report: r, progress: progress}
	for _, part := range slices.Concat(Parts, Growth) {
		if !slices.Contains(o.Parts, part) {
			continue
		}
		if part != "operators" { // they are told with the step
			progress(part)
		}
		if err := b.part(part); err != nil {
			return nil, err
		}
	}
	for _, row := range r.Rows {
		r.Memory = max(r.Memory, row.Memory)
	}
	return r, nil
}

type bench struct {
	Options
	ctx      context.Context
	model    *zoo.Model
	device   *cpu.Device
	report   *Report
	progress func(string)
}

func (b *bench) part(name string) error {
	b.forget()
	switch name {
	case "operators":
		if slices.Contains(b.Parts, "step") {
			return nil // measured there, on the same program
		}
		b.progress("operators")
		return b.step(b.model, false)
	case "block":
		return b.block()
	case "step":
		return b.step(b.model, true)
	case "prefill":
		return b.decodingAll(b.Prompt)
	case "decode":
		return b.decodingAll(1)
	}
	return b.growth(name)
}

// forget frees what earlier parts left, so that memory is counted anew.
func (b *bench) forget() {
	debug.FreeOSMemory()
	resetPeakMemory()
}

// weights are the parameters as training would start with them.
func (b *bench) weights(k narrow.Kind) (*zoo.Weights, error) {
	task, err := b.model.Task()
	if err != nil {
		return nil, err
	}
	w, err := zoo.NewWeights(b.model.Net, k, b.device)
	if err != nil {
		return nil, err
	}
	for _, p := range task.Train.Params {
		shape, _ := p.Value.Shape().Ints()
		t := backend.NewTensor(graph.Float32, shape...)
		if err := task.Init(p, t.F32()); err != nil {
			return nil, err
		}
		if err := w.Put(p.Value.Name, t); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// addRow reports a measurement of n tokens that multiplies and reads so much.
func (b *bench) addRow(name string, n int, t Times, operations, read float64) {
	row := b.row(name, t, operations, read)
	row.Tokens, row.TokensPerS, row.Memory = n, float64(n)/t.Median*1e3, peakMemory()
	b.report.Rows = append(b.report.Rows, row)
}

// row is a measurement beside the peaks; the bound is what takes longer at the machine's peak.
func (b *bench) row(name string, t Times, operations, read float64) Row {
	seconds := t.Median / 1e3
	row := Row{Name: name, Times: t, GFLOPS: operations / seconds / 1e9, GBPS: read / seconds / 1e9}
	peak := b.report.Peak
	row.Share, row.Bound = row.GFLOPS/peak.GFLOPS, "multiply-adds"
	if s := row.GBPS / peak.ReadGBPS; s > row.Share {
		row.Share, row.Bound = s, "reading"
	}
	if row.Share > 1.2 { // more than a better moment explains: what is read stays in the caches, which the peak is not measured in
		row.Bound = "reading, from caches"
	}
	return row
}

// tokens fills ids with a fixed mixture.
func tokens(ids []int64, vocabulary int) {
	for i := range ids {
		ids[i] = int64((i*7919 + i*i%127) % min(vocabulary, 251))
	}
}
