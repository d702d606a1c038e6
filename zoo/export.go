package zoo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/export"
	"github.com/moezoo/moezoo/export/ort"
	"github.com/moezoo/moezoo/graph/onnx/file"
)

// ExportOptions say how a model becomes a file.
type ExportOptions struct {
	export.Options
	NoVerify bool
	License  string // of the weights, for the file's metadata; "" says nothing
	Progress func(done, total int)
}

// ErrNotEqual says that the exported file computes other numbers than the model.
var ErrNotEqual = errors.New("the exported file does not compute the model's numbers")

// Export writes an ONNX file, or into a folder when path ends in a separator: then
// onnx/model.onnx with the files that transformers.js reads beside it. It verifies what it
// wrote in ONNX Runtime before it is kept: on a failure nothing remains at path.
func (t *Trained) Export(ctx context.Context, path string, o ExportOptions) (*export.Report, error) {
	folder := len(path) > 0 && os.IsPathSeparator(path[len(path)-1])
	if err := checkTargets(path, folder); err != nil {
		return nil, err
	}
	var model, work string
	var err error
	if folder {
		parent := filepath.Dir(filepath.Clean(path))
		undo, err := makeParents(parent)
		if err != nil {
			return nil, err
		}
		defer undo() // removes what is still empty
		if work, err = os.MkdirTemp(parent, ".export-"); err != nil {
			return nil, err
		}
		model = filepath.Join(work, "onnx", "model.onnx")
	} else {
		if work, err = os.MkdirTemp(filepath.Dir(path), ".export-"); err != nil {
			return nil, err
		}
		model = filepath.Join(work, filepath.Base(path))
	}
	defer os.RemoveAll(work)
	p, err := t.prepare(o.Options)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(model), 0o777); err != nil {
		return nil, err
	}
	metadata := t.metadata(o)
	if err := p.Write(model, metadata); err != nil {
		return nil, err
	}
	report := &export.Report{File: path, Passed: true}
	if !o.NoVerify {
		if report, err = t.verify(ctx, model, o.Options, o.Progress); err != nil {
			return report, err
		}
		report.File = path
		if !report.Passed {
			return report, ErrNotEqual
		}
		metadata["zoo.max_err"], metadata["zoo.same_token"] = fmt.Sprintf("%.3g", report.MaxAbs()), fmt.Sprintf("%.4g", report.Argmax())
		metadata["zoo.verified_in"] = report.Runtime
		if err := p.Write(model, metadata); err != nil {
			return report, err
		}
	}
	if folder {
		return report, t.keepFolder(work, path, p.Caches)
	}
	return report, t.keepFile(model, path, p.Caches)
}

// metadata is what a file says of itself.
func (t *Trained) metadata(o ExportOptions) map[string]string {
	m := map[string]string{
		"zoo.version": version(), "zoo.recipe_sha256": t.Recipe.Hash(), "zoo.step": fmt.Sprint(t.Step), "zoo.vocab": string(t.Recipe.Vocabulary.Kind),
		"zoo.lowering": lowering(o.Options), "zoo.weights": string(t.Weights.Kind),
		// Prepacking copies every expert's weights at load and gains nothing.
		"onnx_run_hints": "session.disable_prepacking=1 intra_op_num_threads=number_of_cores",
	}
	if o.License != "" {
		m["license"] = o.License
	}
	return m
}

// version is that of the program, as its module was built.
func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "(devel)"
}

// lowering names how the file was written, for its metadata.
func lowering(o export.Options) string {
	how := "scan, sort/split"
	if o.Compact {
		how = "scan, loop over experts"
	}
	if o.AttentionOperator {
		how += ", attention operator"
	}
	if o.Contrib {
		how += ", com.microsoft"
	}
	return how
}

// checkTargets refuses, before any work, to write through or over anything but plain files
// and folders of earlier exports.
func checkTargets(path string, folder bool) error {
	clean := filepath.Clean(path)
	if folder {
		return checkOldFolder(clean, holdsONNX)
	}
	if info, err := os.Stat(filepath.Dir(clean)); path == "" || err != nil || !info.IsDir() {
		return fmt.Errorf("%s: there is no folder %s to write to", path, filepath.Dir(clean))
	}
	for _, p := range []string{path, file.DataPath(path), configPath(path)} {
		info, err := os.Lstat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case info.IsDir():
			return fmt.Errorf("%s: is a folder; write %s%c to export into it", p, p, filepath.Separator)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s: is a symbolic link or no plain file; nothing is written through or over it", p)
		}
	}
	return nil
}

// makeParents makes a folder with those around it; undo removes those that were made and are
// empty.
func makeParents(dir string) (undo func(), err error) {
	var made []string
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(at); err == nil || filepath.Dir(at) == at {
			break
		}
		made = append(made, at)
	}
	undo = func() {
		for _, d := range made {
			_ = os.Remove(d)
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		undo()
		return nil, err
	}
	return undo, nil
}

// holdsONNX reports whether a folder holds an earlier export.
func holdsONNX(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "onnx", "model.onnx"))
	return err == nil
}

// checkOldFolder lets a new folder, an empty one and that of an earlier export pass.
func checkOldFolder(path string, ours func(dir string) bool) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: is a file or a symbolic link, not a folder; nothing is written through or over it", path)
	}
	entries, err := os.ReadDir(path)
	if err != nil || len(entries) == 0 {
		return err
	}
	if !ours(path) {
		return fmt.Errorf("%s: the folder is not empty and holds no earlier export", path)
	}
	return nil
}

// replaceFolder puts a finished folder in the place of an earlier export.
func replaceFolder(work, path string, ours func(dir string) bool) error {
	if err := checkOldFolder(path, ours); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	return os.Rename(work, path)
}

// configPath is where the configuration of a model's file goes.
func configPath(model string) string {
	return strings.TrimSuffix(model, filepath.Ext(model)) + ".config.json"
}

// keepFile moves the model, its data and its configuration to their places, the model last:
// an older model must not meet the data of the new one.
func (t *Trained) keepFile(model, path string, c export.Caches) error {
	if err := t.writeConfig(filepath.Dir(model), c); err != nil {
		return err
	}
	if err := checkTargets(path, false); err != nil {
		return err
	}
	moves := [][2]string{{filepath.Join(filepath.Dir(model), "config.json"), configPath(path)}}
	if _, err := os.Stat(file.DataPath(model)); err == nil {
		moves = append(moves, [2]string{file.DataPath(model), file.DataPath(path)})
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for i, m := range append(moves, [2]string{model, path}) {
		if err := os.Rename(m[0], m[1]); err != nil {
			for _, moved := range moves[:i] {
				err = errors.Join(err, os.Remove(moved[1]))
			}
			return err
		}
	}
	return nil
}

func (t *Trained) keepFolder(work, path string, c export.Caches) error {
	if err := t.writeConfig(work, c); err != nil {
		return err
	}
	if err := t.writeTokenizer(work); err != nil {
		return err
	}
	return replaceFolder(work, filepath.Clean(path), holdsONNX)
}

// prepare lowers the model for export.
func (t *Trained) prepare(o export.Options) (*export.Prepared, error) {
	b, err := t.Net.Build(blocks.Options{Mode: blocks.Export})
	if err != nil {
		return nil, err
	}
	b.G.Rename(b.Logits, "logits")
	b.G.Outputs = append(b.G.Outputs[:0:0], append([]blocks.Value{b.Logits}, b.G.Outputs...)...)
	g, err := t.Weights.Graph(b.G)
	if err != nil {
		return nil, err
	}
	return export.Prepare(export.Source{Graph: g, Layers: len(t.Net.Layers), Weight: t.Weight}, o)
}

// ORTStepper runs an exported file token by token in ONNX Runtime.
type ORTStepper struct {
	file    string
	session *ort.Session
	decoder *ort.Decoder
}

// OpenORT opens an exported file for [Generate].
func OpenORT(file string) (*ORTStepper, error) {
	if _, err := ort.Load(); err != nil {
		return nil, err
	}
	s, err := ort.Open(file, ort.Options{})
	if err != nil {
		return nil, err
	}
	d, err := ort.NewDecoder(s, 1)
	if err != nil {
		s.Close()
		return nil, err
	}
	return &ORTStepper{file: file, session: s, decoder: d}, nil
}

// Reset forgets the text so far.
func (s *ORTStepper) Reset() { s.decoder.Reset() }

// Feed takes tokens and answers the logits behind the last.
func (s *ORTStepper) Feed(_ context.Context, tokens []int64) ([]float32, error) {
	out, err := s.decoder.Step(tokens)
	if err != nil {
		return nil, err
	}
	v := int(out.Shape[len(out.Shape)-1])
	return out.F32[len(out.F32)-v:], nil
}

// Close frees the session.
func (s *ORTStepper) Close() {
	s.decoder.Close()
	s.session.Close()
}
