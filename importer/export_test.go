package importer_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/plugins/plugintest"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// exported writes a run for transformers.
func exported(t *testing.T, run string, o zoo.HuggingFaceOptions) (string, *zoo.HuggingFaceExport) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	e, err := zoo.ExportHuggingFace(context.Background(), run, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return dir, e
}

func TestExportsComeBackBitByBit(t *testing.T) {
	entries, err := os.ReadDir(configs)
	if err != nil || len(entries) == 0 {
		t.Fatal(len(entries), err)
	}
	for i, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			m, run := imported(t, folder(t, e.Name()))
			o := zoo.HuggingFaceOptions{}
			if i%2 == 0 {
				o.Shard = 6000
			}
			dir, written := exported(t, run.Dir, o)
			if sharded := slices.Contains(written.Files, "model.safetensors.index.json"); sharded != (o.Shard > 0) {
				t.Errorf("wrote %v with a limit of %d bytes", written.Files, o.Shard)
			}
			again, back := imported(t, dir)
			if m.Type != "state-spaces" && again.Type != m.Type {
				t.Errorf("a %s became a %s", m.Type, again.Type)
			}
			if got, want := withoutName(t, back.Recipe), withoutName(t, run.Recipe); got != want {
				t.Errorf("the recipe became\n%s\nof\n%s", got, want)
			}
			for _, p := range paramsOf(t, run) {
				if a, b := run.Weight(p), back.Weight(p); a == nil || b == nil || !slices.Equal(a.Data, b.Data) {
					t.Errorf("%s has changed", p)
				}
			}
		})
	}
}

func withoutName(t *testing.T, r *recipe.Recipe) string {
	t.Helper()
	_, rest, ok := strings.Cut(string(r.YAML()), "\n")
	if !ok {
		t.Fatal("an empty recipe")
	}
	return rest
}

func paramsOf(t *testing.T, run *zoo.Trained) []string {
	t.Helper()
	task, err := run.Task()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range task.Eval.Params {
		names = append(names, p.Value.Name)
	}
	return names
}

// TestAnExportKeepsWhatTheRecipeHasNoWordFor compares the configuration with the original's:
// all keys that the class has are there, and say the same.
func TestAnExportKeepsWhatTheRecipeHasNoWordFor(t *testing.T) {
	dir := folder(t, "hf_jamba")
	for name, content := range map[string]string{"generation_config.json": `{"do_sample": true}`, "chat_template.jinja": "{{ x }}", "other.json": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	_, run := imported(t, dir)
	out, written := exported(t, run.Dir, zoo.HuggingFaceOptions{Weights: narrow.BFloat16})
	if want := []string{"model.safetensors", "chat_template.jinja", "generation_config.json", "config.json"}; !slices.Equal(written.Files, want) {
		t.Errorf("wrote %v, want %v", written.Files, want)
	}
	if raw, err := os.ReadFile(filepath.Join(out, "generation_config.json")); err != nil || string(raw) != `{"do_sample": true}` {
		t.Errorf("%s %v", raw, err)
	}
	before, after := configOf(t, dir), configOf(t, out)
	for key, v := range before {
		switch got, there := after[key]; {
		case key == "torch_dtype":
			if got != "bfloat16" {
				t.Errorf("torch_dtype is %v", got)
			}
		case key == "transformers_version", key == "sliding_window":
		case !there || !reflect.DeepEqual(got, v):
			t.Errorf("%s is %v, was %v", key, got, v)
		}
	}
}

func configOf(t *testing.T, dir string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

// TestInterruptedNothingRemains: neither of an import nor of an export.
func TestInterruptedNothingRemains(t *testing.T) {
	dir := folder(t, "hf_llama")
	_, run := imported(t, dir)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	parent := t.TempDir()
	if _, err := zoo.ExportHuggingFace(ctx, run.Dir, filepath.Join(parent, "a", "export"), zoo.HuggingFaceOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("export: got %v", err)
	}
	if _, err := zoo.Import(ctx, dir, filepath.Join(parent, "b", "run"), plugintest.Host(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("import: got %v", err)
	}
	if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
		t.Errorf("%v remain, %v", left, err)
	}
}

// TestARecipeThatNoClassComputesIsRefused says what is missing.
func TestARecipeThatNoClassComputesIsRefused(t *testing.T) {
	for settings, want := range map[string]string{
		"norm=layernorm":                                                      "there is no tensor for the parameter layers.0/norm/bias",
		"norm=rmsnorm final_norm=false":                                       "has the final norm {kind: rmsnorm, eps: 1e-05, bias: false, zero_centred: false} where the recipe has no final norm",
		"norm=rmsnorm norm_placement=sandwich":                                "there is no tensor for the parameter layers.0/post_norm",
		"norm=rmsnorm multiplier.logits=2":                                    "has multipliers {Embedding:1 Residual:1 Logits:1} where the recipe has multipliers {Embedding:1 Residual:1 Logits:2}",
		"norm=rmsnorm head.soft_cap=30":                                       "SoftCap:30",
		"norm=rmsnorm layers=[s4d]":                                           "no class of transformers has a stack of s4d",
		"norm=rmsnorm layers=[mamba,mamba2]":                                  "no class of transformers has a stack of mamba, mamba2",
		"norm=rmsnorm layers.mamba.dt_rank=3 layers.mamba.inner_norm=learned": "inner_norm: learned, norm_eps: 1e-06}",
	} {
		r, err := recipe.Load("mamba-debug", strings.Fields(settings)...)
		if err != nil {
			t.Errorf("%q: %v", settings, err)
			continue
		}
		_, err = importer.Express(r, paramsOfRecipe(t, r), "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", settings, err, want)
		}
	}
}

// TestClassesOfEmbeddedRecipes says which recipes transformers computes, too.
func TestClassesOfEmbeddedRecipes(t *testing.T) {
	for name, class := range map[string]string{
		"mamba-debug": "MambaForCausalLM", "falcon-mamba-debug": "FalconMambaForCausalLM", "mamba2-debug": "Mamba2ForCausalLM",
		"mixtral-debug": "MixtralForCausalLM", "jamba-debug": "JambaForCausalLM", "bamba-debug": "BambaForCausalLM",
		"granite-4-h-debug": "GraniteMoeHybridForCausalLM", "nemotron-h-debug": "NemotronHForCausalLM", "nemotron-3-debug": "NemotronHForCausalLM",
		"bamba-9b": "BambaForCausalLM", "nemotron-h-8b": "NemotronHForCausalLM", "zamba2-1.2b": "Zamba2ForCausalLM", "zamba2-7b": "Zamba2ForCausalLM",
		"zamba2-debug": "Zamba2ForCausalLM", "qwen3-next-debug": "Qwen3NextForCausalLM",
	} {
		r, err := recipe.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		e, err := importer.Express(r, paramsOfRecipe(t, r), "")
		if err != nil || e.Arch.Class != class {
			t.Errorf("%s: got %v %v, want %s", name, e, err, class)
		}
	}
}

// paramsOfRecipe builds a recipe to find its parameters.
func paramsOfRecipe(t *testing.T, r *recipe.Recipe) []importer.Param {
	t.Helper()
	h := plugintest.Host(t)
	m, err := zoo.Build(context.Background(), r, h)
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Net.Build(blocks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var params []importer.Param
	for _, p := range b.G.Params {
		shape, _ := p.Value.Shape().Ints()
		params = append(params, importer.Param{Name: p.Value.Name, Shape: shape})
	}
	return params
}
