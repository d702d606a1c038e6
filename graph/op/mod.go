package op

import "github.com/moezoo/moezoo/graph"

// Mod is the remainder of a / b with the sign of b; of floats, with the sign of a.
func Mod(a, b Value) Value {
	if a.Type.DType.IsFloat() {
		return one(mod, graph.Attrs{"fmod": int64(1)}, a, b)
	}
	return one(mod, nil, a, b)
}

var mod *graph.Op

func init() {
	mod = graph.Register(&graph.Op{
		Name: "Mod", Since: 13, Doc: "c = a − b·⌊a/b⌋, or with fmod = 1 the remainder that has the sign of a",
		Inputs:  []graph.Arg{{Name: "a", Doc: "any shape"}, {Name: "b", Doc: "broadcasts with a"}},
		Outputs: []graph.Arg{{Name: "c", Doc: "the broadcast shape"}},
		Attrs:   []graph.Attr{{Name: "fmod", Kind: graph.IntAttr, Doc: "1: sign of a; needed for floats"}},
		Infer: contentInfer(func(a, b graph.Dim) (graph.Dim, bool) {
			q, ok := divideDims(a, b)
			if !ok || !a.NonNegative() || !b.NonNegative() {
				return graph.Dim{}, false
			}
			return a.Sub(q.Mul(b)), true
		}),
		NoGrad: "a remainder jumps; take a − b·Floor(a/b) where its slope is meant",
	})
}
