package recipe

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

const small = "name: a\nd_model: 32\nlayers:\n  - mamba\n"

// expectError parses and pins a part of the message.
func expectError(t *testing.T, src, want string) {
	t.Helper()
	start := time.Now()
	_, err := Parse("a.yaml", []byte(src), nil)
	if err == nil {
		t.Errorf("%.60q: no error, want %q", src, want)
		return
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("%.60q:\ngot  %s\nwant %s", src, err, want)
	}
	var e *Error
	if !errors.As(err, &e) || time.Since(start) > 10*time.Second {
		t.Errorf("%.60q: %T after %v", src, err, time.Since(start))
	}
}

// badRecipes are mistakes with a part of their message. The numbers are those of the list
// of bad inputs that every change is tried with.
var badRecipes = [][2]string{
	{"", "a.yaml: no model key: the recipe is empty"},                   // 1
	{"# nothing\n", "a.yaml: no model key"},                             //
	{"a: &x [1]\nb: [*x, *x]\n", "a.yaml:1:4: anchors are not allowed"}, // 2
	{"a: " + strings.Repeat("[", 20000), "nested deeper than 32"},       // 3
	{strings.Repeat("- ", 20000) + "a", "nested deeper than 32"},        //
	{"name: a\nname: b\n", "a.yaml:2:1"},                                // 4
	{small + "d_modle: 3\n", "a.yaml:5:1: a recipe has no key \"d_modle\"\n   5 | d_modle: 3\n     | ^~~~~~~\nhint: did you mean \"d_model\"?"}, // 5
	{small + "train: {lr: .nan}\n", "a.yaml:5:13: lr: got \".nan\", want a number"},                                                             // 6
	{small + "train: {lr: .inf}\n", "lr: got \".inf\""},                                                                                         //
	{small + "train: {lr: -1}\n", "a.yaml:5:13: lr: got -1, want 0 to 1000"},                                                                    //
	{small + "train: {steps: 010}\n", "steps: got \"010\", want a whole number"},                                                                // 7
	{small + "train: {steps: 1_000}\n", "steps: got \"1_000\""},                                                                                 //
	{small + "train: {steps: 1e3}\n", "steps: got \"1e3\", want a whole number"},                                                                //
	{small + "---\nname: b\n", "a second document starts here"},                                                                                 // 8
	{"name:\ta\n", "a.yaml:1:6: tab character"},                                                                                                 // 9
	{"\xef\xbb\xbfname: a\n", "byte order mark"},                                                                                                //
	{"name: a\x00\n", "control character U+0000"},                                                                                               //
	{"name: caf\xe9\n", "byte 0xe9 is not valid UTF-8"},                                                                                         //
	{small + "train: {batch: 1099511627776, context: 1099511627776}\n", "is too large"},                                                         // 10
	{small + "out: ../../x\n", "a recipe has no key \"out\""},                                                                                   // 11
	{"name: !!binary aGk=\n", "tags are not allowed"},                                                                                           // 12
	{strings.Repeat("#", 1<<20+1), "larger than 1 MiB"},                                                                                         // 13
	{small + "train: {schedule: cosin}\n", "schedule: got \"cosin\", want cosine or wsd or linear or constant"},
	{"name: a\nd_model: 32\nlayers:\n  - mmaba\n", "a.yaml:4:5: there is no block \"mmaba\""},
	{"name: a\nd_model: 30\nlayers:\n  - attention: {heads: 4}\n", "4 heads do not divide d_model 30"},
	{"name: a\nd_model: 32\nlayers:\n  - moe: {experts: 2, top_k: 3, width: 3x}\n", "top_k 3 is more than the 2 experts"},
	{"name: a\nd_model: 32\nlayers:\n  - moe: {experts: 2}\n", "moe needs a width"},
	{"extends: moe-mamba-tinny\nname: a\n", "did you mean \"moe-mamba-tiny\"?"},
}

func TestBadRecipesGiveOneErrorWithItsPlace(t *testing.T) {
	for _, c := range badRecipes {
		expectError(t, c[0], c[1])
	}
}

func TestEveryEmbeddedRecipeResolvesAndSurvivesItsOwnYAML(t *testing.T) {
	for _, arch := range []string{"mamba", "mamba-mlp", "transformer", "transformer-moe", "moe-mamba", "moe-mamba-parallel"} {
		for _, size := range []string{"debug", "tiny", "25m", "100m", "v1"} {
			if _, err := Load(arch + "-" + size); err != nil {
				t.Error(err)
			}
		}
	}
	for _, e := range List() {
		r, err := Load(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		if r.Name != e.Name {
			t.Errorf("%s calls itself %s", e.Name, r.Name)
		}
		again, err := Parse("again.yaml", r.YAML(), nil)
		if err != nil {
			t.Fatalf("%s: %v\n%s", e.Name, err, r.YAML())
		}
		again.tree, r.tree = nil, nil
		if !reflect.DeepEqual(r, again) {
			t.Errorf("%s: reads back as %+v, was %+v", e.Name, again, r)
		}
	}
}

func TestSettings(t *testing.T) {
	get := func(settings ...string) *Recipe {
		t.Helper()
		r, err := Load("moe-mamba-tiny", settings...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := get("layers.moe.router=topk", "train.lr=3e-4"); r.Layers[1].Blocks[0].MoE.Router.Name != "topk" || r.Train.LR != 3e-4 {
		t.Errorf("%+v", r.Layers[1].Blocks[0].MoE)
	}
	if r := get("layers[1].moe.experts=16"); r.Layers[1].Blocks[0].MoE.Experts != 16 {
		t.Errorf("%+v", r.Layers[1].Blocks[0].MoE)
	}
	if r := get("layers.moe.router={use: switch, balance: 0.5}"); string(r.Layers[1].Blocks[0].MoE.Router.Options) != `{"balance":0.5}` {
		t.Errorf("%s", r.Layers[1].Blocks[0].MoE.Router.Options)
	}
	if r := get("layers.moe.router.balance=0.5"); string(r.Layers[1].Blocks[0].MoE.Router.Options) != `{"balance":0.5}` {
		t.Errorf("%s", r.Layers[1].Blocks[0].MoE.Router.Options)
	}
	r, notes, err := LoadWith("moe-mamba-25m", []string{"layers.moe.router=topk"})
	if err != nil || len(notes) != 1 || r.Layers[1].Blocks[0].MoE.Router.Options != nil {
		t.Errorf("%v %v %+v", err, notes, r)
	}
	for setting, want := range map[string]string{
		"layers.moe.rooter=topk":  "moe has no key \"rooter\"",
		"layers.ff.width=3":       "nothing in the recipe is called \"layers.ff.width\"",
		"layers[7].moe.experts=1": "layers has 2 items, there is no [7]",
		"train.lr":                "want KEY=VALUE",
		"train.steps=1e3":         "steps: got \"1e3\"",
		"=3":                      "want KEY=VALUE",
		"train.lr=[":              "--set:1:10: sequence end token",
	} {
		if _, err := Load("moe-mamba-tiny", setting); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", setting, err, want)
		}
	}
}
