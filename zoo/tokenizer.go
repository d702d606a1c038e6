package zoo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/data"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// Tokenizer is the tokenizer of the recipe's vocabulary, or the one that an imported model or
// prepared data brought along.
func (m *Model) Tokenizer() (tokenizer.Tokenizer, error) {
	switch m.Recipe.Vocabulary.Kind {
	case recipe.Bytes:
		return tokenizer.Bytes{}, nil
	case recipe.GPT2:
		return tokenizer.GPT2()
	}
	if m.Files == nil {
		return nil, m.Recipe.ErrorAt("vocabulary", "a vocabulary of a mere size has no tokenizer: it cannot read text", "use bytes or gpt2, or data with a tokenizer of its own: zoo data prepare")
	}
	if want := m.Recipe.Vocabulary.Tokenizer; want != "" {
		if got := fileHash(m.Files); got != want {
			return nil, m.Recipe.ErrorAt("vocabulary", fmt.Sprintf("the vocabulary is that of a tokenizer.json with SHA-256 %.12s…, the one at hand has %.12s…", want, got), "")
		}
	}
	return tokenizerOf(m.Files, m.Recipe.Vocabulary.Size)
}

// UseTokenizer is an error for a tokenizer that is not the model's. A model with a vocabulary of
// a mere size, and no tokenizer yet, takes it for its own.
func (m *Model) UseTokenizer(t tokenizer.Tokenizer) (err error) {
	if m.Files == nil && m.Recipe.Vocabulary.Kind == recipe.Sized {
		if m.Files, err = tokenizerFiles(t); err != nil {
			return err
		}
	}
	own, err := m.Tokenizer()
	if err != nil {
		return err
	}
	return data.SameTokenizer(own, t)
}

// SizedVocabulary is the value of a recipe's key vocabulary that means a tokenizer and no other.
func SizedVocabulary(t tokenizer.Tokenizer) (string, error) {
	files, err := tokenizerFiles(t)
	return fmt.Sprintf("{size: %d, tokenizer: %q}", t.Size(), fileHash(files)), err
}

// fileHash is the SHA-256 of the tokenizer.json among files.
func fileHash(files map[string][]byte) string {
	sum := sha256.Sum256(files[data.TokenizerFile])
	return hex.EncodeToString(sum[:])
}

// tokenizerOf is the tokenizer among a folder's files, for a model with so many ids, 0 if
// that is not known.
func tokenizerOf(files map[string][]byte, size int64) (tokenizer.Tokenizer, error) {
	raw, ok := files["tokenizer.json"]
	if !ok {
		return oldTokenizer(files)
	}
	end, err := endToken(files)
	if err != nil {
		return nil, err
	}
	p, err := tokenizer.ParseHuggingFace(raw, end)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return p, nil
	}
	return p, p.Pad(int(size))
}

// ReadTokenizer is the tokenizer of a tokenizer.json, with the token that ends a document from
// the settings beside it.
func ReadTokenizer(path string) (tokenizer.Tokenizer, error) {
	files, err := companions(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if files["tokenizer.json"], err = os.ReadFile(path); err != nil {
		return nil, err
	}
	t, err := tokenizerOf(files, 0)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// oldTokenizer reads what GPT-2 and its kin were published with.
func oldTokenizer(files map[string][]byte) (tokenizer.Tokenizer, error) {
	vocab, merges := files["vocab.json"], files["merges.txt"]
	if vocab == nil || merges == nil {
		return nil, errors.New("the model came without a tokenizer.json, and without a vocab.json and merges.txt: it knows token ids only")
	}
	return tokenizer.NewBPE(vocab, merges)
}

// endToken is the token that ends a document, empty when there is none: as the tokenizer's
// settings name it, or the model's its id.
func endToken(files map[string][]byte) (string, error) {
	for _, name := range []string{"tokenizer_config.json", "special_tokens_map.json"} {
		var settings struct {
			End any `json:"eos_token"`
		}
		if len(files[name]) == 0 {
			continue
		}
		if err := json.Unmarshal(files[name], &settings); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		switch end := settings.End.(type) {
		case string:
			return end, nil
		case map[string]any:
			if content, ok := end["content"].(string); ok {
				return content, nil
			}
		}
	}
	origin, err := importer.ParseOrigin(files[importer.OriginFile])
	if err != nil {
		return "", err
	}
	id := origin.Config["eos_token_id"]
	if several, ok := id.([]any); ok && len(several) > 0 {
		id = several[0]
	}
	number, _ := id.(json.Number)
	return addedToken(files["tokenizer.json"], number), nil
}

// addedToken is the content of an added token, empty when there is none of that id.
func addedToken(raw []byte, id json.Number) string {
	var tokens struct {
		Added []struct {
			ID      json.Number `json:"id"`
			Content string      `json:"content"`
		} `json:"added_tokens"`
	}
	if json.Unmarshal(raw, &tokens) != nil { // the tokenizer will say what is wrong
		return ""
	}
	for _, t := range tokens.Added {
		if t.ID == id {
			return t.Content
		}
	}
	return ""
}

// Tokenizer is the tokenizer of the vocabulary that the file's metadata names; for one of a
// mere size, the one in the file's folder or, as transformers.js wants it, in the one above.
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
		files, err := companions(dir)
		if err != nil {
			return nil, err
		}
		if files["tokenizer.json"] != nil || files["vocab.json"] != nil {
			return tokenizerOf(files, s.vocabulary())
		}
	}
	return nil, fmt.Errorf("%s: a vocabulary of a mere size has no tokenizer: its tokenizer.json must lie beside the file", s.file)
}

// companions are the files of a tokenizer in a folder.
func companions(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range importer.Companions {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = raw
	}
	return files, nil
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

// tokenizerFiles are the tokenizer's files by name, as transformers reads them: those that
// came with the model, or those of the recipe's vocabulary.
func (m *Model) tokenizerFiles() (map[string][]byte, error) {
	if m.Files != nil && m.Recipe.Vocabulary.Kind == recipe.Sized {
		files := map[string][]byte{}
		for _, name := range importer.Companions {
			if raw, ok := m.Files[name]; ok {
				files[name] = raw
			}
		}
		return files, nil
	}
	t, err := m.Tokenizer()
	if err != nil {
		return nil, err
	}
	return tokenizerFiles(t)
}

// tokenizerFiles are a tokenizer's files by name, as a run keeps them.
func tokenizerFiles(t tokenizer.Tokenizer) (map[string][]byte, error) {
	files := map[string][]byte{}
	contents, err := tokenizer.HuggingFace(t)
	for name, content := range contents {
		raw, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return nil, err
		}
		files[name] = append(raw, '\n')
	}
	return files, err
}
