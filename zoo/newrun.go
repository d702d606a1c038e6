package zoo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/moezoo/moezoo/importer"
	"github.com/moezoo/moezoo/internal/faultfs"
	"github.com/moezoo/moezoo/safetensors"
	"github.com/moezoo/moezoo/train"
	"github.com/moezoo/moezoo/train/checkpoint"
)

// saveNew writes a run that no training made: a checkpoint of step 0 with the values of each
// parameter, of which never more than one is in memory. On a failure nothing remains.
func (m *Model) saveNew(ctx context.Context, run string, params []importer.Param, values func(i int) ([]float32, error)) error {
	blobs, err := m.blobs()
	if err != nil {
		return err
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
				v, err := values(i)
				return safetensors.Float32s(v), err
			}}
		}
		return safetensors.Write(w, tensors, map[string]string{"format": "moezoo"})
	}
	return saveOnly(run, content)
}

// saveOnly writes the only checkpoint of a new run.
func saveOnly(run string, content checkpoint.Content) (err error) {
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
		return &checkpoint.Error{Path: run, Err: fmt.Errorf("%w, at step %d: choose another folder", checkpoint.ErrHoldsRun, steps[len(steps)-1])}
	}
	return checkpoint.Save(faultfs.OS{}, run, 0, content)
}

func int64s(ints []int) []int64 {
	out := make([]int64, len(ints))
	for i, n := range ints {
		out[i] = int64(n)
	}
	return out
}
