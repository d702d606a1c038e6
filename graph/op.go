package graph

import (
	"fmt"
	"sort"
	"strings"
)

// Domain is the operator domain of the project's own fused operators.
const Domain = "zoo"

// Contrib is the domain of the operators that ONNX Runtime adds to the standard's.
const Contrib = "com.microsoft"

// Op is one entry of the operator table. A file of graph/op holds it whole:
// documentation, signature, inference, gradient and lowering.
type Op struct {
	Name   string
	Domain string // "" standard, Domain ("zoo") ours, Contrib of ONNX Runtime
	Since  int    // version of the domain in which this form of the operator appeared
	Doc    string // the formula, with shapes

	Inputs  []Arg
	Outputs []Arg
	Attrs   []Attr

	// Infer sets the types of the outputs, or says what is wrong with the inputs.
	Infer func(c *Infer) error

	// Grad builds the gradients of the inputs. NoGrad says why there is none.
	Grad   func(c *Grad) []*Value
	NoGrad string

	// Lower builds the same function of standard operators (zoo operators only).
	// NoLower says why there is none.
	Lower   func(c *Lower) []*Value
	NoLower string

	// InPlace[i] is the input that output i may overwrite when nothing reads it later,
	// -1 or absent for none. View means that output 0 is input 0 under another shape.
	InPlace []int
	View    bool
}

// Arg describes an input or output.
type Arg struct {
	Name     string
	Doc      string // shape and meaning
	Optional bool
	Variadic bool // last only: any number follows
}

// Attr describes an attribute.
type Attr struct {
	Name     string
	Kind     AttrKind
	Doc      string
	Required bool
}

// Grad is what a gradient rule sees.
type Grad struct {
	*Node
	G *Graph // where to build
	// DOut holds the gradients of the outputs, nil where an output reaches no loss.
	DOut []*Value
}

// In is input i, nil when absent.
func (c *Grad) In(i int) *Value {
	if i >= len(c.Inputs) {
		return nil
	}
	return c.Inputs[i]
}

// Out is output i.
func (c *Grad) Out(i int) *Value { return c.Outputs[i] }

// Lower is what a lowering sees: the node, and its inputs in the graph being built.
type Lower struct {
	*Node
	G  *Graph
	in []*Value
}

// NewLower prepares a lowering of node on inputs of g.
func NewLower(node *Node, g *Graph, in []*Value) *Lower { return &Lower{Node: node, G: g, in: in} }

// In is input i, nil when absent.
func (c *Lower) In(i int) *Value {
	if i >= len(c.in) {
		return nil
	}
	return c.in[i]
}

var table = map[string]*Op{}

// Register adds an operator to the table.
func Register(op *Op) *Op {
	key := op.Domain + "." + op.Name
	if table[key] != nil {
		panic("graph: operator " + key + " is registered twice")
	}
	table[key] = op
	return op
}

// Lookup finds an operator; the error names the nearest one.
func Lookup(domain, name string) (*Op, error) {
	if op := table[domain+"."+name]; op != nil {
		return op, nil
	}
	var names []string
	for _, op := range table {
		if op.Domain == domain {
			names = append(names, op.Name)
		}
	}
	sort.Strings(names)
	shown := name
	if domain != "" {
		shown = domain + "." + name
	}
	return nil, fmt.Errorf("unknown operator %s%s", printable(shown), nearest(name, names))
}

// Ops lists the table, standard operators first, by name.
func Ops() []*Op {
	ops := make([]*Op, 0, len(table))
	for _, op := range table {
		ops = append(ops, op)
	}
	sort.Slice(ops, func(i, j int) bool {
		if ops[i].Domain != ops[j].Domain {
			return ops[i].Domain < ops[j].Domain
		}
		return ops[i].Name < ops[j].Name
	})
	return ops
}

// printable is a name for a message: of a length for one line, and without what would
// disturb a terminal.
func printable(name string) string { return strings.Trim(fmt.Sprintf("%.80q", name), `"`) }

// nearest is `, did you mean "x"?` when a name is close, else "".
func nearest(name string, among []string) string {
	const longest = 64 // of a name worth comparing
	if len(name) > longest {
		return ""
	}
	best, at := "", 1+len(name)/3
	for _, n := range among {
		if d := editDistance(name, n); d <= at {
			best, at = n, d-1
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost = 1 + min(diagonal, row[j], row[j-1])
			}
			diagonal, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}
