package torchfile

import (
	"fmt"
	"io"
	"slices"

	"github.com/moezoo/moezoo/safetensors"
)

// storage is the data behind one or several tensors: numel elements of a record.
type storage struct {
	record record
	dtype  safetensors.DType
	numel  int64
	verify func() error // compares the checksum, once
}

// tensor is a view of a storage. Offset and strides count elements.
type tensor struct {
	storage *storage
	offset  int64
	shape   []int64
	stride  []int64
}

// maxSpread is how many elements a view may have that has more than its storage, as
// expanded tensors do.
const maxSpread = 1 << 22

// newTensor checks that every element of a view lies within its storage.
func newTensor(s *storage, offset int64, shape, stride []int64) (*tensor, error) {
	const maxRank = 64
	if len(shape) != len(stride) || len(shape) > maxRank {
		return nil, fmt.Errorf("the shape has %d extents and there are %d strides; at most %d of each", len(shape), len(stride), maxRank)
	}
	t := &tensor{s, offset, shape, stride}
	if offset < 0 || offset > s.numel {
		return nil, t.outside()
	}
	for i, d := range shape {
		if d < 0 || stride[i] < 0 {
			return nil, fmt.Errorf("the extent %d with the stride %d is negative", d, stride[i])
		}
	}
	elements, last := int64(1), offset
	if slices.Contains(shape, 0) {
		return t, nil
	}
	limit := max(s.numel, maxSpread)
	for i, d := range shape {
		if d > limit/elements {
			return nil, fmt.Errorf("shape %v has more elements than its storage, %d", shape, s.numel)
		}
		elements *= d
		if d > 1 && stride[i] > (s.numel-1-last)/(d-1) {
			return nil, t.outside()
		}
		last += (d - 1) * stride[i]
	}
	if last >= s.numel {
		return nil, t.outside()
	}
	return t, t.checkOrder()
}

func (t *tensor) outside() error {
	return fmt.Errorf("shape %v with strides %v from element %d is outside of a storage of %d elements", t.shape, t.stride, t.offset, t.storage.numel)
}

func (t *tensor) elements() int64 {
	n := int64(1)
	for _, d := range t.shape {
		n *= d
	}
	return n
}

// axis is an axis of a view: its extent, its stride in the storage and in the result.
type axis struct{ n, stride, out int64 }

// axes lists the axes in order of falling strides, which is the order of the storage: a
// transposed matrix is read from beginning to end as well.
func (t *tensor) axes() []axis {
	var a []axis
	out := int64(1)
	for i := len(t.shape) - 1; i >= 0; i-- {
		if t.shape[i] != 1 {
			a = append(a, axis{t.shape[i], t.stride[i], out})
		}
		out *= t.shape[i]
	}
	slices.Reverse(a)
	slices.SortStableFunc(a, func(x, y axis) int {
		switch {
		case x.stride > y.stride:
			return -1
		case x.stride < y.stride:
			return 1
		}
		return 0
	})
	return a
}

// checkOrder refuses views of large storages that jump back while they are read: sliding
// windows, which no state dict has.
func (t *tensor) checkOrder() error {
	if t.storage.numel <= windowSize {
		return nil
	}
	inside := int64(0) // from the first to the last element of the inner axes
	for _, a := range slices.Backward(t.axes()) {
		if a.stride != 0 && a.stride <= inside {
			return fmt.Errorf("overlapping windows are unsupported: shape %v with strides %v", t.shape, t.stride)
		}
		inside += (a.n - 1) * a.stride
	}
	return nil
}

// read gathers the elements of a view, in order of its indices.
func (t *tensor) read(r io.ReaderAt) ([]float32, error) {
	out := make([]float32, t.elements())
	if len(out) == 0 {
		return out, nil
	}
	outer := t.axes()
	inner := axis{1, 1, 1}
	if n := len(outer); n > 0 {
		outer, inner = outer[:n-1], outer[n-1]
	}
	w := window{r: r, s: t.storage}
	index := make([]int64, len(outer))
	from, to := t.offset, int64(0)
	for {
		if err := w.gather(out, to, from, inner); err != nil {
			return nil, err
		}
		i := len(outer) - 1
		for ; i >= 0; i-- {
			a := outer[i]
			from, to = from+a.stride, to+a.out
			if index[i]++; index[i] < a.n {
				break
			}
			index[i], from, to = 0, from-a.n*a.stride, to-a.n*a.out
		}
		if i < 0 {
			return out, nil
		}
	}
}

// windowSize is how many elements of a storage are in memory at a time.
const windowSize = 1 << 18

// window is the part of a storage that is in memory, as floats.
type window struct {
	r      io.ReaderAt
	s      *storage
	at     int64
	floats []float32
	raw    []byte
}

// gather copies the elements of one axis.
func (w *window) gather(out []float32, to, from int64, a axis) error {
	for n := a.n; n > 0; {
		seen, err := w.from(from)
		if err != nil {
			return err
		}
		if a.stride == 1 && a.out == 1 {
			c := int64(copy(out[to:to+n], seen))
			n, from, to = n-c, from+c, to+c
			continue
		}
		for i := int64(0); n > 0 && i < int64(len(seen)); n-- {
			out[to] = seen[i]
			i, from, to = i+a.stride, from+a.stride, to+a.out
		}
	}
	return nil
}

// from is the storage's elements from one on, as many as are in memory; when there is
// none, the next are read.
func (w *window) from(at int64) ([]float32, error) {
	if at < w.at || at >= w.at+int64(len(w.floats)) {
		n := min(windowSize, w.s.numel-at)
		size := w.s.dtype.Size()
		if w.raw == nil {
			w.raw, w.floats = make([]byte, n*size), make([]float32, n)
		}
		w.raw, w.floats = w.raw[:n*size], w.floats[:n]
		if _, err := w.r.ReadAt(w.raw, w.s.record.at+at*size); err != nil {
			return nil, fmt.Errorf("%w (has the file shrunk?)", err)
		}
		if err := w.s.dtype.Floats(w.floats, w.raw); err != nil {
			return nil, err
		}
		w.at = at
	}
	return w.floats[at-w.at:], nil
}
