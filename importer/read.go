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
				return readOne(f, prefix+name, s, shape)
			}
		}
		return nil, fmt.Errorf("there is no tensor %s%s", prefix, s.Names[0])
	}
	var out []float32
	for _, name := range s.Names {
		one, err := readOne(f, prefix+name, s, shape[1:])
		if err != nil {
			return nil, err
		}
		out = append(out, one...)
	}
	return out, nil
}

func readOne(f *safetensors.File, name string, s Source, shape []int) ([]float32, error) {
	v, err := f.Float32(name)
	if err != nil {
		return nil, err
	}
	info, _ := f.Info(name)
	extents := append([]int64(nil), info.Shape...)
	if s.Part.Of > 0 {
		if v, extents, err = s.Part.of(v, extents, s.Layout); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", name, err)
		}
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	if len(v) != n {
		return nil, fmt.Errorf("tensor %s has the shape %v, ours is %v", name, info.Shape, shape)
	}
	if s.Layout == Plain || len(shape) != 2 {
		return v, nil
	}
	if extents[0] != int64(shape[1]) {
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

// of picks the outputs of a fused tensor: the last axis of a Plain matrix, else the first.
func (p Part) of(v []float32, shape []int64, l Layout) ([]float32, []int64, error) {
	axis := 0
	if l == Plain {
		axis = len(shape) - 1
	}
	shares := int64(p.Groups * p.Of)
	if len(shape) == 0 || shape[axis]%shares != 0 {
		return nil, nil, fmt.Errorf("the shape %v does not fall into %d parts", shape, shares)
	}
	inner := int64(1)
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	run := int(shape[axis] / shares * inner) // elements of one share that lie together
	var out []float32
	for at := p.Index * run; at < len(v); at += p.Of * run {
		out = append(out, v[at:at+run]...)
	}
	shape[axis] /= int64(p.Of)
	return out, shape, nil
}
