package recipe

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

const patterned = `name: a
d_model: 32
blocks:
  M: mamba
  "*": {attention: {heads: 4}}
  "-": [ff: {width: 4x}]
  E:
    - parallel: [{moe: {width: 3x}}, {ff: {width: 2x}}]
  MF: [mamba, ff: {width: 3x}]
`

// nemotron3Nano is hybrid_override_pattern of nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B.
const nemotron3Nano = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"

// places are the layers of a recipe that have a block.
func places(r *Recipe, kind string) []int {
	var out []int
	for i, l := range r.Layers {
		if slices.ContainsFunc(l.Blocks, func(b Block) bool { return b.Kind() == kind }) {
			out = append(out, i)
		}
	}
	return out
}

func TestProperty33PublishedPatternsPasteInUnchanged(t *testing.T) {
	r, err := Parse("a.yaml", []byte(patterned+"pattern: "+nemotron3Nano+"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, e := places(r, "mamba"), places(r, "moe"); len(r.Layers) != 52 || len(m) != 23 || len(e) != 23 {
		t.Errorf("%d layers, %d of Mamba, %d of experts", len(r.Layers), len(m), len(e))
	}
	if got, want := places(r, "attention"), []int{5, 12, 19, 26, 33, 42}; !slices.Equal(got, want) {
		t.Errorf("attention at %v, want %v", got, want)
	}
}

func TestProperty33LayersOfEmbeddedPatternsStandWhereThePeersHaveThem(t *testing.T) {
	load := func(name string) *Recipe {
		r, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	// Jamba: attention at 4, 12, 20 and 28 of 32 layers, experts in the odd ones. Each is two here.
	jamba := load("jamba-v0.1")
	var attention, experts []int
	for repeat := range int(jamba.Repeat) {
		for _, i := range places(jamba, "attention") {
			attention = append(attention, (repeat*len(jamba.Layers)+i)/2)
		}
		for _, i := range places(jamba, "moe") {
			experts = append(experts, (repeat*len(jamba.Layers)+i)/2)
		}
	}
	if !slices.Equal(attention, []int{4, 12, 20, 28}) || len(experts) != 16 || slices.ContainsFunc(experts, func(i int) bool { return i%2 == 0 }) {
		t.Errorf("Jamba: attention at %v, experts at %v", attention, experts)
	}
	// Zamba2: shared blocks before these of 54 Mamba-2 layers.
	zamba := load("zamba2-2.7b")
	mamba := places(zamba, "mamba2")
	var hybrid []int
	for _, i := range places(zamba, "shared_transformer") {
		hybrid = append(hybrid, slices.Index(mamba, i+1))
	}
	if want := []int{6, 12, 18, 24, 30, 36, 42, 47, 51}; len(mamba) != 54 || !slices.Equal(hybrid, want) {
		t.Errorf("Zamba2: %d layers, shared blocks at %v, want %v", len(mamba), hybrid, want)
	}
	// Qwen3-Next: attention where (i+1) mod 4 = 0; Granite: at 5, 15, 25, 35; Bamba: at 9, 18, 27.
	for name, want := range map[string][]int{"qwen3-next-80b": {3}, "granite-4-h-small": {5, 15, 25, 35}, "bamba-9b": {9, 18, 27}} {
		var got []int
		for _, i := range places(load(name), "attention") {
			got = append(got, i/2)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: attention at %v, want %v", name, got, want)
		}
	}
}

func TestPatternsSurviveTheirOwnYAML(t *testing.T) {
	for _, pattern := range []string{`"MM*-E"`, "M*-", "[M, M, '*']", `["M"]`, "'M M M'", "[MF, M]", "M-M-M-MM-M-M*-M"} {
		r, err := Parse("a.yaml", []byte(patterned+"pattern: "+pattern+"\nrepeat: 2\n"), nil)
		if err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		checkStable(t, r)
		again, err := Parse("again.yaml", r.YAML(), nil)
		if err != nil {
			t.Fatal(err)
		}
		again.tree, r.tree = nil, nil
		if !reflect.DeepEqual(r, again) {
			t.Errorf("%s: reads back as\n%+v, was\n%+v", pattern, again, r)
		}
	}
}

func TestPatternErrorsPointAtTheLetter(t *testing.T) {
	for src, want := range map[string]string{
		patterned + "pattern: MXM\n":                         "a.yaml:10:11: pattern: there is no block \"X\", only M * - E MF\n  10 | pattern: MXM\n     |           ^",
		patterned + "pattern: \"MXM\"\n":                     "a.yaml:10:12: pattern: there is no block \"X\"",
		patterned + "pattern: [M, X]\n":                      "a.yaml:10:14: pattern: there is no block \"X\"",
		patterned + "pattern: ''\n":                          "want letters of blocks",
		patterned + "pattern: {M: 1}\n":                      "pattern: got a mapping",
		patterned + "pattern: " + strings.Repeat("M", 10001): "10001 blocks are more than the 10000 layers supported",
		patterned + "layers: [mamba]\npattern: M\n":          "either layers or a pattern",
		patterned:                            "the blocks have no pattern",
		"name: a\nd_model: 32\npattern: M\n": "a pattern needs blocks",
		"name: a\nd_model: 32\nblocks: {M: []}\npattern: M\n":    "blocks.M: got a list, want a list",
		"name: a\nd_model: 32\nblocks: {M: mmaba}\npattern: M\n": "a.yaml:3:13: there is no block \"mmaba\"",
		"name: a\nd_model: 32\nblocks: {a.b: mamba}\npattern: M": "is no letter and no word",
	} {
		expectError(t, src, want)
	}
}

func TestSettingsReachTheBlocksOfAPattern(t *testing.T) {
	dir := folder(t, map[string]string{"a.yaml": patterned + "pattern: MEM*\n", "b.yaml": "name: b\nextends: a.yaml\nlayers: [mamba]\n", "c.yaml": "name: c\nextends: b.yaml\nblocks: {M: mamba}\npattern: MM\n"})
	r, err := Load(dir+"/a.yaml", "layers.attention.window=8", "layers.moe.experts=16", "blocks.M.mamba.d_state=4", "pattern=MM*E")
	if err != nil {
		t.Fatal(err)
	}
	if r.Layers[2].Blocks[0].Attention.Window != 8 || r.Layers[3].Blocks[0].MoE.Experts != 16 || r.Layers[1].Blocks[0].Mamba.DState != 4 {
		t.Errorf("%s", r.YAML())
	}
	if _, err := Load(dir+"/a.yaml", "layers.mamab.d_state=4"); err == nil || !strings.Contains(err.Error(), `did you mean "mamba"?`) {
		t.Error(err)
	}
	if r, err := Load(dir + "/b.yaml"); err != nil || len(r.Layers) != 1 || r.Pattern != nil {
		t.Errorf("layers over an inherited pattern: %v", err)
	}
	if r, err := Load(dir + "/c.yaml"); err != nil || len(r.Layers) != 2 {
		t.Errorf("a pattern over inherited layers: %v", err)
	}
	if err := r.ErrorAt("blocks.*.attention.heads", "too many", ""); !strings.Contains(err.Error(), "a.yaml:5:28: too many") {
		t.Error(err)
	}
}
