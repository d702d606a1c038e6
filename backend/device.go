package backend

import (
	"context"
	"time"

	"github.com/moezoo/moezoo/graph"
)

// Device is one place where graphs run. The host sees handles and explicit copies,
// never a device's memory.
type Device interface {
	// Name is "cpu" or "cuda:0".
	Name() string
	// Supports says why a node cannot run here; nil when it can.
	Supports(n *graph.Node) error
	// Alloc makes a zeroed buffer that lives until it is freed.
	Alloc(dtype graph.DType, shape ...int) (Buffer, error)
	// NewStream makes a queue of work; copies and runs on one stream happen in order.
	NewStream() (Stream, error)
	// Scratch is how many bytes of temporary memory a node's kernel needs.
	Scratch(c *Call) int
	// Compile turns a plan into a program. Nothing is allocated when it runs. Its
	// intermediate values lie in arena, which programs that never run at the same time may
	// share; without one, or with one of less than p.Bytes(), they get memory of their own.
	Compile(p *Plan, arena Buffer) (Program, error)
	// Close frees everything that the device still holds.
	Close() error
}

// Buffer is memory on a device.
type Buffer interface {
	DType() graph.DType
	Shape() []int
	// Upload copies a host tensor of the same type and size into the buffer; Download copies
	// back. On a stream the copy is asynchronous until the stream is synchronised; the
	// host tensor must not change meanwhile. A nil stream copies at once.
	Upload(s Stream, from *Tensor) error
	Download(s Stream, to *Tensor) error
	// Copy copies another buffer of the same device, type and size.
	Copy(s Stream, from Buffer) error
	Free()
}

// Bytes is the memory that a buffer's values take.
func Bytes(b Buffer) int {
	n := b.DType().Size()
	for _, d := range b.Shape() {
		n *= d
	}
	return n
}

// Stream is an ordered queue of copies and runs.
type Stream interface {
	// Record marks the present end of the queue.
	Record() Event
	// Wait makes later work of this stream wait for an event of another.
	Wait(e Event)
	// Sync blocks until the queue is empty and reports the first fault in it.
	Sync() error
	Close()
}

// Event is a mark in a stream.
type Event interface{ Sync() error }

// Program is a compiled plan with its arena.
type Program interface {
	// Bind sets the memory behind an input, parameter or output of the plan's graph. All of
	// them must be bound before the first run; binding again replaces. An output may share
	// the buffer of an input when the operator that makes it declares so in its InPlace.
	Bind(name string, b Buffer) error
	// Run executes the plan on a stream, or at once when s is nil.
	Run(ctx context.Context, s Stream) error
	// Close frees the arena.
	Close()
}

// Packer is a device whose products read weights faster that were cut into panels before
// (the operators Panels and Product), as long as they need not be cut for each product.
type Packer interface {
	// PanelWidth is the number of columns of a panel.
	PanelWidth() int64
	// Packs tells whether that pays for a product of so many rows with a matrix [k, n], or
	// with the transpose of [n, k].
	Packs(rows, n, k int, transposed bool) bool
}

// Observed is a program that can tell how long each node takes. Nodes that cost nothing,
// such as views, are not told of. A nil function ends it.
type Observed interface {
	Observe(func(n *graph.Node, took time.Duration))
}
