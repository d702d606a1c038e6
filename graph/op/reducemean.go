package op

import "github.com/moezoo/moezoo/graph"

// ReduceMean is the mean over axes, all when nil; keep leaves them with extent 1.
func ReduceMean(x Value, axes []int64, keep bool) Value { return reduce(reduceMean, x, axes, keep) }

var reduceMean *graph.Op

func init() {
	reduceMean = reduction("ReduceMean", 18, "y = mean of x over axes", func(c *graph.Grad, dy Value) Value {
		x, y := c.In(0), c.Out(0)
		if n, ok := x.Shape().Elements().Div(y.Shape().Elements()); ok {
			if count, ok := n.Int(); ok {
				return ExpandLike(Scale(dy, 1/float64(count)), x)
			}
		}
		count := Cast(Div(Size(x), Size(y)), x.Type.DType)
		return ExpandLike(Div(dy, count), x)
	})
}
