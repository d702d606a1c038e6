package zoo

import (
	"encoding/json"
	"fmt"

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
	end, err := endToken(m.Files["tokenizer_config.json"])
	if err != nil {
		return nil, fmt.Errorf("tokenizer_config.json: %w", err)
	}
	p, err := tokenizer.ParseHuggingFace(raw, end)
	if err != nil {
		return nil, err
	}
	return p, p.Pad(int(m.Recipe.Vocabulary.Size))
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
