package blocks

import (
	"slices"
	"strings"

	"github.com/moezoo/moezoo/graph"
)

// Counts are the sizes of a model. No weight is allocated to find them.
type Counts struct {
	// Total and Active are all parameters that training changes, and those that one token meets: of E experts only
	// k, the router whole.
	Total  int64 `json:"total"`
	Active int64 `json:"active"`
	// TotalOf and ActiveOf are the same of each parameter, by name.
	TotalOf  map[string]int64 `json:"-"`
	ActiveOf map[string]int64 `json:"-"`
	// PaperTotal and PaperActive count as the MoE-Mamba paper does: without embedding, head,
	// positions and final norm.
	PaperTotal  int64 `json:"paper_total"`
	PaperActive int64 `json:"paper_active"`
	// FLOPs is the floating-point operations of a forward pass per token, at the context
	// they were counted for; a multiplication with an addition is two. Training takes about
	// three times as many.
	FLOPs int64  `json:"flops_per_token"`
	Hash  string `json:"graph_sha256"` // of the inference graph
}

// Count builds the inference graph and counts. context is the sequence length for which
// operations are counted.
func (m Model) Count(context int64) (Counts, error) {
	b, err := m.Build(Options{})
	if err != nil {
		return Counts{}, err
	}
	b.G.Output(b.Logits)
	c := Counts{Hash: b.G.Hash(), TotalOf: map[string]int64{}, ActiveOf: map[string]int64{}}
	for _, p := range b.G.Params {
		if p.Frozen {
			continue
		}
		n, _ := p.Value.Shape().Elements().Int()
		active := n
		for _, r := range b.routed {
			if slices.ContainsFunc(r.scopes, func(scope string) bool { return strings.HasPrefix(p.Value.Name, scope) }) {
				active = n / r.experts * r.k
			}
		}
		c.Total += n
		c.Active += active
		c.TotalOf[p.Value.Name], c.ActiveOf[p.Value.Name] = n, active
		if strings.HasPrefix(p.Value.Name, "layers.") || strings.HasPrefix(p.Value.Name, "shared.") {
			c.PaperTotal += n
			c.PaperActive += active
		}
	}
	c.FLOPs, err = flopsPerToken(b.G, context)
	return c, err
}

// flopsPerToken adds up the operations of all nodes for one sequence.
func flopsPerToken(g *graph.Graph, context int64) (int64, error) {
	bound, err := g.Bind(map[string]int64{BatchSize: 1, SequenceLen: context})
	if err != nil {
		return 0, err
	}
	bound.Prune()
	total := int64(0)
	for _, n := range bound.Nodes {
		total += flops(n)
	}
	return total / context, nil
}

// flops is the operations of one node: exact for products, one per output element for
// what is elementwise.
func flops(n *graph.Node) int64 {
	size := func(v *graph.Value) int64 { e, _ := v.Shape().Elements().Int(); return e }
	dim := func(v *graph.Value, axis int) int64 { d, _ := v.Dim(axis).Int(); return d }
	switch n.Op {
	case "MatMul":
		return 2 * size(n.Outputs[0]) * dim(n.Inputs[0], -1)
	case "GroupedMatMul":
		return 2 * size(n.Outputs[0]) * dim(n.Inputs[0], 1)
	case "CausalConv":
		return 2 * size(n.Outputs[0]) * dim(n.Inputs[1], 1)
	case "SelectiveScan": // exp, three products and two sums per state, and the skip
		return size(n.Outputs[0]) * (6*dim(n.Inputs[2], 1) + 2)
	case "SSD": // as the recurrence: two products and a sum per state, and the output's
		return 5 * size(n.Outputs[0]) * dim(n.Inputs[2], 3)
	case "RGLRU": // exp, the root of 1−a², three products and a sum
		return 8 * size(n.Outputs[0])
	case "GatedDelta": // decay, two products with the state and one that is added to it
		return 7 * size(n.Outputs[0]) * dim(n.Inputs[0], 3)
	case "DiagonalScan": // of every mode: a complex product, the input, and its share of each output
		return size(n.Inputs[0]) * dim(n.Inputs[1], 1) * (7 + 4*dim(n.Inputs[2], 0))
	case "Attention": // q·k and p·v over the keys that a query sees
		l := dim(n.Inputs[0], 1)
		return 4 * size(n.Inputs[0]) * visible(l, n.Int("window", 0)) / l
	case "Reshape", "Shape", "Squeeze", "Unsqueeze", "Transpose", "Gather", "Slice", "Concat", "Split", "TakeRows", "Dispatch", "Identity":
		return 0
	}
	if !n.Outputs[0].Type.DType.IsFloat() {
		return 0
	}
	return size(n.Outputs[0])
}

// visible is the number of pairs of a query and a key that it sees, in a sequence of l
// tokens: the triangle, or a band of it as wide as the window.
func visible(l, window int64) int64 {
	if window == 0 || window > l {
		window = l
	}
	return window*(window+1)/2 + (l-window)*window
}
