package study

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"runtime"
	"strings"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/corpus"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/zoo"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Study is a study whose models have their sizes.
type Study struct {
	*recipe.Study
	File   string
	Models []Model

	host      *plugins.Host
	tokenizer tokenizer.Tokenizer // that the file names, nil for none
}

// Model is one of the models that are compared, before a seed and a budget are set.
type Model struct {
	Name     string
	Settings []string // what matching the sizes has set
	Counts   blocks.Counts
	Off      float64 // how far the matched count is from the one wanted, relative to it
	Recipe   *recipe.Recipe

	index int // in the file
}

// Load reads a study and sizes its models. It asks plugins for functions, and allocates
// nothing.
func Load(ctx context.Context, path string, h *plugins.Host) (*Study, error) {
	r, err := recipe.LoadStudy(path)
	if err != nil {
		return nil, err
	}
	s := &Study{Study: r, File: path, host: h}
	if err := s.readTokenizer(); err != nil {
		return nil, err
	}
	if err := s.size(ctx); err != nil {
		return nil, err
	}
	return s, s.checkShared()
}

// readTokenizer gives all models the vocabulary of the tokenizer that the study names.
func (s *Study) readTokenizer() (err error) {
	if s.Tokenizer == "" {
		return nil
	}
	if s.tokenizer, err = zoo.ReadTokenizer(s.Tokenizer); err != nil {
		return s.ErrorAt("tokenizer", "tokenizer: "+err.Error(), "")
	}
	if s.readsPrepared() {
		return s.ErrorAt("tokenizer", "prepared data has a tokenizer already", "leave one of them out")
	}
	s.Vocabulary, err = zoo.SizedVocabulary(s.tokenizer)
	return err
}

// checkShared refuses models that would not see the same text in the same order.
func (s *Study) checkShared() error {
	first := &s.Models[0]
	for i := range s.Models {
		m := &s.Models[i]
		for _, same := range []struct {
			what string
			of   func(r *recipe.Recipe) string
		}{
			{"train.batch", func(r *recipe.Recipe) string { return fmt.Sprint(r.Train.Batch) }},
			{"train.accumulate", func(r *recipe.Recipe) string { return fmt.Sprint(r.Train.Accumulate) }},
			{"train.context", func(r *recipe.Recipe) string { return fmt.Sprint(r.Train.Context) }},
			{"vocabulary", func(r *recipe.Recipe) string { return string(r.Vocabulary.Kind) }},
			{"data.holdout", func(r *recipe.Recipe) string { return fmt.Sprint(r.Data.Holdout) }},
			{"data.document_boundaries", func(r *recipe.Recipe) string { return string(r.Data.Boundaries) }},
		} {
			if a, b := same.of(first.Recipe), same.of(m.Recipe); a != b {
				return s.ErrorAt(fmt.Sprintf("models[%d]", i), fmt.Sprintf("%s of %s is %s, of %s %s: models that are compared see the same text in the same order",
					same.what, m.Name, b, first.Name, a), "set it for all of them: set: ["+same.what+"="+a+"]")
			}
		}
		if m.Recipe.Vocabulary.Kind == recipe.Sized && s.tokenizer == nil && !s.readsPrepared() {
			return s.ErrorAt(fmt.Sprintf("models[%d]", i), m.Name+" has a vocabulary of a mere size, which reads no text", "set: [vocabulary=bytes], a tokenizer, or data that zoo data prepare made")
		}
	}
	return nil
}

// readsPrepared reports whether the study's text is a folder of prepared data.
func (s *Study) readsPrepared() bool {
	paths := s.Texts(goroot)
	return len(paths) == 1 && data.IsPrepared(paths[0])
}

// source is what the study's models read: texts, the embedded novel without any, or prepared
// data.
type source struct {
	docs      []corpus.Document
	tokenizer tokenizer.Tokenizer // of the docs; nil for the models' own
	prepared  *data.Prepared
}

func (s *Study) source() (*source, error) {
	paths := s.Texts(goroot)
	if len(paths) == 0 {
		paths = []string{corpus.DefaultName}
	}
	prepared, err := zoo.OpenPrepared(paths)
	var docs []corpus.Document
	if err == nil && prepared == nil {
		docs, err = corpus.Read(nil, paths...)
	}
	if missing := new(fs.PathError); errors.As(err, &missing) && errors.Is(err, fs.ErrNotExist) {
		return nil, s.ErrorAt("data", fmt.Sprintf("data: there is no %s, here or beside the study", missing.Path), "a text, a folder of texts, or one that zoo data prepare made")
	}
	if err != nil {
		return nil, s.ErrorAt("data", "data: "+err.Error(), "")
	}
	return &source{docs, s.tokenizer, prepared}, nil
}

// set is what a model reads.
func (t *source) set(ctx context.Context, m *zoo.Model) (*data.Set, error) {
	if t.prepared != nil {
		return m.UsePrepared(t.prepared)
	}
	if t.tokenizer != nil {
		if err := m.UseTokenizer(t.tokenizer); err != nil {
			return nil, fmt.Errorf("the study's tokenizer is not that of %s: %w", m.Recipe.Name, err)
		}
	}
	return m.Data(ctx, t.docs)
}

// Text is what is to be known of the text before any run.
type Text struct {
	Hash    string
	HeldOut int // tokens that are predicted in an evaluation
}

// Text reads the study's texts.
func (s *Study) Text(ctx context.Context) (*Text, error) {
	t, err := s.source()
	if err != nil {
		return nil, err
	}
	set, err := t.set(ctx, &zoo.Model{Recipe: s.Models[0].Recipe}) // the same for all
	if err != nil {
		return nil, err
	}
	return &Text{set.Hash, max(set.Held.Len()-1, 0)}, nil
}

// DataHash is the hash of the study's texts.
func (s *Study) DataHash(ctx context.Context) (string, error) {
	t, err := s.source()
	if err != nil {
		return "", err
	}
	return t.hash(ctx)
}

// hash is that of the texts.
func (t *source) hash(ctx context.Context) (string, error) {
	if t.prepared != nil {
		return t.prepared.Hash, nil
	}
	return data.Hash(ctx, t.docs)
}

// goroot is the folder of the Go installation whose source may be a text.
func goroot() string {
	if out, err := exec.Command("go", "env", "GOROOT").Output(); err == nil {
		return strings.TrimSpace(string(out))
	}
	return runtime.GOROOT() //nolint:staticcheck // where there is no go command, the one that built this program
}

// build is a model of the study with settings of its seed and budget.
func (s *Study) build(ctx context.Context, r *recipe.Recipe) (*zoo.Model, error) {
	m, err := zoo.Build(ctx, r, s.host)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	return m, nil
}
