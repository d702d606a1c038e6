package op

import (
	"errors"

	"github.com/moezoo/moezoo/graph"
)

// DocumentStarts is, for every token, the position at which its document begins: one
// begins at position 0 and behind every separator. ids int64 [B, L] → int64 [B, L].
func DocumentStarts(ids Value, separator int64) Value {
	return one(documentStarts, graph.Attrs{"separator": separator}, ids)
}

var documentStarts *graph.Op

var errFirst = errors.New("document boundaries are part of training only: files hold one document a row")

// firstArg is the input by which mixers stay inside a document.
var firstArg = graph.Arg{Name: "first", Doc: "int64 [B, L], where the document of each token begins, as of DocumentStarts; absent for one document a row", Optional: true}

func init() {
	documentStarts = graph.Register(&graph.Op{
		Name: "DocumentStarts", Domain: graph.Domain, Since: 1, Doc: "first[b, t] = the largest s ≤ t with s = 0 or ids[b, s−1] = separator",
		Inputs:  []graph.Arg{{Name: "ids", Doc: "int64 [B, L]"}},
		Outputs: []graph.Arg{{Name: "first", Doc: "int64 [B, L]"}},
		Attrs:   []graph.Attr{{Name: "separator", Kind: graph.IntAttr, Doc: "the token that ends a document", Required: true}},
		Infer: func(c *graph.Infer) error {
			if err := c.Want(0, graph.Int64, 2); err != nil {
				return err
			}
			c.Out(0, graph.Int64, c.Shape(0))
			return nil
		},
		NoGrad:  intOutput,
		NoLower: trainingOnly,
	})
}

// wantFirst checks input i, which may tell where documents begin in [B, L].
func wantFirst(c *graph.Infer, i int, b, l graph.Dim) error {
	return c.WantShape(i, graph.Int64, b, l)
}

// refuseFirst is the lowering's answer to an input that only training has.
func refuseFirst(c *graph.Lower, i int) bool {
	if c.In(i) == nil {
		return false
	}
	c.G.Fail(errFirst)
	return true
}
