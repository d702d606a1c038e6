package op

import "github.com/moezoo/moezoo/graph"

// IgnoreTarget marks a position that has no target: its loss and gradient are 0.
const IgnoreTarget = -100

// CrossEntropy is −log softmax(logits)[target] for every token: logits [T, V], target
// int64 [T] → loss [T] in nats, 0 where the target is IgnoreTarget.
func CrossEntropy(logits, target Value) Value { return many(crossEntropy, nil, 2, logits, target)[0] }

var crossEntropy, crossEntropyGrad *graph.Op

func init() {
	crossEntropy = graph.Register(&graph.Op{
		Name: "CrossEntropy", Domain: graph.Domain, Since: 1, Doc: "loss[t] = logsumexp(logits[t]) − logits[t, target[t]], 0 where target[t] = −100",
		Inputs: []graph.Arg{{Name: "logits", Doc: "[T, V]"}, {Name: "target", Doc: "int64 [T]"}},
		Outputs: []graph.Arg{
			{Name: "loss", Doc: "[T]"}, {Name: "lse", Doc: "logsumexp(logits[t]) [T]", Optional: true},
		},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Float32, 2); err != nil {
				return err
			}
			t := c.Shape(0)[:1]
			if err := c.WantShape(1, graph.Int64, t...); err != nil {
				return err
			}
			c.Out(0, graph.Float32, t)
			c.Out(1, graph.Float32, t)
			return nil
		},
		Grad: func(c *graph.Grad) []Value {
			return []Value{one(crossEntropyGrad, nil, c.DOut[0], c.In(0), c.In(1), c.Out(1)), nil}
		},
		Lower: func(c *graph.Lower) []Value {
			logits, target := c.In(0), c.In(1)
			zero := c.G.Int64(0)
			picked := GatherElements(LogSoftmax(logits, -1), Unsqueeze(Max(target, zero), 1), 1)
			loss := Neg(Squeeze(picked, 1))
			return []Value{Where(Less(target, zero), c.G.Float(0), loss)}
		},
	})
	crossEntropyGrad = graph.Register(&graph.Op{
		Name: "CrossEntropyGrad", Domain: graph.Domain, Since: 1, Doc: "dlogits[t, v] = dloss[t] · (exp(logits[t, v] − lse[t]) − [v = target[t]])",
		Inputs: []graph.Arg{
			{Name: "dloss", Doc: "[T]"}, {Name: "logits", Doc: "[T, V]"}, {Name: "target", Doc: "int64 [T]"}, {Name: "lse", Doc: "[T]"},
		},
		Outputs: []graph.Arg{{Name: "dlogits", Doc: "[T, V]"}},
		Infer: func(c *graph.Infer) error {
			c.Out(0, graph.Float32, c.Shape(1))
			return nil
		},
		NoGrad: "second derivatives are not built", NoLower: trainingOnly,
		InPlace: []int{1},
	})
}
