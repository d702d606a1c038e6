package report

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/moezoo/moezoo/bench"
	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/train/metrics"
	"github.com/moezoo/moezoo/zoo"
)

// sized says how large a synthetic study is.
type sized struct{ models, seeds, layers, experts, steps int }

// names of the first models; those that come later have the same with other learning rates.
var names = []string{"mamba", "moe-mamba", "transformer", "transformer-moe", "mamba-mlp", "moe-mamba-parallel"}

// synthesise writes a study's folder with the runs of models that learn at different speeds, as
// training would write it. Every second model has routers.
func synthesise(t testing.TB, dir string, n sized) {
	t.Helper()
	m := &Manifest{Title: "synthetic", Doc: "Curves that were made up, to look at a page", Command: "zoo compare study.yaml"}
	for i := range n.models {
		name := names[i%len(names)]
		if i >= len(names) {
			name = fmt.Sprintf("%s-%de-3", name, 1<<(i/len(names)))
		}
		m.Models = append(m.Models, name)
		rng := rand.New(rand.NewPCG(uint64(i), 1))
		decoding := &bench.Decoding{Model: name, Repeats: 31, Host: zoo.Host{Machine: "amd64/avx2", Processor: "A processor", Threads: 2}}
		for c := 64; c <= 64<<10; c *= 4 {
			grows := 0
			if i%3 == 2 {
				grows = c
			}
			decoding.Contexts, decoding.StateBytes = append(decoding.Contexts, c), append(decoding.StateBytes, 4096+512*grows)
			decoding.Median, decoding.Best = append(decoding.Median, 0.3+float64(i)/50+float64(grows)/4e4), append(decoding.Best, 0.2)
		}
		write(t, filepath.Join(dir, "inference", name+".json"), marshal(t, decoding))
		m.Decoding = append(m.Decoding, "inference/"+name+".json")
		for seed := range n.seeds {
			run := filepath.Join("runs", fmt.Sprintf("%s-s%d-0123abcd", name, seed))
			m.Runs = append(m.Runs, run)
			synthesiseRun(t, filepath.Join(dir, run), name, i, uint64(seed), n, rng)
		}
	}
	if err := m.Write(dir); err != nil {
		t.Fatal(err)
	}
}

func synthesiseRun(t testing.TB, dir, name string, model int, seed uint64, n sized, rng *rand.Rand) {
	t.Helper()
	hash := fmt.Sprintf("%064x", model+1)
	r := &zoo.Record{
		Label: name, Recipe: name, RecipeHash: hash, Configured: hash, Seed: seed, Steps: int64(n.steps), StepTokens: 4096, Context: 256, DataHash: fmt.Sprintf("%064x", 77),
		Counts:   blocks.Counts{Total: 998_784, Active: 998_784, PaperTotal: int64(932_864 * (1 + model%2*7)), PaperActive: int64(932_864 + 1000*model), FLOPs: int64(2_065_024 + 9000*model), Hash: hash},
		Resolved: fmt.Sprintf("name: %s\nd_model: 8\nlayers: [mamba]\ntrain: {lr: %v, steps: %d}\n", names[model%len(names)], 1e-3*math.Pow(2, float64(model/len(names))), n.steps),
		Began:    time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), Host: zoo.Host{Machine: "amd64/avx2", Processor: "A processor with a long name @ 2.40GHz", Cores: 2, Threads: 2, Go: "go1.26.0"},
	}
	write(t, filepath.Join(dir, zoo.RecordFile), marshal(t, r))
	speed := (1 + float64(model%7)/4) * math.Exp(0.05*rng.NormFloat64())
	var lines []byte
	for step := 1; step <= n.steps; step++ {
		loss := 1.5 + 4*math.Pow(speed*float64(step)+2, -0.3)
		v := map[string]any{"step": step, "tokens": step * 4096, "seconds": 0.21 * float64(step), "cross_entropy": loss + 0.05*rng.NormFloat64(), "loss": loss}
		if step%max(n.steps/25, 1) == 0 {
			v["held_out_loss"], v["held_out_bits_per_byte"] = loss+0.003*rng.NormFloat64(), loss/math.Ln2
		}
		for layer := range n.layers * (model % 2) {
			load := make([]float64, n.experts)
			for e := range load {
				load[e] = math.Round(4096 / float64(n.experts) * math.Exp(rng.NormFloat64()*20/float64(20+step)))
			}
			scope := fmt.Sprintf("layers.%d/moe/", 2*layer+1)
			v[scope+"load"], v[scope+"entropy"], v[scope+"dropped"] = load, math.Log(float64(n.experts))*(1-0.3*float64(step)/float64(n.steps)), 0.2/float64(step)
		}
		lines = append(append(lines, marshal(t, v)...), '\n')
	}
	write(t, filepath.Join(dir, metrics.File), lines)
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func write(t testing.TB, path string, raw []byte) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = os.WriteFile(path, raw, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}
