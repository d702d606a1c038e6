package export

import (
	"context"
	"fmt"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/backend/cpu"
	"github.com/moezoo/moezoo/backend/eval"
	"github.com/moezoo/moezoo/export/ort"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/onnx"
)

// Runner runs a file on named tensors: a session of ONNX Runtime, or the evaluator.
type Runner interface {
	Name() string
	Inputs() []ort.IOInfo
	Outputs() []ort.IOInfo
	Run(in map[string]ort.Tensor) (map[string]ort.Tensor, error)
}

// Evaluated is a file read back and run by the project's own evaluator, operator by
// operator: the second opinion where no other runtime is at hand.
type Evaluated struct {
	path            string
	inputs, outputs []ort.IOInfo
	file            *onnx.File
	device          *cpu.Device
}

// Evaluate reads a file back.
func Evaluate(path string) (*Evaluated, error) {
	inputs, outputs, err := ort.ReadModelIO(path)
	if err != nil {
		return nil, err
	}
	f, err := onnx.Read(path)
	if err != nil {
		return nil, err
	}
	return &Evaluated{path, inputs, outputs, f, cpu.New(0)}, nil
}

// Name is the file.
func (e *Evaluated) Name() string { return e.path }

// Inputs are the file's inputs.
func (e *Evaluated) Inputs() []ort.IOInfo { return e.inputs }

// Outputs are the file's outputs.
func (e *Evaluated) Outputs() []ort.IOInfo { return e.outputs }

// Close ends the workers.
func (e *Evaluated) Close() error { return e.device.Close() }

// Run computes all outputs.
func (e *Evaluated) Run(in map[string]ort.Tensor) (map[string]ort.Tensor, error) {
	tensors := map[string]*backend.Tensor{}
	for name, t := range in {
		shape := make([]int, len(t.Shape))
		for i, d := range t.Shape {
			shape[i] = int(d)
		}
		switch {
		case t.F32 != nil:
			tensors[name] = backend.NewTensor(graph.Float32, shape...)
			copy(tensors[name].F32(), t.F32)
		case t.I64 != nil:
			tensors[name] = backend.NewTensor(graph.Int64, shape...)
			copy(tensors[name].I64(), t.I64)
		default:
			return nil, fmt.Errorf("input %q is neither float32 nor int64", name)
		}
	}
	values, err := eval.New(e.file.Graph, e.device, eval.Limits{}).Run(context.Background(), tensors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.path, err)
	}
	out := map[string]ort.Tensor{}
	for i, v := range values {
		t := ort.Tensor{F32: v.F32()}
		for _, d := range v.Shape {
			t.Shape = append(t.Shape, int64(d))
		}
		out[e.outputs[i].Name] = t
	}
	return out, nil
}
