package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moezoo/moezoo/importer/torchfile"
	"github.com/moezoo/moezoo/safetensors"
)

// Tensors are a checkpoint's tensors, whatever files they lie in. They are read one by one,
// as they are asked for.
type Tensors = safetensors.Shard

// weightFiles are the files that hold a folder's weights, in the order of preference.
var weightFiles = []struct {
	name string
	open func(path string) (Tensors, error)
}{
	{"model.safetensors", func(path string) (Tensors, error) { return safetensors.Open(path) }},
	{"model.safetensors.index.json", func(path string) (Tensors, error) { return safetensors.OpenSharded(path) }},
	{"pytorch_model.bin", func(path string) (Tensors, error) { return torchfile.Open(path) }},
	{"pytorch_model.bin.index.json", func(path string) (Tensors, error) { return torchfile.OpenSharded(path) }},
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
