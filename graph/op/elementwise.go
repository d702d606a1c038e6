package op

import (
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
)

// sameAsInput is the inference of operators whose only output has the type of input 0.
func sameAsInput(c *graph.Infer) error {
	c.Out(0, c.DType(0), c.Shape(0))
	return nil
}

// floatSameAsInput is sameAsInput for operators on floats.
func floatSameAsInput(c *graph.Infer) error {
	if !c.DType(0).IsFloat() {
		return fmt.Errorf("got %v%v, want floats", c.DType(0), c.Shape(0))
	}
	return sameAsInput(c)
}

// wantFloats checks that inputs hold floats.
func wantFloats(c *graph.Infer, inputs ...int) error {
	for _, i := range inputs {
		if !c.DType(i).IsFloat() {
			return fmt.Errorf("got %v%v, want floats", c.DType(i), c.Shape(i))
		}
	}
	return nil
}

// wantNumbers checks that inputs hold floats or integers.
func wantNumbers(c *graph.Infer, inputs ...int) error {
	for _, i := range inputs {
		if t := c.DType(i); !t.IsFloat() && !t.IsInt() {
			return fmt.Errorf("got %v%v, want numbers", t, c.Shape(i))
		}
	}
	return nil
}

// scalarLike is a constant scalar of the element type of x.
func scalarLike(x Value, v float64) Value {
	g := x.Graph()
	switch t := x.Type.DType; t {
	case graph.Float64:
		data := binary64(v)
		return g.Const("c", &graph.Tensor{DType: t, Data: data})
	case graph.Int64:
		return g.Int64(int64(v))
	case graph.Float32, graph.InvalidType:
		return g.Float(v)
	default:
		return Cast(g.Float(v), t)
	}
}

// binary64 is v as little-endian float64 data.
func binary64(v float64) []byte {
	bits := math.Float64bits(v)
	out := make([]byte, 8)
	for i := range out {
		out[i] = byte(bits >> (8 * i))
	}
	return out
}

// flat is the gradient of steps: zero wherever it exists.
func flat(*graph.Grad) []Value { return []Value{nil} }

// Reasons for the lack of a gradient that several operators share.
const (
	boolOutput = "its output is bool"
	intOutput  = "its output is integer"
)

// unary describes an operator y = f(x) on floats, elementwise.
func unary(name string, since int, doc string, grad func(c *graph.Grad) []Value) *graph.Op {
	return graph.Register(&graph.Op{
		Name: name, Since: since, Doc: doc,
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "shape of x"}},
		Infer:   floatSameAsInput,
		Grad:    grad,
		InPlace: []int{0},
	})
}

// unaryNumber is unary for operators that integers have, too.
func unaryNumber(name string, since int, doc string, grad func(c *graph.Grad) []Value) *graph.Op {
	op := unary(name, since, doc, grad)
	op.Infer = func(c *graph.Infer) error {
		if err := wantNumbers(c, 0); err != nil {
			return err
		}
		return sameAsInput(c)
	}
	return op
}

// comparison describes a relation between two broadcast operands.
func comparison(name string, since int, doc string) *graph.Op {
	op := binary(name, since, doc, func(c *graph.Infer) error { return boolInfer(c, c.DType(0)) }, nil)
	op.NoGrad, op.InPlace = boolOutput, nil
	return op
}

// logical describes an operator on two broadcast bools.
func logical(name, doc string) *graph.Op {
	op := binary(name, 7, doc, func(c *graph.Infer) error { return boolInfer(c, graph.Bool) }, nil)
	op.NoGrad = boolOutput
	return op
}

// boolInfer is the inference of a bool result of two broadcast operands of a type.
func boolInfer(c *graph.Infer, operands graph.DType) error {
	for i := range 2 {
		if err := c.Want(i, operands, -1); err != nil {
			return err
		}
	}
	s, err := graph.Broadcast(c.Shape(0), c.Shape(1))
	if err != nil {
		return err
	}
	c.Out(0, graph.Bool, s)
	return nil
}

// broadcastInfer is the inference of arithmetic with two broadcast operands.
func broadcastInfer(c *graph.Infer) error {
	if c.DType(0) != c.DType(1) {
		return fmt.Errorf("operands of types %v and %v", c.DType(0), c.DType(1))
	}
	s, err := graph.Broadcast(c.Shape(0), c.Shape(1))
	if err != nil {
		return err
	}
	c.Out(0, c.DType(0), s)
	return nil
}

// contentInfer is broadcastInfer for arithmetic that shape computations use: f combines
// the known elements of small integer operands.
func contentInfer(f func(a, b graph.Dim) (graph.Dim, bool)) func(c *graph.Infer) error {
	return func(c *graph.Infer) error {
		if err := broadcastInfer(c); err != nil {
			return err
		}
		a, okA := c.Content(0)
		b, okB := c.Content(1)
		if !okA || !okB || len(a) == 0 || len(b) == 0 || (len(a) != len(b) && len(a) != 1 && len(b) != 1) {
			return nil
		}
		out := make([]graph.Dim, max(len(a), len(b)))
		for i := range out {
			var ok bool
			if out[i], ok = f(a[min(i, len(a)-1)], b[min(i, len(b)-1)]); !ok || out[i].Is(math.MaxInt64) {
				return nil // not known, or beyond what a Dim can say
			}
		}
		c.SetContent(0, out)
		return nil
	}
}

// binary describes arithmetic on two broadcast operands.
func binary(name string, since int, doc string, infer func(c *graph.Infer) error, grad func(c *graph.Grad) []Value) *graph.Op {
	return graph.Register(&graph.Op{
		Name: name, Since: since, Doc: doc,
		Inputs:  []graph.Arg{{Name: "a", Doc: "any shape"}, {Name: "b", Doc: "broadcasts with a"}},
		Outputs: []graph.Arg{{Name: "c", Doc: "the broadcast shape"}},
		Infer:   infer,
		Grad:    grad,
		InPlace: []int{0},
	})
}

// SumTo reduces a gradient to the shape of an operand that was broadcast.
func SumTo(dy Value, like Value) Value {
	from, to := dy.Shape(), like.Shape()
	if from.Equal(to) {
		return dy
	}
	lead := len(from) - len(to)
	var axes []int64
	for i, d := range from {
		if i < lead || (to[i-lead].Is(1) && !d.Is(1)) {
			axes = append(axes, int64(i))
		}
	}
	if len(axes) == 0 {
		return dy
	}
	summed := ReduceSum(dy, axes, true)
	if lead == 0 {
		return summed
	}
	drop := make([]int64, lead)
	for i := range drop {
		drop[i] = int64(i)
	}
	return Squeeze(summed, drop...)
}
