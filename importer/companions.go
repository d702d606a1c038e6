package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Companions are the files that a folder may hold beside configuration and weights, and that
// a run made of it keeps: its tokenizer, and what its authors say about generation. They are
// read as bytes; nothing in them is run.
var Companions = []string{
	"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt",
	"chat_template.jinja", "generation_config.json",
}

// OriginFile keeps of config.json what a recipe has no word for.
const OriginFile = "origin.json"

// maxCompanion bounds a companion's size.
const maxCompanion = 64 << 20

// Origin is what OriginFile holds.
type Origin struct {
	Type string `json:"model_type"`
	// Config are the keys that change nothing of what the model computes, such as the ids of
	// special tokens; an export of the same type has them again.
	Config map[string]any `json:"config"`
}

// ParseOrigin reads OriginFile; no bytes are an origin of no type.
func ParseOrigin(raw []byte) (Origin, error) {
	var o Origin
	if len(raw) == 0 {
		return o, nil
	}
	values, err := parseConfig(raw)
	if err != nil {
		return o, fmt.Errorf("%s: %w", OriginFile, err)
	}
	o.Type, _ = values["model_type"].(string)
	o.Config, _ = values["config"].(map[string]any)
	return o, nil
}

// Companions are the folder's files that are to be kept, by name.
func (f *Folder) Companions() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range Companions {
		path := filepath.Join(f.Dir, name)
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s: is no regular file", path)
		case info.Size() > maxCompanion:
			return nil, fmt.Errorf("%s: %d bytes are over the limit of %d", path, info.Size(), maxCompanion)
		}
		if files[name], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	raw, err := json.MarshalIndent(Origin{f.Arch.Type, f.kept}, "", "  ")
	files[OriginFile] = raw
	return files, err
}

// kept are the keys that change nothing, but for those that every export writes itself.
func (c *Config) kept() map[string]any {
	out := map[string]any{}
	for key, v := range c.values {
		_, everywhere := harmlessKeys[key]
		if (!everywhere && !c.idle[key]) || rewritten[key] || strings.Contains(key, ".") {
			continue
		}
		if _, err := json.Marshal(v); err == nil { // an infinity is left behind
			out[key] = v
		}
	}
	return out
}

// rewritten are harmless keys that an export says anew.
var rewritten = map[string]bool{
	"model_type": true, "architectures": true, "transformers_version": true, "torch_dtype": true, "dtype": true, "_name_or_path": true, "name_or_path": true,
	"auto_class": true, "zoo_recipe": true,
}
