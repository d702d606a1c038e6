package verify

import (
	"context"
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/backend"
	"github.com/moezoo/moezoo/export/ort"
	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/lower"
	"github.com/moezoo/moezoo/graph/onnx"
)

// exported writes the inference form in standard operators, as a file of its own, and runs it
// in ONNX Runtime, or, where there is none, reads it back into the evaluator.
func exported(ctx context.Context, s *subject) (string, error) {
	lowered, err := lower.Graph(s.f.Infer)
	if err != nil {
		return "", err
	}
	m, err := onnx.Model(lowered, onnx.ModelOptions{})
	if err != nil {
		return "", err
	}
	raw, err := proto.Marshal(m)
	if err != nil {
		return "", err
	}
	run, where, done, err := s.runtime(raw)
	if err != nil {
		return "", err
	}
	defer done()
	for _, n := range []int{1, 6} {
		in, err := drawn(rand.New(rand.NewPCG(11, uint64(n))), s.f, s.f.Infer, s.dims, n)
		if err != nil {
			return "", err
		}
		want, err := evaluate(ctx, s.device, s.f.Infer, in)
		if err != nil {
			return "", err
		}
		got, err := run(ctx, in)
		if err != nil {
			return "", fmt.Errorf("%s: %w", where, err)
		}
		for _, v := range s.f.Infer.Outputs {
			if err := equal(v.Name, got[v.Name], want[v.Name]); err != nil {
				return "", fmt.Errorf("%s, of %d tokens: %w here", where, n, err)
			}
		}
	}
	return where + ", to 1e-5", nil
}

// runner runs a file.
type runner func(context.Context, tensors) (tensors, error)

// runtime is what runs a file, what it is called, and how it is let go of.
func (s *subject) runtime(raw []byte) (run runner, where string, done func(), err error) {
	rt, err := ort.Load()
	if err != nil {
		f, err := onnx.ReadBytes(raw)
		if err != nil {
			return nil, "", nil, fmt.Errorf("the exported file: %w", err)
		}
		return func(ctx context.Context, in tensors) (tensors, error) { return evaluate(ctx, s.device, f.Graph, in) },
			"read back, as there is no ONNX Runtime here", func() {}, nil
	}
	session, err := ort.OpenBytes(raw, ort.Options{IntraOpThreads: 1})
	if err != nil {
		return nil, "", nil, err
	}
	return func(_ context.Context, in tensors) (tensors, error) {
		given := map[string]ort.Tensor{}
		for name, t := range in {
			given[name] = toORT(t)
		}
		out, err := session.Run(given)
		if err != nil {
			return nil, err
		}
		answers := tensors{}
		for name, t := range out {
			answers[name] = fromORT(t)
		}
		return answers, nil
	}, "ONNX Runtime " + rt.Version, func() { session.Close() }, nil
}

func toORT(t *backend.Tensor) ort.Tensor {
	out := ort.Tensor{Shape: make([]int64, len(t.Shape))}
	for i, n := range t.Shape {
		out.Shape[i] = int64(n)
	}
	if t.DType == graph.Int64 {
		out.I64 = t.I64()
	} else {
		out.F32 = t.F32()
	}
	return out
}

// fromORT is nil for types that no function answers.
func fromORT(t ort.Tensor) *backend.Tensor {
	shape := make([]int, len(t.Shape))
	for i, n := range t.Shape {
		shape[i] = int(n)
	}
	switch {
	case t.F32 != nil:
		out := backend.NewTensor(graph.Float32, shape...)
		copy(out.F32(), t.F32)
		return out
	case t.I64 != nil:
		out := backend.NewTensor(graph.Int64, shape...)
		copy(out.I64(), t.I64)
		return out
	}
	return nil
}
