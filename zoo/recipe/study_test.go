package recipe

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
)

const smallStudy = `name: small
seeds: [0, 1]
budgets: [{steps: 100}, {flops: 1e12}]
models:
  - mamba-debug
  - {name: moe, recipe: moe-mamba-debug, set: [layers.moe.experts=8], size: {repeat: 1, layers.moe.width: 8}}
match: {to: moe, by: flops, within: 3%}
evaluate_every: 25
contexts: [64, 1024]
`

func TestStudyIsRead(t *testing.T) {
	s, err := ParseStudy("a.yaml", []byte(smallStudy))
	if err != nil {
		t.Fatal(err)
	}
	s.tree = nil
	want := &Study{
		Name: "small", Seeds: []uint64{0, 1}, Budgets: []StudyBudget{{Steps, 100}, {FLOPs, 1e12}},
		Models: []StudyModel{
			{Name: "mamba-debug", Recipe: "mamba-debug"},
			{Name: "moe", Recipe: "moe-mamba-debug", Set: []string{"layers.moe.experts=8"}, Size: []Knob{{"repeat", 1}, {"layers.moe.width", 8}}},
		},
		Match: &StudyMatch{To: "moe", By: ByFLOPs, Within: 0.03}, EvaluateEvery: 25, Contexts: []int64{64, 1024}, dir: ".",
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
}

func TestStudySettingsApplyInOrder(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte("name: mine\nextends: moe-mamba-debug\nd_model: 16\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := ParseStudy(filepath.Join(dir, "a.yaml"), []byte("name: a\nseeds: [0]\nbudgets: [{steps: 1}]\nset: [d_model=24, train.batch=4]\nmodels: [{recipe: mine.yaml, set: [d_model=40]}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Load(0, "train.batch=2")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%s %d %d", r.Name, r.DModel, r.Train.Batch); got != "mine 40 2" {
		t.Error(got)
	}
}

func TestStudyMistakesAreShown(t *testing.T) {
	for _, c := range [][2]string{
		{"name: a\nseeds: [0]\nbudgets: [{steps: 1}]\nmodel: [mamba-debug]\n", `a.yaml:4:1: a study has no key "model"
   4 | model: [mamba-debug]
     | ^~~~~
hint: did you mean "models"?`},
		{"name: a\nseeds: [0]\nmodels: [mamba-debug]\nbudgets: [{step: 1}]\n", `a.yaml:4:12: a budget has no key "step"
   4 | budgets: [{step: 1}]
     |            ^~~~
hint: did you mean "steps"?`},
		{"name: a\nseeds: [0]\nbudgets: [{steps: 1}]\nmodels: [mamba-debug]\nmatch: {to: mamba}\n", `a.yaml:5:13: to: got "mamba", want mamba-debug
   5 | match: {to: mamba}
     |             ^~~~~
hint: known: mamba-debug`},
		{"name: a\nseeds: [0, 0]\nbudgets: [{steps: 1}]\nmodels: [mamba-debug]\n", `a.yaml:2:12: seeds: 0 stands there twice
   2 | seeds: [0, 0]
     |            ^`},
		{"name: a\nbudgets: [{steps: 1}]\nmodels: [mamba-debug]\n", `a.yaml:1:1: a study needs seeds, a list
   1 | name: a
     | ^~~~
hint: seeds: [0]`},
		{"name: a\nseeds: [0]\nbudgets: [{steps: 1, tokens: 5}]\nmodels: [mamba-debug]\n", `a.yaml:3:30: a budget counts one thing: steps or tokens
   3 | budgets: [{steps: 1, tokens: 5}]
     |                              ^`},
		{"name: a\nseeds: [0]\nbudgets: [{steps: 1}]\nmodels: [mamba-debug, mamba-debug]\n", `a.yaml:4:23: two models are called "mamba-debug"
   4 | models: [mamba-debug, mamba-debug]
     |                       ^~~~~~~~~~~
hint: give one of them another name`},
	} {
		_, err := ParseStudy("a.yaml", []byte(c[0]))
		if got := message(err); got != c[1] {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", c[0], got, c[1])
		}
	}
}

func TestStudyPointsAtSettingsAndRecipes(t *testing.T) {
	s, err := ParseStudy("a.yaml", []byte("name: a\nseeds: [0]\nbudgets: [{steps: 1}]\nmodels:\n  - {recipe: mamba-debug, set: [layers.moe.experts=2]}\n  - mamba-debgu\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{`a.yaml:5:33: mamba-debug: nothing in the recipe is called "layers.moe.experts"
   5 |   - {recipe: mamba-debug, set: [layers.moe.experts=2]}
     |                                 ^~~~~~~~~~~~~~~~~~~~
hint: known: mamba`, `a.yaml:6:5: mamba-debgu: there is no recipe of this name
   6 |   - mamba-debgu
     |     ^~~~~~~~~~~
hint: did you mean "mamba-debug"?`} {
		_, err := s.Load(i)
		if got := message(err); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	}
}

func FuzzStudy(f *testing.F) {
	f.Add(smallStudy)
	f.Add("name: a\nmodels: {}\nset: [[a]]\nmatch: []\nseeds: [x]\nbudgets: [1]\nevaluate_every: 0%")
	f.Fuzz(func(t *testing.T, src string) {
		start := time.Now()
		s, err := ParseStudy("a.yaml", []byte(src))
		if d := time.Since(start); d > 20*time.Second {
			t.Fatalf("took %v", d)
		}
		if (s == nil) == (err == nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if err == nil && (len(s.Models) == 0 || len(s.Seeds) == 0 || len(s.Budgets) == 0 || s.EvaluateEvery == 0 && s.Evaluations < 1) {
			t.Fatalf("%+v", s)
		}
	})
}

func TestStudyExtendsAnother(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "base.yaml"), []byte(smallStudy), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := ParseStudy(filepath.Join(dir, "a.yaml"), []byte("extends: base.yaml\nname: large\nseeds: [7]\nmatch: {within: 9%}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "large" || len(s.Models) != 2 || fmt.Sprint(s.Seeds) != "[7]" || s.Match.Within != 0.09 || s.Match.By != ByFLOPs {
		t.Errorf("%+v", s)
	}
	_, err = ParseStudy(filepath.Join(dir, "a.yaml"), []byte("extends: bases.yaml\nname: large\n"))
	if err == nil {
		t.Error("a study extends nothing")
	}
}
