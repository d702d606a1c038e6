package importer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// published are models whose config.json, as published, lies in testdata/published: the
// recipe that it must give. Their tensors' shapes are those of the recipe.
var published = map[string]struct{ modelType, recipe string }{
	"falcon-mamba-7b": {"falcon_mamba", "falcon-mamba-7b"},
	"jamba-1.5-mini":  {"jamba", "jamba-v0.1"},
	"mamba-130m-hf": {"mamba", `
vocabulary: {size: 50280}
d_model: 768
norm: rmsnorm
head: {tied: true}
repeat: 24
layers: [mamba: {}]`},
	"mamba-130m": {"state-spaces", `
vocabulary: {size: 50280}
d_model: 768
norm: rmsnorm
head: {tied: true}
repeat: 24
layers: [mamba: {}]`},
	"mamba-codestral-7b": {"mamba2", `
vocabulary: {size: 32768}
d_model: 4096
norm: rmsnorm
repeat: 64
layers: [mamba2: {groups: 8}]`},
	"llama-3.1-8b": {"llama", `
vocabulary: {size: 128256}
d_model: 4096
norm: rmsnorm
repeat: 32
layers: [attention: {heads: 32, kv_heads: 8, rope: {base: 5e5, scaling: {kind: llama3, factor: 8, original: 8192}}}, ff: {expert: swiglu, width: 14336}]`},
	"llama-2-7b": {"llama", `
vocabulary: {size: 32000}
d_model: 4096
norm: rmsnorm
repeat: 32
layers: [attention: {heads: 32}, ff: {expert: swiglu, width: 11008}]`},
}

// TestPublishedConfigurationsAreRead, and say what is known of their models. Nothing is
// allocated.
func TestPublishedConfigurationsAreRead(t *testing.T) {
	for name, p := range published {
		t.Run(name, func(t *testing.T) {
			r, err := recipe.Load(p.recipe)
			if p.recipe[0] == '\n' {
				r, err = recipe.Parse(name, fmt.Appendf(nil, "name: %s%s", name, p.recipe), nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := importer.PaperMap(p.modelType, r, paramsOfRecipe(t, r))
			if err != nil {
				t.Fatal(err)
			}
			raw, err := os.ReadFile(filepath.Join("../testdata/published", name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := importer.ReadAgainst(raw, m)
			if err != nil {
				t.Fatal(err)
			}
			if err := importer.Differs(r, got); err != nil {
				t.Error(err)
			}
		})
	}
}
