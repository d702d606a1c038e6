package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/safetensors"
)

// Tensors are the tensors of a checkpoint, whatever files they lie in. They are read one by
// one, as they are asked for.
type Tensors interface {
	Names() []string
	// Info says a tensor's type and shape; ok is false when there is none of that name.
	Info(name string) (info safetensors.Info, ok bool)
	// Float32 reads a tensor of floats, widening those of half precision.
	Float32(name string) ([]float32, error)
	Close() error
}

// weightFiles are the files that hold a folder's weights, in the order of preference.
var weightFiles = []struct {
	name string
	open func(path string) (Tensors, error)
}{
	{"model.safetensors", func(path string) (Tensors, error) { return safetensors.Open(path) }},
	{"model.safetensors.index.json", func(path string) (Tensors, error) { return safetensors.OpenSharded(path) }},
}

// openTensors opens the weights of a folder.
func openTensors(dir string) (Tensors, error) {
	var names []string
	for _, f := range weightFiles {
		path := filepath.Join(dir, f.name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			names = append(names, f.name)
			continue
		}
		t, err := f.open(path)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
	return nil, fmt.Errorf("%s: holds no weights: want one of %s", dir, strings.Join(names, ", "))
}
