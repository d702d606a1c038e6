package importer_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// TestAnUpcycledLlamaIsAMixtral makes experts of an imported model's dense layers: equal ones
// give the authors' logits, and transformers has a class for the result.
func TestAnUpcycledLlamaIsAMixtral(t *testing.T) {
	_, dense := imported(t, folder(t, "hf_llama"))
	dir := filepath.Join(t.TempDir(), "moe")
	o := zoo.UpcycleOptions{Upcycling: recipe.Upcycling{Router: recipe.Use{Name: "topk"}, Experts: 4, TopK: 2}}
	if _, err := zoo.Upcycle(context.Background(), dense.Dir, dir, o, plugintest.Host(t)); err != nil {
		t.Fatal(err)
	}
	d := cpu.New(2)
	defer d.Close()
	run, err := zoo.Open(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	checkLogits(t, run, openGolden(t, "hf_llama"))
	e, err := zoo.ExportHuggingFace(context.Background(), dir, filepath.Join(t.TempDir(), "mixtral"), zoo.HuggingFaceOptions{Weights: narrow.Float32})
	if err != nil || e.Class != "MixtralForCausalLM" {
		t.Error(e, err)
	}
}
