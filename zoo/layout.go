package zoo

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/moezoo/moezoo/export"
)

// writeConfig writes the config.json that transformers.js reads. The model type is
// borrowed: of those it knows, nemotron_h takes any mix of state-space and attention
// layers, and reads shapes from the file.
func (t *Trained) writeConfig(dir string, c export.Caches) error {
	config := map[string]any{
		"model_type": "nemotron_h", "architectures": []string{"NemotronHForCausalLM"}, "layer_types": c.Kinds, "layers_block_type": c.Kinds,
		"num_hidden_layers": len(c.Kinds), "num_attention_heads": c.KVHeads, "num_key_value_heads": c.KVHeads, "hidden_size": t.Recipe.DModel,
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

// writeTokenizer writes tokenizer.json and what belongs to it.
func (t *Trained) writeTokenizer(dir string) error {
	tk, err := t.Tokenizer()
	if err != nil {
		return err
	}
	files, err := t.tokenizerFiles()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			return err
		}
	}
	end, ok := tk.EndOfText()
	if _, there := files["generation_config.json"]; there || !ok {
		return nil
	}
	return writeJSON(filepath.Join(dir, "generation_config.json"), map[string]any{"bos_token_id": end, "eos_token_id": end, "pad_token_id": end})
}

func writeJSON(path string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(raw, '\n'), 0o666)
}
