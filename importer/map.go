package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/safetensors"
)

// Param is one of a model's parameters.
type Param struct {
	Name  string
	Shape []int
}

func (p Param) elements() int { return elements(p.Shape) }

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// Map says in which of a peer's tensors each of a model's parameters lies. Every parameter
// has a place, and every part of every tensor is one parameter's.
type Map struct {
	params  []Param
	pieces  [][]piece // of each parameter: one, or one for each expert
	tensors map[string]*peer
}

// piece is where a parameter, or one expert's share of it, lies.
type piece struct {
	grid
	param  string
	expert int // −1 for the whole parameter
	tensor string
}

// peer is one of the peer's tensors.
type peer struct {
	shape  []int64
	pieces []piece
}

// newMap finds the place of every parameter. known tells which of a tensor's spellings is
// meant; nil takes the first.
func newMap(params []Param, names Names, known func(tensor string) bool) (*Map, error) {
	m := &Map{params: params, pieces: make([][]piece, len(params)), tensors: map[string]*peer{}}
	for i, p := range params {
		experts := 0
		if len(p.Shape) > 0 {
			experts = p.Shape[0]
		}
		s, ok := names(p.Name, experts)
		if !ok {
			return nil, fmt.Errorf("there is no tensor for the parameter %s", p.Name)
		}
		if err := m.place(i, s, known); err != nil {
			return nil, fmt.Errorf("parameter %s: %w", p.Name, err)
		}
	}
	return m, m.check()
}

// place notes where a parameter lies.
func (m *Map) place(i int, s Source, known func(tensor string) bool) error {
	p := m.params[i]
	names, shape, expert := s.Names, p.Shape, -1
	if s.Stacked {
		shape, expert = p.Shape[1:], 0
	} else if len(names) > 1 {
		names = names[:1]
		if at := slices.IndexFunc(s.Names, func(n string) bool { return known != nil && known(n) }); at >= 0 {
			names = s.Names[at : at+1]
		}
	}
	theirs, err := s.peerShape(shape)
	if err != nil {
		return err
	}
	for _, name := range names {
		x := piece{grid: s.gridOf(shape), param: p.Name, expert: expert, tensor: name}
		m.pieces[i] = append(m.pieces[i], x)
		t := m.tensors[name]
		if t == nil {
			t = &peer{shape: theirs}
			m.tensors[name] = t
		}
		t.pieces = append(t.pieces, x)
		if s.Stacked {
			expert++
		}
	}
	return nil
}

// check finds tensors that have two parameters in one place, or a part without one.
func (m *Map) check() error {
	for _, name := range m.Tensors() {
		t := m.tensors[name]
		taken := make([]bool, t.pieces[0].shares())
		for _, x := range t.pieces {
			if x.shares() != len(taken) || taken[x.Part.Index] {
				return fmt.Errorf("tensor %s would hold two parameters in one place, %s and %s", name, t.pieces[0].param, x.param)
			}
			taken[x.Part.Index] = true
		}
		if slices.Contains(taken, false) {
			return fmt.Errorf("tensor %s has a part that is no parameter, beside %s", name, t.pieces[0].param)
		}
	}
	return nil
}

// Tensors lists the peer's tensors by name.
func (m *Map) Tensors() []string {
	names := make([]string, 0, len(m.tensors))
	for n := range m.tensors {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Shape is the shape of one of the peer's tensors.
func (m *Map) Shape(tensor string) []int64 { return m.tensors[tensor].shape }

// Fits reports what the tensors of a checkpoint lack, have in another shape, or have too
// many; spare tells of those that mean nothing.
func (m *Map) Fits(t Tensors, spare func(tensor string) bool) error {
	for _, name := range m.Tensors() {
		want := m.tensors[name]
		info, ok := t.Info(name)
		if !ok {
			return fmt.Errorf("tensor %s is missing: it would be %s, %v", name, want.pieces[0].param, want.shape)
		}
		if !slices.Equal(squeezed(info.Shape), squeezed(want.shape)) {
			return fmt.Errorf("tensor %s has the shape %v, the configuration asks for %v", name, info.Shape, want.shape)
		}
		switch info.DType {
		case safetensors.F64, safetensors.F32, safetensors.F16, safetensors.BF16:
		default:
			return fmt.Errorf("tensor %s is %s: weights must be floats of 16, 32 or 64 bits", name, info.DType)
		}
	}
	var unknown []string
	for _, name := range t.Names() {
		if m.tensors[name] == nil && !spare(name) {
			unknown = append(unknown, name)
		}
	}
	switch n := len(unknown); {
	case n > 3:
		return fmt.Errorf("%d tensors belong to no parameter: %s, …", n, strings.Join(unknown[:3], ", "))
	case n > 0:
		return fmt.Errorf("tensor %s belongs to no parameter", strings.Join(unknown, ", "))
	}
	return nil
}

// squeezed is a shape without its axes of 1.
func squeezed(shape []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(shape), func(n int64) bool { return n == 1 })
}

// Read reads parameter i into our layout.
func (m *Map) Read(t Tensors, i int) ([]float32, error) {
	var out []float32
	at := 0
	for _, x := range m.pieces[i] {
		n := x.batch * x.rows * x.columns
		v, err := t.Float32(x.tensor)
		if err != nil {
			return nil, err
		}
		if len(v) != n*x.shares() {
			return nil, fmt.Errorf("tensor %s has %d numbers, want %d", x.tensor, len(v), n*x.shares())
		}
		if x.Layout != Transposed && len(v) == m.params[i].elements() {
			return v, nil // nothing to move: no second copy
		}
		if out == nil {
			out = make([]float32, m.params[i].elements())
		}
		x.move(out[at:at+n], v, false)
		at += n
	}
	return out, nil
}

// Write makes one of the peer's tensors. part reads n numbers of a parameter from at on.
func (m *Map) Write(tensor string, part func(param string, at, n int) ([]float32, error)) ([]float32, error) {
	var out []float32
	for _, x := range m.tensors[tensor].pieces {
		n := x.batch * x.rows * x.columns
		ours, err := part(x.param, max(x.expert, 0)*n, n)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = make([]float32, n*x.shares())
		}
		x.move(ours, out, true)
	}
	return out, nil
}

// Read reads the tensors of a source, each under a prefix, into our layout: shape is that
// of our parameter.
func Read(t Tensors, prefix string, s Source, shape []int) ([]float32, error) {
	m := &Map{params: []Param{{Shape: shape}}, pieces: make([][]piece, 1), tensors: map[string]*peer{}}
	if err := m.place(0, s.under(prefix), func(name string) bool { _, ok := t.Info(name); return ok }); err != nil {
		return nil, err
	}
	for name, p := range m.tensors {
		info, ok := t.Info(name)
		if !ok {
			return nil, fmt.Errorf("there is no tensor %s", name)
		}
		if !slices.Equal(squeezed(info.Shape), squeezed(p.shape)) {
			return nil, fmt.Errorf("tensor %s has the shape %v, ours is %v, which is %v there", name, info.Shape, shape, p.shape)
		}
	}
	return m.Read(t, 0)
}
