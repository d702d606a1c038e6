package routers

import (
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/plugins"
)

// prime is 2³¹ − 1: numbers below it and their products with small factors fit into int64.
const prime = 2147483647

// scramble mixes the bits of numbers below 2³¹ with products modulo primes, which every
// runtime computes alike in int64.
func scramble(b *plugins.Builder, x plugins.Value) plugins.Value {
	for _, m := range []int64{1103515245, 48271, 69621} {
		x = op.Mod(op.Add(op.Mul(x, b.Int64(m)), b.Int64(12345)), b.Int64(prime))
		x = op.Add(x, op.Div(x, b.Int64(65536)))
	}
	return op.Mod(x, b.Int64(prime))
}

// uniform draws numbers strictly between 0 and 1, [T, n] for x [T, ...]: a function of the
// layer's random key, of the token's place in the batch and of the draw alone. Draws of
// different numbers draw are independent.
func uniform(b *plugins.Builder, x plugins.Value, n, draw int64) plugins.Value {
	tokens := op.Slice(op.ShapeOf(x), 0, 0, 1) // int64 [1]
	place := op.Range(b.Int64(0), op.Mul(op.Squeeze(tokens, 0), b.Int64(n)), b.Int64(1))
	key := b.Int64(draw)
	for i := range int64(2) {
		word := op.Mod(op.Squeeze(op.Slice(b.RNG, 0, i, i+1), 0), b.Int64(prime))
		key = scramble(b, op.Mod(op.Add(key, word), b.Int64(prime)))
	}
	h := scramble(b, op.Mod(op.Add(place, key), b.Int64(prime)))
	bits := op.Cast(op.Div(h, b.Int64(256)), graph.Float32) // the upper 23: exact in float32
	u := op.Scale(op.Add(bits, b.Float(0.5)), 1.0/(1<<23))
	return op.ReshapeTo(u, op.Concat(0, tokens, b.Int64s(n)))
}

// normal draws standard normal numbers [T, n] by the method of Box and Muller.
func normal(b *plugins.Builder, x plugins.Value, n, draw int64) plugins.Value {
	radius := op.Sqrt(op.Scale(op.Log(uniform(b, x, n, 2*draw)), -2))
	return op.Mul(radius, op.Cos(op.Scale(uniform(b, x, n, 2*draw+1), 2*math.Pi)))
}
