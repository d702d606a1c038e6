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
	case "tokenizer.json":
		p, err := ParseHuggingFace(s.JSON, s.End)
		if err != nil {
			return nil, err
		}
		return p, p.Pad(s.Size)
	}
	return nil, fmt.Errorf("unknown kind of tokenizer %q: bytes, bpe and tokenizer.json are known", s.Kind)
}
