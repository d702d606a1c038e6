package op

import "github.com/moezoo/moezoo/graph"

// LogSoftmax is x − ln Σ exp(x) along an axis.
func LogSoftmax(x Value, axis int64) Value { return one(logSoftmax, axisAttr(axis), x) }

var logSoftmax *graph.Op

func init() {
	logSoftmax = alongAxis("LogSoftmax", 13, "y = x − ln Σ exp(x) along axis, computed without overflow", func(c *graph.Grad) []Value {
		dy, axes := c.DOut[0], []int64{c.Int("axis", -1)}
		return []Value{Sub(dy, Mul(Exp(c.Out(0)), ReduceSum(dy, axes, true)))}
	})
}
