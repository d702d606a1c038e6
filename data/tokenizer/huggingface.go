package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// HuggingFace is the tokenizer as tokenizer.json and tokenizer_config.json, by file name:
// the format that transformers and transformers.js read.
func HuggingFace(t Tokenizer) (map[string]any, error) {
	vocab, merges := map[string]int64{}, []string{}
	end, hasEnd := t.EndOfText()
	config := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}
	switch t := t.(type) {
	case Bytes:
		for i, r := range spelled {
			vocab[string(r)] = int64(i)
		}
	case *BPE:
		if err := json.Unmarshal(t.vocab, &vocab); err != nil {
			return nil, err
		}
		for _, line := range strings.Split(string(t.merges), "\n") {
			line = strings.TrimSuffix(line, "\r")
			if line != "" && !strings.HasPrefix(line, "#version") {
				merges = append(merges, line)
			}
		}
	case *Pipeline:
		if hasEnd {
			config["bos_token"], config["eos_token"], config["pad_token"] = t.end, t.end, t.end
		}
		return map[string]any{"tokenizer.json": t.raw, "tokenizer_config.json": config}, nil
	default:
		return nil, fmt.Errorf("a %T has no tokenizer.json", t)
	}
	added := []any{}
	if hasEnd {
		vocab[endOfTextToken] = end
		added = append(added, map[string]any{"id": end, "content": endOfTextToken, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true})
		config["bos_token"], config["eos_token"], config["pad_token"] = endOfTextToken, endOfTextToken, endOfTextToken
	}
	level := func(more map[string]any) map[string]any {
		m := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}
		for k, v := range more {
			m[k] = v
		}
		return m
	}
	return map[string]any{
		"tokenizer.json": map[string]any{
			"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": nil,
			"pre_tokenizer": level(nil), "post_processor": level(nil), "decoder": level(nil),
			"model": map[string]any{
				"type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": "", "end_of_word_suffix": "",
				"fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges,
			},
		},
		"tokenizer_config.json": config,
	}, nil
}
