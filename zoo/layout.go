package zoo

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/data/tokenizer"
	"github.com/moezoo/moezoo/export"
)

// writeConfig writes the config.json that transformers.js reads. The model type is
// borrowed: of those it knows, nemotron_h takes any mix of state-space and attention
// layers, and reads shapes from the file.
func (t *Trained) writeConfig(dir string, o export.Options) error {
	kinds, kvHeads, err := t.cacheKinds()
	if err != nil {
		return err
	}
	attention := kvHeads > 0
	kvHeads = max(kvHeads, 1)
	if !attention && o.Names != export.GenAI {
		kinds = append(kinds, "attention") // the position carrier
	}
	config := map[string]any{
		"model_type": "nemotron_h", "architectures": []string{"NemotronHForCausalLM"}, "layer_types": kinds, "layers_block_type": kinds,
		"num_hidden_layers": len(kinds), "num_attention_heads": kvHeads, "num_key_value_heads": kvHeads, "hidden_size": t.Recipe.DModel,
		"vocab_size": t.Recipe.Vocabulary.Size, "zoo_recipe": t.Recipe.Name,
	}
	if tk, err := t.Tokenizer(); err == nil {
		if end, ok := tk.EndOfText(); ok {
			config["bos_token_id"], config["eos_token_id"], config["pad_token_id"] = end, end, end
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "onnx", "model.onnx_data")); err == nil {
		config["transformers.js_config"] = map[string]any{"use_external_data_format": map[string]int{"model.onnx": 1}}
	}
	return writeJSON(filepath.Join(dir, "config.json"), config)
}

// cacheKinds tells, for each layer, what it carries from token to token: "attention" with
// its number of key-value heads, "mamba" for any recurrence, "moe" for nothing.
func (t *Trained) cacheKinds() (kinds []string, kvHeads int64, err error) {
	b, err := t.Net.Build(blocks.Options{Mode: blocks.Export})
	if err != nil {
		return nil, 0, err
	}
	for range t.Net.Layers {
		kinds = append(kinds, "moe")
	}
	for _, s := range b.G.States {
		kind, number, _ := strings.Cut(s.Name, ".")
		layer, err := strconv.Atoi(number)
		if err != nil || layer >= len(kinds) {
			return nil, 0, fmt.Errorf("state %q is of no layer", s.Name)
		}
		if kinds[layer] = "mamba"; kind == "key" || kind == "value" {
			kinds[layer] = "attention"
			kvHeads, _ = s.In.Dim(1).Int()
		}
	}
	return kinds, kvHeads, nil
}

// writeTokenizer writes tokenizer.json and what belongs to it.
func (t *Trained) writeTokenizer(dir string) error {
	tk, err := t.Tokenizer()
	if err != nil {
		return err
	}
	files, err := tokenizer.HuggingFace(tk)
	if err != nil {
		return err
	}
	end, _ := tk.EndOfText()
	files["generation_config.json"] = map[string]any{"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
	for name, content := range files {
		if err := writeJSON(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return nil
}

func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o666)
}
