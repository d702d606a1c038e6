//go:build !cgo

package ort

// Session stands for a loaded model; without cgo none can be made.
type Session struct{}

// Open answers ErrNoCgo.
func Open(string, Options) (*Session, error) { return nil, ErrNoCgo }

// OpenBytes answers ErrNoCgo.
func OpenBytes([]byte, Options) (*Session, error) { return nil, ErrNoCgo }

// Name of no model.
func (*Session) Name() string { return "" }

// Inputs of no model.
func (*Session) Inputs() []IOInfo { return nil }

// Outputs of no model.
func (*Session) Outputs() []IOInfo { return nil }

// Metadata of no model.
func (*Session) Metadata() map[string]string { return nil }

// Run answers ErrNoCgo.
func (*Session) Run(map[string]Tensor) (map[string]Tensor, error) { return nil, ErrNoCgo }

// Close does nothing.
func (*Session) Close() error { return nil }

// Load answers ErrNoCgo.
func Load() (Runtime, error) { return Runtime{}, ErrNoCgo }

// Available tells whether this build can run models at all.
func Available() error { return ErrNoCgo }

// Decoder stands for a model being decoded; without cgo none can be made.
type Decoder struct{}

// NewDecoder answers ErrNoCgo.
func NewDecoder(*Session, int) (*Decoder, error) { return nil, ErrNoCgo }

// Len of no sequence.
func (*Decoder) Len() int { return 0 }

// Step answers ErrNoCgo.
func (*Decoder) Step([]int64) (Tensor, error) { return Tensor{}, ErrNoCgo }

// Reset does nothing.
func (*Decoder) Reset() {}

// Close does nothing.
func (*Decoder) Close() error { return nil }
