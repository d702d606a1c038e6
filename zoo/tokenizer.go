package zoo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Tokenizer is the tokenizer of the recipe's vocabulary, or the tokenizer.json that an
// imported model brought along.
func (m *Model) Tokenizer() (tokenizer.Tokenizer, error) {
	switch m.Recipe.Vocabulary.Kind {
	case recipe.Bytes:
		return tokenizer.Bytes{}, nil
	case recipe.GPT2:
		return tokenizer.GPT2()
	}
	raw, ok := m.Files["tokenizer.json"]
	if !ok {
		return nil, m.Recipe.ErrorAt("vocabulary", "a vocabulary of a mere size has no tokenizer: it cannot read text", "use bytes or gpt2")
	}
	return huggingFace(raw, m.Files["tokenizer_config.json"], m.Recipe.Vocabulary.Size)
}

// Tokenizer is the tokenizer of the vocabulary that the file's metadata names; for one of a
// mere size, the tokenizer.json in the file's folder or, as transformers.js wants it, in the
// one above.
func (s *ORTStepper) Tokenizer() (tokenizer.Tokenizer, error) {
	switch recipe.VocabularyKind(s.session.Metadata()["zoo.vocab"]) {
	case recipe.GPT2:
		return tokenizer.GPT2()
	case recipe.Sized:
	default:
		return tokenizer.Bytes{}, nil
	}
	dir := filepath.Dir(s.file)
	for _, dir := range []string{dir, filepath.Join(dir, "..")} {
		raw, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		config, err := os.ReadFile(filepath.Join(dir, "tokenizer_config.json"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return huggingFace(raw, config, s.vocabulary())
	}
	return nil, fmt.Errorf("%s: a vocabulary of a mere size has no tokenizer: its tokenizer.json must lie beside the file", s.file)
}

// vocabulary is the number of ids that the file gives logits for, 0 when it does not say.
func (s *ORTStepper) vocabulary() int64 {
	for _, o := range s.session.Outputs() {
		if n := len(o.Dims); o.Name == "logits" && n > 0 {
			return max(0, o.Dims[n-1])
		}
	}
	return 0
}

// huggingFace reads a tokenizer.json for a model with so many ids, 0 if that is not known.
func huggingFace(raw, config []byte, size int64) (tokenizer.Tokenizer, error) {
	end, err := endToken(config)
	if err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	p, err := tokenizer.ParseHuggingFace(raw, end)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		err = p.Pad(int(size))
	}
	return p, err
}

// endToken is the eos_token of a tokenizer_config.json, a string or an object with a content;
// empty when there is none.
func endToken(raw []byte) (string, error) {
	if len(raw) == 0 {
		return "", nil
	}
	var config struct {
		EOS json.RawMessage `json:"eos_token"`
	}
	if err := json.Unmarshal(raw, &config); err != nil || config.EOS == nil || string(config.EOS) == "null" {
		return "", err
	}
	var text string
	if json.Unmarshal(config.EOS, &text) == nil {
		return text, nil
	}
	var token struct {
		Content string `json:"content"`
	}
	err := json.Unmarshal(config.EOS, &token)
	return token.Content, err
}
