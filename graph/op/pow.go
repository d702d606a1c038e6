package op

import "github.com/moezoo/moezoo/graph"

// Pow is x to the power of e, with broadcasting. The result has the type of x.
func Pow(x, e Value) Value { return one(pow, nil, x, e) }

var pow *graph.Op

func init() {
	pow = graph.Register(&graph.Op{
		Name: "Pow", Since: 15, Doc: "y = x^e, in the type of x",
		Inputs:  []graph.Arg{{Name: "x", Doc: "any shape"}, {Name: "e", Doc: "broadcasts with x; may have another type"}},
		Outputs: []graph.Arg{{Name: "y", Doc: "the broadcast shape"}},
		Infer: func(c *graph.Infer) error {
			if err := wantNumbers(c, 0, 1); err != nil {
				return err
			}
			s, err := graph.Broadcast(c.Shape(0), c.Shape(1))
			if err != nil {
				return err
			}
			c.Out(0, c.DType(0), s)
			return nil
		},
		Grad:    gradPow,
		InPlace: []int{0},
	})
}

// gradPow: dx = dy · e · x^(e−1); de = dy · y · ln x where x > 0, else 0. A constant
// exponent gets no gradient.
func gradPow(c *graph.Grad) []Value {
	x, e, dy := c.In(0), c.In(1), c.DOut[0]
	if t := e.Data(); t != nil && t.Elements() == 1 {
		if v, err := t.Float32s(); err == nil && v[0] == 2 {
			return []Value{SumTo(Mul(dy, Scale(x, 2)), x), nil}
		}
	}
	ex := e
	if e.Type.DType != x.Type.DType {
		ex = Cast(e, x.Type.DType)
	}
	dx := SumTo(Mul(dy, Mul(ex, Pow(x, Sub(ex, scalarLike(x, 1))))), x)
	if e.Data() != nil || !e.Type.DType.IsFloat() {
		return []Value{dx, nil}
	}
	zero := scalarLike(x, 0)
	slope := Where(Greater(x, zero), Mul(c.Out(0), Log(x)), zero)
	de := SumTo(Mul(dy, slope), e)
	if e.Type.DType != x.Type.DType {
		de = Cast(de, e.Type.DType)
	}
	return []Value{dx, de}
}
