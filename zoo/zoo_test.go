package zoo_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/export/ort/orttest"
	_ "github.com/moezoo/moezoo/plugins/builtin"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/check"
	"github.com/moezoo/moezoo/zoo/recipe"
)

func build(t testing.TB, name string, settings ...string) *zoo.Model {
	t.Helper()
	r, err := recipe.Load(name, settings...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := zoo.Build(context.Background(), r, plugintest.Host(t))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// text is the beginning of the embedded novel, short enough for quick tests.
func text(t testing.TB, m *zoo.Model, n int) *data.Set {
	t.Helper()
	set, err := m.Data(context.Background(), []corpus.Document{corpus.FromBytes("novel", corpus.Default()[:n])})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func train(t testing.TB, m *zoo.Model, set *data.Set, dir string, threads int) {
	t.Helper()
	d := cpu.New(threads)
	defer d.Close()
	run, err := m.Train(zoo.TrainOptions{Dir: dir}, set, d)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, err := run.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// The numbers of the paper's table and of its formula: parameters without embedding,
// head, positions and final norm.
func TestCountsAreThePapers(t *testing.T) {
	for _, c := range []struct {
		name          string
		total, active int64
	}{
		{"moe-mamba-25m", 542_228_480, 26_329_088},
		{"moe-mamba-v1", 416_358_400, 26_288_128},
		{"moe-mamba-100m", 2_439_069_696, 117_522_432},
		{"mamba-25m", 27_131_904, 27_131_904},
		{"mamba-100m", 120_717_312, 120_717_312},
	} {
		counts, err := build(t, c.name).Net.Count(256)
		if err != nil {
			t.Fatal(err)
		}
		if counts.PaperTotal != c.total || counts.PaperActive != c.active {
			t.Errorf("%s: %d parameters, %d active; want %d and %d", c.name, counts.PaperTotal, counts.PaperActive, c.total, c.active)
		}
	}
}

// debugRecipes are the smallest sizes of all architectures.
func debugRecipes() []string {
	var names []string
	for _, e := range recipe.List() {
		if strings.HasSuffix(e.Name, "-debug") {
			names = append(names, e.Name)
		}
	}
	return names
}

// TestEveryArchitecture trains each architecture at debug size and then holds its
// properties.
func TestEveryArchitecture(t *testing.T) {
	for _, name := range debugRecipes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := build(t, name, "train.steps=120")
			set := text(t, m, 400_000)
			dir := filepath.Join(t.TempDir(), "run")
			train(t, m, set, dir, 1)
			d := cpu.New(1)
			defer d.Close()
			trained, err := zoo.Open(dir, d)
			if err != nil {
				t.Fatal(err)
			}
			base, err := set.Baselines()
			if err != nil {
				t.Fatal(err)
			}
			if e, err := trained.Evaluate(context.Background(), set); err != nil || e.BitsPerByte >= base.Order0 {
				t.Errorf("%+v after training (%v), order 0 is %v", e, err, base.Order0)
			}
			passes(t, trained, check.Step)
			passes(t, trained, check.Causal)
			exportIsEqual(t, trained)
		})
	}
}

func ids(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64((i*i*31 + i*7) % 256)
	}
	return out
}

// exportIsEqual exports, verifies, and generates the same greedy tokens in ONNX Runtime.
func exportIsEqual(t *testing.T, m *zoo.Trained) {
	t.Helper()
	orttest.Require(t)
	for _, names := range []string{"hf", "genai"} {
		o := zoo.ExportOptions{}
		o.Names = "hf"
		if names == "genai" {
			o.Names = "genai"
		}
		path := filepath.Join(t.TempDir(), "m.onnx")
		r, err := m.Export(context.Background(), path, o)
		if err != nil {
			t.Fatalf("%s: %v %+v", names, err, r)
		}
		s, err := zoo.OpenORT(path)
		if err != nil {
			t.Fatal(err)
		}
		d, err := m.Decoder(1)
		if err != nil {
			t.Fatal(err)
		}
		want := write(t, d)
		if got := write(t, s); got != want {
			t.Errorf("%s: ONNX Runtime writes %q, the zoo %q", names, got, want)
		}
		s.Close()
		d.Close()
	}
}

func write(t *testing.T, s zoo.Stepper) string {
	t.Helper()
	g, err := zoo.Generate(context.Background(), s, tokenizer.Bytes{}, zoo.GenerateOptions{Prompt: []byte("Call me"), MaxTokens: 40}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return g.Text
}

func TestGenerationStopsAndStreams(t *testing.T) {
	m := build(t, "mamba-debug", "train.steps=20")
	dir := filepath.Join(t.TempDir(), "run")
	train(t, m, text(t, m, 50_000), dir, 2)
	d := cpu.New(1)
	defer d.Close()
	trained, err := zoo.Open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	run := func(o zoo.GenerateOptions) (*zoo.Generated, string) {
		s, err := trained.Decoder(1)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var out bytes.Buffer
		o.Prompt = []byte("It was")
		g, err := zoo.Generate(context.Background(), s, tokenizer.Bytes{}, o, &out)
		if err != nil {
			t.Fatal(err)
		}
		return g, out.String()
	}
	a, streamed := run(zoo.GenerateOptions{MaxTokens: 50, Sampling: zoo.Sampling{Temperature: 1, Seed: 5, TopK: 20, TopP: 0.95}})
	b, _ := run(zoo.GenerateOptions{MaxTokens: 50, Sampling: zoo.Sampling{Temperature: 1, Seed: 5, TopK: 20, TopP: 0.95}})
	if a.Text != b.Text || streamed != a.Text || len(a.Tokens) != 50 || a.Finish != "length" {
		t.Errorf("%+v, then %+v, streamed %q", a, b, streamed)
	}
	stop := a.Text[10:12]
	c, streamed := run(zoo.GenerateOptions{MaxTokens: 50, Stop: [][]byte{[]byte(stop)}, Sampling: zoo.Sampling{Temperature: 1, Seed: 5, TopK: 20, TopP: 0.95}})
	if strings.Contains(c.Text, stop) || c.Finish != "stop" || streamed != c.Text {
		t.Errorf("stop %q: %+v, streamed %q", stop, c, streamed)
	}
}

// TestDocumentsMayBeginAnew trains on short documents both ways; the recipe decides.
func TestDocumentsMayBeginAnew(t *testing.T) {
	losses := map[string]float64{}
	for _, how := range []string{"carry", "reset"} {
		m := build(t, "moe-mamba-debug", "train.steps=12", "data.document_boundaries="+how)
		var docs []corpus.Document
		for i := range 400 {
			docs = append(docs, corpus.FromBytes(fmt.Sprint(i), corpus.Default()[i*100:i*100+60+i%37]))
		}
		set, err := m.Data(context.Background(), docs)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "run")
		train(t, m, set, dir, 2)
		d := cpu.New(1)
		defer d.Close()
		trained, err := zoo.Open(dir, d)
		if err != nil {
			t.Fatal(err)
		}
		e, err := trained.Evaluate(context.Background(), set)
		if err != nil || math.IsNaN(e.Nats) {
			t.Fatal(e, err)
		}
		losses[how] = e.Nats
	}
	if losses["carry"] == losses["reset"] {
		t.Errorf("both ways end at the same loss: %v", losses)
	}
}
