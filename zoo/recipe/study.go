package recipe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Study is a comparison of models as its file describes it. What it stands for (models of
// equal size, runs, reports) is in package study.
type Study struct {
	Name, Doc, Paper string

	Data []string // texts, as zoo train takes them
	// Tokenizer is a tokenizer.json that the texts are read with, "" for the recipes' vocabulary;
	// Vocabulary is the value that every recipe's vocabulary then gets.
	Tokenizer  string
	Vocabulary string

	Models  []StudyModel  // at least one
	Seeds   []uint64      // at least one, none twice
	Budgets []StudyBudget // at least one
	Set     []string      // settings KEY=VALUE of every model
	Match   *StudyMatch   // nil to take the models as they are
	// EvaluateEvery steps the held-out text is measured; Evaluations is how often in a run
	// when the file says a percentage. One of them is 0.
	EvaluateEvery, Evaluations int64
	Contexts                   []int64 // tokens before the one whose decoding is measured; nil for no measurement

	tree *node
	dir  string
}

// StudyModel is one of the models that are compared.
type StudyModel struct {
	Name   string
	Recipe string   // an embedded recipe, or a file beside the study
	Set    []string // settings of its own, applied after the study's
	Size   []Knob   // what may be changed to match sizes, the coarsest first; nil when the file does not say
}

// Knob is a setting of whole numbers with the step that it moves by.
type Knob struct {
	Key  string
	Step int64
}

// BudgetKind is what a budget counts.
type BudgetKind string

// Budgets: optimiser steps, training tokens, floating-point operations of training, and
// seconds of training on the machine that runs the study.
const (
	Steps   BudgetKind = "steps"
	Tokens  BudgetKind = "tokens"
	FLOPs   BudgetKind = "flops"
	Seconds BudgetKind = "seconds"
)

var budgetKinds = []string{string(Steps), string(Tokens), string(FLOPs), string(Seconds)}

// StudyBudget is how long each model trains.
type StudyBudget struct {
	Kind   BudgetKind
	Amount float64
}

// MatchBy is the count that models are made equal in.
type MatchBy string

// Counts: parameters as the MoE-Mamba paper counts them, those that a token meets or all,
// and the operations of a forward pass per token.
const (
	ByActive MatchBy = "active"
	ByTotal  MatchBy = "total"
	ByFLOPs  MatchBy = "flops"
)

// StudyMatch makes the models as large as one of them.
type StudyMatch struct {
	To     string
	By     MatchBy
	Within float64 // the largest relative difference, 0.05
}

// LoadStudy reads the file of a study.
func LoadStudy(path string) (*Study, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &Error{File: path, Message: "cannot be read: " + reason(err)}
	}
	if !info.Mode().IsRegular() || info.Size() > maxBytes {
		return nil, &Error{File: path, Message: "is no regular file of at most 1 MiB"}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, &Error{File: path, Message: "cannot be read: " + reason(err)}
	}
	return ParseStudy(path, raw)
}

// ParseStudy reads a study; files that it names are looked for beside name. What it extends is
// merged key by key, as with recipes.
func ParseStudy(name string, src []byte) (*Study, error) {
	tree, err := parseTree(name, src)
	if err != nil {
		return nil, err
	}
	if tree == nil {
		return nil, &Error{File: name, Message: "the study is empty: it needs a name, models, seeds and budgets"}
	}
	dir := filepath.Dir(name)
	if tree.get("extends") != nil {
		find := func(base string) ([]byte, finder, error) { return open(base, dir) }
		if tree, err = extended(name, src, find, map[string]bool{}); err != nil {
			return nil, err
		}
	}
	r := &reader{}
	s := r.section(tree, tree.at, "a study")
	s.get("extends") // merged before
	out := &Study{tree: tree, dir: dir}
	out.Name = s.text("name", "")
	if out.Name == "" || !recipeName.MatchString(out.Name) {
		at := tree.at
		if n := tree.get("name"); n != nil {
			at = n.at
		}
		r.fail(at, "letters, digits, - _ and ., at most 100", "the study needs a name: a word that files can be called")
	}
	out.Doc, out.Paper = s.text("doc", ""), s.text("paper", "")
	out.Data = s.words("data")
	if out.Tokenizer = s.text("tokenizer", ""); out.Tokenizer != "" {
		out.Tokenizer = out.beside(out.Tokenizer)
	}
	for _, n := range s.items("seeds", "seeds: [0]") {
		seed := uint64(r.integer(n, "seeds", 0))
		for _, known := range out.Seeds {
			if seed == known {
				r.fail(n.at, "", "seeds: %d stands there twice", seed)
			}
		}
		out.Seeds = append(out.Seeds, seed)
	}
	out.Set = s.words("set")
	for _, n := range s.items("models", "models: [mamba-debug]") {
		out.Models = append(out.Models, r.studyModel(n, out.Models))
	}
	for _, n := range s.items("budgets", "budgets: [{steps: 1000}]") {
		out.Budgets = append(out.Budgets, r.studyBudget(n))
	}
	out.Match = r.studyMatch(s.get("match"), out.Models)
	out.EvaluateEvery, out.Evaluations = s.cadence("evaluate_every")
	for _, n := range s.optional("contexts") {
		out.Contexts = append(out.Contexts, r.integer(n, "contexts", 1))
	}
	s.done()
	if r.err != nil {
		return nil, r.err
	}
	return out, nil
}

// Load reads the recipe of model i, with further settings applied between the study's and
// the model's own. A mistake in a setting points into the study.
func (s *Study) Load(i int, settings ...string) (*Recipe, error) {
	m := s.Models[i]
	src, find, err := open(m.Recipe, s.dir)
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Line == 0 {
			return nil, s.ErrorAt(fmt.Sprintf("models[%d].recipe", i), e.File+": "+e.Message, e.Hint)
		}
		return nil, err
	}
	tree, err := extended(m.Recipe, src, find, map[string]bool{})
	if err != nil {
		return nil, err
	}
	apply := func(all []string, path string) error {
		for j, setting := range all {
			_, err := set(tree, setting)
			var e *Error
			if errors.As(err, &e) && path != "" {
				return s.ErrorAt(fmt.Sprintf("%s[%d]", path, j), m.Name+": "+e.Message, e.Hint)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if s.Vocabulary != "" {
		if err := apply([]string{"vocabulary=" + s.Vocabulary}, ""); err != nil {
			return nil, err
		}
	}
	if err := apply(s.Set, "set"); err != nil {
		return nil, err
	}
	if err := apply(m.Set, fmt.Sprintf("models[%d].set", i)); err != nil {
		return nil, err
	}
	if err := apply(settings, ""); err != nil {
		return nil, err
	}
	return resolve(tree)
}

// ErrorAt is an error that points at a path of the study, such as "models[1].size".
func (s *Study) ErrorAt(path, message, hint string) error { return s.tree.errorAt(path, message, hint) }

// Texts are the study's texts as this machine finds them: paths are relative to the study,
// and $NAME is an environment variable, $GOROOT where Go is installed.
func (s *Study) Texts(goroot func() string) []string {
	out := make([]string, len(s.Data))
	for i, d := range s.Data {
		out[i] = s.beside(os.Expand(d, func(name string) string {
			if v := os.Getenv(name); v != "" || name != "GOROOT" {
				return v
			}
			return goroot()
		}))
	}
	return out
}

// beside is a path relative to the study, when there is something.
func (s *Study) beside(path string) string {
	beside := filepath.Join(s.dir, path)
	if _, err := os.Stat(beside); err == nil && !filepath.IsAbs(path) {
		return beside
	}
	return path
}

// items are the elements of a list that must be there.
func (s *section) items(key, example string) []*node {
	n := s.get(key)
	if n == nil || n.kind != listNode || len(n.items) == 0 {
		at := s.at
		if n != nil {
			at = n.at
		}
		missing := s.missing
		s.missing = func() {
			if missing != nil {
				missing()
			}
			s.fail(at, example, "%s needs %s, a list", s.name, key)
		}
		return nil
	}
	return n.items
}

// optional are the elements of a list that may be missing.
func (s *section) optional(key string) []*node {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		return nil
	}
	if n.kind != listNode {
		s.fail(n.at, "", "%s: got %s, want a list", key, n.what())
		return nil
	}
	return n.items
}

// words is a list of texts.
func (s *section) words(key string) []string {
	var out []string
	for _, n := range s.optional(key) {
		if n.kind != scalarNode {
			s.fail(n.at, `quote it: "KEY={…}"`, "%s: got %s, want a text", key, n.what())
			continue
		}
		out = append(out, n.text)
	}
	return out
}

// cadence is a number of steps, or how often in a run: 5% is every twentieth of it.
func (s *section) cadence(key string) (every, times int64) {
	n := s.get(key)
	if n == nil || n.kind == nullNode {
		return 0, 20
	}
	if p, ok := strings.CutSuffix(n.text, "%"); ok && n.kind == scalarNode {
		part := *n
		part.text = p
		return 0, max(int64(100/s.number(&part, key, 0.01, 100)), 1)
	}
	return s.integer(n, key, 1), 0
}

// studyModel reads a recipe's name, or a mapping.
func (r *reader) studyModel(n *node, others []StudyModel) StudyModel {
	if n.kind == scalarNode {
		n = &node{kind: mapNode, at: n.at, entries: []entry{{"recipe", n.at, n}}}
	}
	s := r.section(n, n.at, "a model")
	m := StudyModel{Recipe: s.text("recipe", ""), Set: s.words("set")}
	m.Name = s.text("name", strings.TrimSuffix(filepath.Base(m.Recipe), filepath.Ext(m.Recipe)))
	if size := s.get("size"); size != nil {
		m.Size = []Knob{} // {} lets nothing change
		knobs := r.section(size, size.at, "size")
		for _, e := range size.entries {
			m.Size = append(m.Size, Knob{e.key, knobs.int(e.key, 1, 1)})
		}
	}
	s.done()
	switch {
	case m.Recipe == "":
		r.fail(n.at, "recipe: mamba-debug", "a model needs a recipe")
	case !recipeName.MatchString(m.Name):
		r.fail(n.at, "name: letters, digits, - _ and .", "%s is no name for a model", quoteShort(m.Name))
	}
	for _, o := range others {
		if o.Name == m.Name {
			r.fail(n.at, "give one of them another name", "two models are called %s", quoteShort(m.Name))
		}
	}
	return m
}

func (r *reader) studyBudget(n *node) StudyBudget {
	s := r.section(n, n.at, "a budget")
	var b StudyBudget
	for _, k := range budgetKinds {
		if v := s.get(k); v != nil {
			if b.Kind != "" {
				r.fail(v.at, "", "a budget counts one thing: %s or %s", b.Kind, k)
			}
			b = StudyBudget{BudgetKind(k), r.number(v, k, 1e-3, 1e30)}
		}
	}
	s.done()
	if b.Kind == "" {
		r.fail(n.at, "known: "+strings.Join(budgetKinds, ", "), "a budget needs what it counts, as in {steps: 1000}")
	}
	return b
}

func (r *reader) studyMatch(n *node, models []StudyModel) *StudyMatch {
	if n == nil || n.kind == nullNode {
		return nil
	}
	s := r.section(n, n.at, "match")
	m := &StudyMatch{By: choice(s, "by", ByActive, ByActive, ByTotal, ByFLOPs), Within: 0.05}
	if w := s.get("within"); w != nil {
		part := *w
		part.text = strings.TrimSuffix(w.text, "%")
		m.Within = r.number(&part, "within", 0, 100) / 100
	}
	names := make([]string, len(models))
	for i := range models {
		names[i] = models[i].Name
	}
	m.To = choice(s, "to", "", names...)
	s.done()
	if m.To == "" {
		r.fail(n.at, "to: "+strings.Join(names, ", or "), "match needs the model whose size the others get")
	}
	return m
}
