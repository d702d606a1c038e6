package importer_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/internal/testroot"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/zoo"
)

// configs are the configurations of published layouts, each with a golden of the same name
// that holds weights and logits.
const configs = "../testdata/import"

// goldenOf maps a configuration to its golden.
func goldenOf(name string) string { return strings.TrimSuffix(name, "_hfformat") }

// folder writes a model's folder as its authors would publish it: a configuration, and the
// weights of a golden.
func folder(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	config, err := os.ReadFile(filepath.Join(configs, name, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o666); err != nil {
		t.Fatal(err)
	}
	f := openGolden(t, goldenOf(name))
	var tensors []safetensors.Tensor
	for _, n := range f.Names() {
		if own, ok := strings.CutPrefix(n, "w."); ok {
			if strings.HasSuffix(name, "_hfformat") {
				own = strings.Replace(own, "backbone.embedding.", "backbone.embeddings.", 1)
			}
			info, _ := f.Info(n)
			raw, err := f.Bytes(n)
			if err != nil {
				t.Fatal(err)
			}
			tensors = append(tensors, safetensors.Tensor{Name: own, DType: info.DType, Shape: info.Shape, Data: raw})
		}
	}
	out, err := os.Create(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := safetensors.Write(out, tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openGolden(t *testing.T, name string) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(filepath.Join("../testdata/golden", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// imported imports a folder and opens the run.
func imported(t *testing.T, dir string) (*zoo.Imported, *zoo.Trained) {
	t.Helper()
	run := filepath.Join(t.TempDir(), "run")
	m, err := zoo.Import(context.Background(), dir, run, plugintest.Host(t))
	if err != nil {
		t.Fatal(err)
	}
	device := cpu.New(2)
	t.Cleanup(func() { device.Close() })
	trained, err := zoo.Open(run, device)
	if err != nil {
		t.Fatal(err)
	}
	return m, trained
}

// checkLogits compares what a run computes with a golden.
func checkLogits(t *testing.T, run *zoo.Trained, f *safetensors.File) {
	t.Helper()
	g := &golden{t: t, file: f}
	shape := g.shapeOf("in.input_ids")
	logits, err := run.Forward(context.Background(), g.ints("in.input_ids"), int(shape[0]), int(shape[1]))
	if err != nil {
		t.Fatal(err)
	}
	g.near("logits", logits, g.floats("out.logits"))
}

func TestImportedModelsGiveTheirAuthorsLogits(t *testing.T) {
	entries, err := os.ReadDir(configs)
	if err != nil || len(entries) == 0 {
		t.Fatal(len(entries), err)
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			_, run := imported(t, folder(t, e.Name()))
			checkLogits(t, run, openGolden(t, goldenOf(e.Name())))
		})
	}
}

// TestPublishedFolders imports the folders that came with the goldens, as they are.
func TestPublishedFolders(t *testing.T) {
	dir := testroot.FromEnv("MOEZOO_GOLDEN")
	if dir == "" {
		t.Skip("MOEZOO_GOLDEN names no folder of goldens with checkpoints")
	}
	folders, err := filepath.Glob(filepath.Join(dir, "*_ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		name := strings.TrimSuffix(filepath.Base(folder), "_ckpt")
		t.Run(name, func(t *testing.T) {
			if name == "hf_gpt2" {
				t.Skip("its files lack the biases c_attn.bias")
			}
			_, run := imported(t, folder)
			f, err := safetensors.Open(filepath.Join(dir, goldenOf(name)+".safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			checkLogits(t, run, f)
		})
	}
}
