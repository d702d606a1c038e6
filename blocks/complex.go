package blocks

import "github.com/moezoo/moezoo/graph/op"

// pair is a tensor of complex numbers, in real arithmetic.
type pair struct{ re, im Value }

// pairOf reads [..., 2].
func pairOf(x Value) pair {
	parts := op.Split(x, -1, 1, 1)
	return pair{op.Squeeze(parts[0], -1), op.Squeeze(parts[1], -1)}
}

// stacked is [..., 2].
func (a pair) stacked() Value { return op.Concat(-1, op.Unsqueeze(a.re, -1), op.Unsqueeze(a.im, -1)) }

// times is a·b, with broadcasting.
func (a pair) times(b pair) pair {
	return pair{op.Sub(op.Mul(a.re, b.re), op.Mul(a.im, b.im)), op.Add(op.Mul(a.re, b.im), op.Mul(a.im, b.re))}
}

// scaled is f·a for a real f.
func (a pair) scaled(f Value) pair { return pair{op.Mul(a.re, f), op.Mul(a.im, f)} }

// over is a / b.
func (a pair) over(b pair) pair {
	size := op.Reciprocal(op.Add(op.Mul(b.re, b.re), op.Mul(b.im, b.im)))
	return a.times(pair{b.re, op.Neg(b.im)}).scaled(size)
}

// exp is eᵃ.
func (a pair) exp() pair {
	size := op.Exp(a.re)
	return pair{op.Mul(size, op.Cos(a.im)), op.Mul(size, op.Sin(a.im))}
}

// expm1 is eᵃ − 1 without loss of digits near 0, where small step sizes put it:
// with t = tanh(x/2), eˣ − 1 = 2t/(1 − t), and cos y − 1 = −2 sin²(y/2).
func (a pair) expm1() pair {
	one := a.re.Graph().Float(1)
	t := op.Tanh(op.Scale(a.re, 0.5))
	grown := op.Div(op.Scale(t, 2), op.Sub(one, t))
	half := op.Sin(op.Scale(a.im, 0.5))
	re := op.Sub(op.Mul(grown, op.Cos(a.im)), op.Scale(op.Mul(half, half), 2))
	return pair{re, op.Mul(op.Exp(a.re), op.Sin(a.im))}
}
