package importer_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/zoo"
)

// rewrite writes a folder's weights anew, each tensor as change answers it; nil leaves it
// out.
func rewrite(t *testing.T, dir string, change func(x safetensors.Tensor) []safetensors.Tensor) {
	t.Helper()
	path := filepath.Join(dir, "model.safetensors")
	f, err := safetensors.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []safetensors.Tensor
	for _, name := range f.Names() {
		info, _ := f.Info(name)
		raw, err := f.Bytes(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, change(safetensors.Tensor{Name: name, DType: info.DType, Shape: info.Shape, Data: raw})...)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	w, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := safetensors.Write(w, out, nil); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// only applies change to one tensor.
func only(name string, change func(x safetensors.Tensor) []safetensors.Tensor) func(x safetensors.Tensor) []safetensors.Tensor {
	return func(x safetensors.Tensor) []safetensors.Tensor {
		if x.Name == name {
			return change(x)
		}
		return []safetensors.Tensor{x}
	}
}

// TestFoldersThatDoNotFitAreRefused: the message names what does not, and nothing remains of
// the run.
func TestFoldersThatDoNotFitAreRefused(t *testing.T) {
	gone := func(safetensors.Tensor) []safetensors.Tensor { return nil }
	for name, c := range map[string]struct {
		spoil func(dir string)
		want  string
	}{
		"no configuration": {func(d string) { os.Remove(filepath.Join(d, "config.json")) }, "config.json: no such file"},
		"a folder for it": {func(d string) {
			os.Remove(filepath.Join(d, "config.json"))
			os.Mkdir(filepath.Join(d, "config.json"), 0o777)
		}, "config.json: is no regular file"},
		"too large":         {func(d string) { write(t, filepath.Join(d, "config.json"), strings.Repeat(" ", 5<<20)) }, "are over the limit of 4194304"},
		"no weights":        {func(d string) { os.Remove(filepath.Join(d, "model.safetensors")) }, "holds no weights: want one of model.safetensors, model.safetensors.index.json, pytorch_model.bin"},
		"truncated weights": {func(d string) { os.Truncate(filepath.Join(d, "model.safetensors"), 20000) }, "model.safetensors: "},
		"a missing shard": {func(d string) {
			os.Remove(filepath.Join(d, "model.safetensors"))
			write(t, filepath.Join(d, "model.safetensors.index.json"), `{"weight_map": {"lm_head.weight": "model-00001-of-00002.safetensors"}}`)
		}, "model-00001-of-00002.safetensors: no such file"},
		"a missing tensor": {func(d string) { rewrite(t, d, only("model.norm.weight", gone)) }, "tensor model.norm.weight is missing: it would be final_norm/weight, [16]"},
		"a tensor too many": {func(d string) {
			rewrite(t, d, only("model.norm.weight", func(x safetensors.Tensor) []safetensors.Tensor {
				y := x
				y.Name = "model.layers.0.self_attn.q_norm.weight"
				return []safetensors.Tensor{x, y}
			}))
		}, "tensor model.layers.0.self_attn.q_norm.weight belongs to no parameter"},
		"another shape": {func(d string) {
			rewrite(t, d, only("model.layers.1.mlp.up_proj.weight", func(x safetensors.Tensor) []safetensors.Tensor {
				x.Shape = []int64{16, 24}
				return []safetensors.Tensor{x}
			}))
		}, "tensor model.layers.1.mlp.up_proj.weight has the shape [16 24], the configuration asks for [24 16]"},
		"whole numbers for weights": {func(d string) {
			rewrite(t, d, only("model.norm.weight", func(x safetensors.Tensor) []safetensors.Tensor {
				x.DType = safetensors.I32
				return []safetensors.Tensor{x}
			}))
		}, "tensor model.norm.weight is I32: weights must be floats"},
		"weights of another model": {func(d string) {
			rewrite(t, d, func(x safetensors.Tensor) []safetensors.Tensor {
				x.Name = "other." + x.Name
				return []safetensors.Tensor{x}
			})
		}, "num_hidden_layers is 2, but the tensors are those of 0 layers"},
		"a companion that is a folder": {func(d string) { os.Mkdir(filepath.Join(d, "vocab.json"), 0o777) }, "vocab.json: is no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, run := folder(t, "hf_llama"), filepath.Join(t.TempDir(), "run")
			c.spoil(dir)
			_, err := zoo.Import(context.Background(), dir, run, plugintest.Host(t))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if _, err := os.Lstat(run); err == nil {
				t.Error("something remains of the run")
			}
		})
	}
}

// TestHeadsAreTiedAsTheTensorsSay, whatever the configuration does.
func TestHeadsAreTiedAsTheTensorsSay(t *testing.T) {
	head := func(change func(raw []byte)) func(dir string) {
		return func(dir string) {
			rewrite(t, dir, only("backbone.embeddings.weight", func(x safetensors.Tensor) []safetensors.Tensor {
				y := x
				y.Name, y.Data = "lm_head.weight", slices.Clone(x.Data)
				change(y.Data)
				return []safetensors.Tensor{x, y}
			}))
		}
	}
	for name, c := range map[string]struct {
		set  func(dir string)
		tied bool
		note string
	}{
		"none":    {func(string) {}, true, ""},
		"equal":   {head(func([]byte) {}), true, ""},
		"another": {head(func(raw []byte) { raw[3] ^= 1 }), false, "lm_head.weight differs from backbone.embeddings.weight"},
		"none but asked": {func(dir string) {
			replace(t, filepath.Join(dir, "config.json"), `"use_cache"`, `"tie_word_embeddings": false, "use_cache"`)
		}, true, "there is no lm_head.weight: the head is tied"},
	} {
		dir := folder(t, "hf_mamba")
		c.set(dir)
		m, _ := imported(t, dir)
		notes := strings.Join(m.Notes, "\n")
		if m.Recipe.Head.Tied != c.tied || !strings.Contains(notes, c.note) || c.note == "" && strings.Contains(notes, "lm_head") {
			t.Errorf("%s: tied %v with the notes %q, want %v with %q", name, m.Recipe.Head.Tied, notes, c.tied, c.note)
		}
	}
}

func replace(t *testing.T, path, old, with string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), old) {
		t.Fatalf("%s does not contain %s", path, old)
	}
	write(t, path, strings.Replace(string(raw), old, with, 1))
}

// TestOpenNamesWhatItIs: of a configuration without a model type, and equal layers as one.
func TestOpenNamesWhatItIs(t *testing.T) {
	f, err := importer.Open(folder(t, "statespaces_mamba2"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Arch.Type != "state-spaces" || f.Recipe.Name != "statespaces_mamba2" || f.Recipe.Repeat != 2 || len(f.Recipe.Layers) != 1 {
		t.Errorf("%s, %s, %d × %v", f.Arch.Type, f.Recipe.Name, f.Recipe.Repeat, f.Recipe.Layers)
	}
}
