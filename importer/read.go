package importer

import (
	"fmt"

	"github.com/moezoo/moezoo/safetensors"
)

// Read reads the tensors of a source, each under a prefix, into our layout: shape is that
// of our parameter. A source with several names is either one for each expert, or the
// spellings of one tensor, of which the first that exists counts.
func Read(f *safetensors.File, prefix string, s Source, shape []int) ([]float32, error) {
	stacked := len(s.Names) > 1 && shape[0] == len(s.Names) && (len(shape) == 3 || len(shape) == 2 && s.Layout == Plain)
	if !stacked {
		for _, name := range s.Names {
			if _, ok := f.Info(prefix + name); ok {
				return readOne(f, prefix+name, s.Layout, shape)
			}
		}
		return nil, fmt.Errorf("there is no tensor %s%s", prefix, s.Names[0])
	}
	var out []float32
	for _, name := range s.Names {
		one, err := readOne(f, prefix+name, s.Layout, shape[1:])
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}

func readOne(f *safetensors.File, name string, l Layout, shape []int) ([]float32, error) {
	v, err := f.Float32(name)
	if err != nil {
		return nil, err
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	info, _ := f.Info(name)
	if len(v) != n {
		return nil, fmt.Errorf("tensor %s has the shape %v, ours is %v", name, info.Shape, shape)
	}
	if l == Plain || len(shape) != 2 {
		return v, nil
	}
	if info.Shape[0] != int64(shape[1]) {
		return nil, fmt.Errorf("tensor %s has the shape %v, want the transpose of %v", name, info.Shape, shape)
	}
	in, out := shape[0], shape[1]
	t := make([]float32, n)
	for i := range in {
		for o := range out {
			t[i*out+o] = v[o*in+i]
		}
	}
	return t, nil
}
