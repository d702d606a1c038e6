package tokenizer

import "fmt"

// Load makes the tokenizer that a Spec describes.
func Load(s Spec) (Tokenizer, error) {
	switch s.Kind {
	case "bytes":
		return Bytes{}, nil
	case "bpe":
		if s.Name == "gpt2" {
			return GPT2()
		}
		return NewBPE(s.Vocab, []byte(s.Merges))
	}
	return nil, fmt.Errorf("unknown kind of tokenizer %q: bytes and bpe are known", s.Kind)
}
