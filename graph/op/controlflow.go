package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// controlFlow is why control flow has no gradient.
const controlFlow = "control flow serves evaluation; what is trained has a fused operator"

// closeBody gives a body its outputs. A value made outside of the body, an input or one that
// is given twice passes through Identity, as files require.
func closeBody(b *graph.Graph, outputs []Value) {
	seen := map[Value]bool{}
	for _, v := range outputs {
		if v.Node() == nil || v.Graph() != b || seen[v] {
			v = b.Apply(identity, nil, 1, v)[0]
		}
		seen[v] = true
		b.Output(v)
	}
}

// bodyTypes checks that the outputs of a body are known and gives their types.
func bodyTypes(b *graph.Graph) ([]graph.Type, error) {
	types := make([]graph.Type, len(b.Outputs))
	for i, v := range b.Outputs {
		if v == nil || !v.Known() {
			return nil, fmt.Errorf("the type of output %d of the body is not known", i)
		}
		types[i] = v.Type
	}
	return types, nil
}

func sameType(a, b graph.Type) bool { return a.DType == b.DType && a.Shape.Equal(b.Shape) }
