package op

import "github.com/moezoo/moezoo/graph"

// ReduceProd is the product over axes, all when nil; keep leaves them with extent 1.
func ReduceProd(x Value, axes []int64, keep bool) Value { return reduce(reduceProd, x, axes, keep) }

var reduceProd *graph.Op

func init() {
	reduceProd = reduction("ReduceProd", 18, "y = Π x over axes", nil)
	reduceProd.Grad, reduceProd.NoGrad = nil, "it needs a case for zeros; take Exp of ReduceSum of Log for positive factors"
}
