package zoo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/half"
	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
	"github.com/moezoo/moezoo/zoo/recipe"
)

// HuggingFaceOptions say how a run becomes a folder of transformers'.
type HuggingFaceOptions struct {
	Weights narrow.Kind // Float32, BFloat16 or Float16
	Shard   int64       // most bytes of weights in one file, 0 for DefaultShard
}

// DefaultShard is how many bytes of weights a file holds.
const DefaultShard = 5 << 30

// HuggingFaceExport says what was written.
type HuggingFaceExport struct {
	Class string   // of transformers, which loads it
	Files []string // by name
	Note  string   // why an older checkpoint was taken
}

// ExportHuggingFace writes a run as the folder of a class of transformers. Weights go from
// file to file tensor by tensor. A recipe that no class computes is an error that says what
// they lack. On a failure nothing remains at dir.
func ExportHuggingFace(ctx context.Context, run, dir string, o HuggingFaceOptions) (*HuggingFaceExport, error) {
	c, err := checkpoint.Find(run)
	if err != nil {
		return nil, err
	}
	m, err := openModel(c)
	if err != nil {
		return nil, err
	}
	w := &folderWriter{ctx: ctx, Model: m, options: o}
	if w.origin, err = importer.ParseOrigin(m.Files[importer.OriginFile]); err != nil {
		return nil, &checkpoint.Error{Path: c.Dir, Err: err}
	}
	params, err := m.params()
	if err != nil {
		return nil, err
	}
	if w.words, err = importer.Express(m.Recipe, params, w.origin.Type); err != nil {
		return nil, err
	}
	path, err := c.Path(train.ModelFile)
	if err != nil {
		return nil, err
	}
	if w.weights, err = safetensors.Open(path); err != nil {
		return nil, err
	}
	defer w.weights.Close()
	if err := w.writeInPlace(filepath.Clean(dir)); err != nil {
		return nil, err
	}
	return &HuggingFaceExport{Class: w.words.Arch.Class, Files: w.files, Note: c.Note}, nil
}

// folderWriter writes a folder.
type folderWriter struct {
	*Model
	ctx     context.Context
	options HuggingFaceOptions
	origin  importer.Origin
	words   *importer.Expressed
	weights *safetensors.File // our parameters
	dir     string            // where files go
	files   []string          // written so far
}

// writeInPlace writes a folder beside the wanted one, which it then becomes.
func (w *folderWriter) writeInPlace(dir string) error {
	if err := checkOldFolder(dir, holdsExport); err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	undo, err := makeParents(parent)
	if err != nil {
		return err
	}
	defer undo() // removes what is still empty
	if w.dir, err = os.MkdirTemp(parent, ".export-"); err != nil {
		return err
	}
	defer os.RemoveAll(w.dir)
	for _, write := range []func() error{w.writeTensors, w.writeTokenizer, w.writeConfig} {
		if err := write(); err != nil {
			return err
		}
	}
	return replaceFolder(w.dir, dir, holdsExport)
}

// holdsExport reports whether a folder holds an earlier export.
func holdsExport(dir string) bool {
	raw, err := os.ReadFile(filepath.Join(dir, "config.json"))
	var config map[string]any
	return err == nil && json.Unmarshal(raw, &config) == nil && config["zoo_recipe"] != nil
}

// create begins a file.
func (w *folderWriter) create(name string) (*os.File, error) {
	w.files = append(w.files, name)
	return os.OpenFile(filepath.Join(w.dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
}

func (w *folderWriter) write(name string, content []byte) error {
	f, err := w.create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}

func (w *folderWriter) writeJSON(name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return w.write(name, append(raw, '\n'))
}

// dtype is what the weights are written as, in the words of both formats.
func (w *folderWriter) dtype() (safetensors.DType, string) {
	switch w.options.Weights {
	case narrow.BFloat16:
		return safetensors.BF16, "bfloat16"
	case narrow.Float16:
		return safetensors.F16, "float16"
	}
	return safetensors.F32, "float32"
}

// shard is one file of weights.
type shard struct {
	name    string
	tensors []safetensors.Tensor
}

// writeTensors writes the weights, in one file or in several with their index.
func (w *folderWriter) writeTensors() error {
	shards, total := w.shards()
	where := map[string]string{}
	for _, s := range shards {
		f, err := w.create(s.name)
		if err != nil {
			return err
		}
		err = safetensors.Write(f, s.tensors, map[string]string{"format": "pt"})
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		for _, t := range s.tensors {
			where[t.Name] = s.name
		}
	}
	if len(shards) == 1 {
		return nil
	}
	return w.writeJSON("model.safetensors.index.json", map[string]any{"metadata": map[string]any{"total_size": total}, "weight_map": where})
}

// shards shares the tensors among files, by name, and answers their size in bytes.
func (w *folderWriter) shards() (shards []shard, total int64) {
	limit := w.options.Shard
	if limit == 0 {
		limit = DefaultShard
	}
	dtype, _ := w.dtype()
	left := int64(0)
	for _, name := range w.words.Map.Tensors() {
		t := safetensors.Tensor{Name: name, DType: dtype, Shape: w.words.Map.Shape(name), Load: func() ([]byte, error) { return w.load(name) }}
		size := dtype.Size()
		for _, n := range t.Shape {
			size *= n
		}
		if len(shards) == 0 || left < size {
			shards, left = append(shards, shard{}), limit
		}
		last := &shards[len(shards)-1]
		last.tensors, left, total = append(last.tensors, t), left-size, total+size
	}
	for i := range shards {
		shards[i].name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(shards))
	}
	if len(shards) == 1 {
		shards[0].name = "model.safetensors"
	}
	return shards, total
}

// load makes a tensor's bytes.
func (w *folderWriter) load(name string) ([]byte, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	v, err := w.words.Map.Write(name, w.weights.Float32Part)
	if err != nil {
		return nil, err
	}
	var round func(float32) uint16
	switch w.options.Weights {
	case narrow.BFloat16:
		round = half.ToBFloat16
	case narrow.Float16:
		round = half.ToFloat16
	default:
		return safetensors.Float32s(v), nil
	}
	out := make([]byte, 2*len(v))
	for i, x := range v {
		h := round(x)
		out[2*i], out[2*i+1] = byte(h), byte(h>>8)
	}
	return out, nil
}

// writeTokenizer writes the tokenizer's files, of a model that has one.
func (w *folderWriter) writeTokenizer() error {
	if w.Files == nil && w.Recipe.Vocabulary.Kind == recipe.Sized {
		return nil
	}
	files, err := w.tokenizerFiles()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.write(name, files[name]); err != nil {
			return err
		}
	}
	return err
}

// writeConfig writes config.json, and generation_config.json where none came with the model.
func (w *folderWriter) writeConfig() error {
	_, dtype := w.dtype()
	tokens := map[string]any{"bos_token_id": nil, "eos_token_id": nil, "pad_token_id": nil}
	if tk, err := w.Tokenizer(); err == nil {
		if end, ok := tk.EndOfText(); ok {
			tokens = map[string]any{"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
		}
	}
	more := map[string]any{"use_cache": true}
	maps.Copy(more, tokens)
	if w.origin.Type == w.words.Arch.Type {
		maps.Copy(more, w.origin.Config)
		for key := range tokens {
			if v, ok := w.origin.Config[key]; ok {
				tokens[key] = v
			}
		}
	}
	more["dtype"], more["torch_dtype"], more["zoo_recipe"] = dtype, dtype, w.Recipe.Name
	raw, err := w.words.ConfigFile(more)
	if err != nil {
		return err
	}
	if err := w.write("config.json", raw); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(w.dir, "generation_config.json")); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	maps.DeleteFunc(tokens, func(_ string, v any) bool { return v == nil })
	return w.writeJSON("generation_config.json", tokens)
}
