package cpu

import (
	"fmt"
	"runtime"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu/kernel"
	"github.com/moezoo/moezoo/graph"
)

// Device is the processor with its pool of workers. One program runs at a time.
type Device struct {
	Pool *kernel.Pool
	task rowTask
}

// New makes a device with a number of threads; 0 takes one per available processor.
// Results do not depend on it.
func New(threads int) *Device {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Device{Pool: kernel.NewPool(threads)}
}

// Name is "cpu".
func (d *Device) Name() string { return "cpu" }

// Close ends the workers.
func (d *Device) Close() error {
	d.Pool.Close()
	return nil
}

// Alloc makes a zeroed buffer in host memory.
func (d *Device) Alloc(dtype graph.DType, shape ...int) (backend.Buffer, error) {
	return &Buffer{backend.NewTensor(dtype, shape...)}, nil
}

// Buffer is host memory.
type Buffer struct{ t *backend.Tensor }

// Wrap makes a buffer of a tensor, sharing its memory.
func Wrap(t *backend.Tensor) *Buffer { return &Buffer{t} }

// Tensor is the memory behind the buffer.
func (b *Buffer) Tensor() *backend.Tensor { return b.t }

// DType is the element type.
func (b *Buffer) DType() graph.DType { return b.t.DType }

// Shape is the shape it was made with.
func (b *Buffer) Shape() []int { return b.t.Shape }

// Free lets go of the memory.
func (b *Buffer) Free() { b.t = &backend.Tensor{DType: b.t.DType} }

// Upload copies from a host tensor.
func (b *Buffer) Upload(_ backend.Stream, from *backend.Tensor) error { return transfer(b.t, from) }

// Download copies to a host tensor.
func (b *Buffer) Download(_ backend.Stream, to *backend.Tensor) error { return transfer(to, b.t) }

// Copy copies from another buffer.
func (b *Buffer) Copy(_ backend.Stream, from backend.Buffer) error {
	host, ok := from.(*Buffer)
	if !ok {
		return fmt.Errorf("copy from a buffer of another device (%T)", from)
	}
	return transfer(b.t, host.t)
}

func transfer(to, from *backend.Tensor) error {
	if to.DType != from.DType || len(to.Data) != len(from.Data) {
		return fmt.Errorf("copy of %v%v into %v%v", from.DType, from.Shape, to.DType, to.Shape)
	}
	copy(to.Data, from.Data)
	return nil
}

// stream runs everything at once: the processor has no queue of its own.
type stream struct{ err error }

// NewStream makes a stream whose work is done when a call returns.
func (d *Device) NewStream() (backend.Stream, error) { return &stream{}, nil }

func (s *stream) Record() backend.Event { return done{} }
func (s *stream) Wait(backend.Event)    {}
func (s *stream) Sync() error           { return s.err }
func (s *stream) Close()                {}

type done struct{}

func (done) Sync() error { return nil }

var _ backend.Device = (*Device)(nil)
