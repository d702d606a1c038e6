package zoo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/moezoo/moezoo/blocks"
	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/internal/faultfs"
	"github.com/moezoo/moezoo/plugins"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
)

// Imported says what an import made.
type Imported struct {
	*Model
	Type  string   // the model type of the folder
	Notes []string // what is worth knowing
}

// Import makes a run, of step 0, out of a folder as Hugging Face or state-spaces publish
// them. Weights are read tensor by tensor, so that never more than one of them is in memory.
// The run generates, evaluates and exports like any other; training goes on in a new one
// that begins with its weights. On a failure nothing remains at run.
func Import(ctx context.Context, folder, run string, h *plugins.Host) (*Imported, error) {
	f, err := importer.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := Build(ctx, f.Recipe, h)
	if err != nil {
		return nil, err
	}
	params, err := m.params()
	if err != nil {
		return nil, err
	}
	places, err := f.Weights(params)
	if err != nil {
		return nil, err
	}
	blobs, err := m.blobs()
	if err != nil {
		return nil, err
	}
	content := checkpoint.Content{}
	for name, b := range blobs {
		content[name] = checkpoint.Blob(b)
	}
	content[train.ModelFile] = func(w io.Writer) error {
		tensors := make([]safetensors.Tensor, len(params))
		for i, p := range params {
			tensors[i] = safetensors.Tensor{Name: p.Name, DType: safetensors.F32, Shape: int64s(p.Shape), Load: func() ([]byte, error) {
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				v, err := f.Read(places, i)
				return safetensors.Float32s(v), err
			}}
		}
		return safetensors.Write(w, tensors, map[string]string{"format": "moezoo"})
	}
	return &Imported{m, f.Arch.Type, f.Notes}, saveImport(run, content)
}

// saveImport writes the only checkpoint of a new run.
func saveImport(run string, content checkpoint.Content) (err error) {
	_, statErr := os.Lstat(run)
	lock, err := checkpoint.Acquire(run)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, lock.Release())
		if err != nil && errors.Is(statErr, os.ErrNotExist) {
			err = errors.Join(err, os.RemoveAll(run))
		}
	}()
	steps, err := checkpoint.Steps(run)
	if err != nil {
		return err
	}
	if len(steps) > 0 {
		return &checkpoint.Error{Path: run, Err: fmt.Errorf("already holds a run, at step %d: choose another folder", steps[len(steps)-1])}
	}
	return checkpoint.Save(faultfs.OS{}, run, 0, content)
}

// params lists the model's parameters.
func (m *Model) params() ([]importer.Param, error) {
	b, err := m.Net.Build(blocks.Options{})
	if err != nil {
		return nil, err
	}
	out := make([]importer.Param, len(b.G.Params))
	for i, p := range b.G.Params {
		shape, _ := p.Value.Shape().Ints()
		out[i] = importer.Param{Name: p.Value.Name, Shape: shape}
	}
	return out, nil
}

func int64s(ints []int) []int64 {
	out := make([]int64, len(ints))
	for i, n := range ints {
		out[i] = int64(n)
	}
	return out
}
