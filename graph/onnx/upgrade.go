package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/moezoo/moezoo/graph"
)

// Upgrade brings a node of the standard operators, as files of an older opset have it, to
// the form of the operator table: attributes that became inputs, defaults that changed, a
// softmax of several axes at once. The node is not in the graph yet; constants and nodes
// that it needs are added to g, in its present scope. Versions whose meaning has no form here are an Unsupported
// error.
func Upgrade(g *graph.Graph, n *graph.Node, opset int64) error {
	u := &upgrader{g, n, opset}
	if n.Attrs == nil {
		n.Attrs = graph.Attrs{}
	}
	if opset < 6 {
		delete(n.Attrs, "consumed_inputs") // a hint about memory
	}
	for _, step := range upgrades[n.Op] {
		if opset >= step.before {
			continue
		}
		if step.to == nil {
			return u.unsupported(fmt.Sprintf("whose form changed at %d", step.before))
		}
		if err := step.to(u); err != nil {
			return err
		}
	}
	return nil
}

// upgrade is what a node of opsets below before lacks; nil for what cannot be said here.
type upgrade struct {
	before int64
	to     func(u *upgrader) error
}

// upgrades are the operators of the table that had another form, by the version that
// changed it.
var upgrades = map[string][]upgrade{
	"Softmax":    {{13, (*upgrader).softmaxOfMatrix}},
	"LogSoftmax": {{13, (*upgrader).softmaxOfMatrix}},
	"Squeeze":    {{13, toInputs("axes")}},
	"Unsqueeze":  {{13, toInputs("axes")}},
	"Split":      {{13, toInputs("split")}},
	"Reshape":    {{5, toInputs("shape")}},
	"Slice":      {{10, toInputs("starts", "ends", "axes")}},
	"TopK":       {{10, toInputs("k")}},
	"Pad":        {{2, renamed("paddings", "pads")}, {11, toInputs("pads", "value")}},
	"Clip":       {{11, toInputs("min", "max")}},
	"Dropout":    {{7, (*upgrader).dropoutWithTestMode}, {12, without("ratio")}},
	"Concat":     {{4, (*upgrader).concatAlongFirst}},
	"Gemm":       {{7, without("broadcast")}},
	"Scan":       {{9, nil}}, // had a batch axis and lengths
	"Cast":       {{6, nil}}, // named types by strings
	"Tile":       {{6, nil}}, // one axis at a time
}

func init() {
	for _, op := range []string{"Sum", "Mean", "Max", "Min", "Prod", "SumSquare", "L1", "L2", "LogSum", "LogSumExp"} {
		upgrades["Reduce"+op] = []upgrade{{18, toInputs("axes")}}
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Greater", "Less"} {
		upgrades[op] = []upgrade{{7, (*upgrader).broadcastAtAxis}}
	}
}

// upgrader is one node on its way.
type upgrader struct {
	g     *graph.Graph
	n     *graph.Node
	opset int64
}

func (u *upgrader) unsupported(why string) error {
	return &Unsupported{fmt.Sprintf("node %.80q: operator %s of opset %d, %s,", u.n.Name, u.n.Op, u.opset, why)}
}

// apply adds a node in front of the present one.
func (u *upgrader) apply(op string, attrs graph.Attrs, in ...*graph.Value) (*graph.Value, error) {
	n := &graph.Node{Name: u.n.Name, Op: op, Inputs: in, Attrs: attrs}
	if err := u.g.Append(n, []string{u.g.Fresh(op)}); err != nil {
		return nil, err
	}
	return n.Outputs[0], nil
}

// toInputs moves attributes behind the inputs, in this order.
func toInputs(names ...string) func(u *upgrader) error {
	return func(u *upgrader) error {
		if !slices.ContainsFunc(names, func(name string) bool { return u.n.Attrs[name] != nil }) {
			return nil // it has inputs already, or neither
		}
		for _, name := range names {
			var v *graph.Value
			switch a := u.n.Attrs[name].(type) {
			case nil:
			case []int64:
				v = u.g.Int64s(a...)
			case int64:
				v = u.g.Int64s(a)
			case float32:
				v = u.scalar(a)
			default:
				return fmt.Errorf("node %.80q: attribute %q of %s is %T", u.n.Name, name, u.n.Op, a)
			}
			delete(u.n.Attrs, name)
			u.n.Inputs = append(u.n.Inputs, v)
		}
		return nil
	}
}

// scalar is a number of the type of the node's first input.
func (u *upgrader) scalar(x float32) *graph.Value {
	t := graph.Floats(nil, x)
	if u.known(0) && u.n.Inputs[0].Type.DType == graph.Float64 {
		t = &graph.Tensor{DType: graph.Float64, Data: binary.LittleEndian.AppendUint64(nil, math.Float64bits(float64(x)))}
	}
	return u.g.Const("c", t)
}

// known reports whether input i is given and its type known.
func (u *upgrader) known(i int) bool {
	return i < len(u.n.Inputs) && u.n.Inputs[i] != nil && u.n.Inputs[i].Known()
}

func renamed(old, now string) func(u *upgrader) error {
	return func(u *upgrader) error {
		if v, ok := u.n.Attrs[old]; ok {
			delete(u.n.Attrs, old)
			u.n.Attrs[now] = v
		}
		return nil
	}
}

func without(name string) func(u *upgrader) error {
	return func(u *upgrader) error {
		delete(u.n.Attrs, name)
		return nil
	}
}

// softmaxOfMatrix: before opset 13 all axes from axis on, 1 by default, were one.
func (u *upgrader) softmaxOfMatrix() error {
	axis := u.n.Int("axis", 1)
	u.n.Attrs["axis"] = int64(-1)
	if axis == -1 || len(u.n.Inputs) != 1 || u.known(0) && axis == int64(u.n.Inputs[0].Rank())-1 {
		return nil
	}
	x := u.n.Inputs[0]
	shape, err := u.apply("Shape", nil, x)
	if err != nil {
		return err
	}
	y, err := u.apply("Flatten", graph.Attrs{"axis": axis}, x)
	if err != nil {
		return err
	}
	if y, err = u.apply(u.n.Op, u.n.Attrs, y); err != nil {
		return err
	}
	u.n.Op, u.n.Attrs, u.n.Inputs = "Reshape", graph.Attrs{}, []*graph.Value{y, shape}
	return nil
}

// dropoutWithTestMode: before opset 7 an attribute said that nothing is dropped.
func (u *upgrader) dropoutWithTestMode() error {
	if u.n.Int("is_test", 0) == 0 {
		return u.unsupported("which drops at random")
	}
	delete(u.n.Attrs, "is_test")
	return nil
}

// concatAlongFirst: before opset 4 the axis was 1 where none was given.
func (u *upgrader) concatAlongFirst() error {
	if !u.n.Has("axis") {
		u.n.Attrs["axis"] = int64(1)
	}
	return nil
}

// broadcastAtAxis: before opset 7 the second operand's axes began at an axis of the first.
func (u *upgrader) broadcastAtAxis() error {
	axis, given := u.n.Attrs["axis"].(int64)
	delete(u.n.Attrs, "axis")
	delete(u.n.Attrs, "broadcast")
	if !given {
		return nil
	}
	if !u.known(0) || !u.known(1) {
		return u.unsupported("which broadcasts operands of unknown rank at an axis")
	}
	a, b := int64(u.n.Inputs[0].Rank()), int64(u.n.Inputs[1].Rank())
	if axis < 0 {
		axis += a
	}
	var behind []int64
	for i := b; axis+i < a; i++ {
		behind = append(behind, i)
	}
	if len(behind) == 0 {
		return nil
	}
	y, err := u.apply("Unsqueeze", graph.Attrs{}, u.n.Inputs[1], u.g.Int64s(behind...))
	u.n.Inputs[1] = y
	return err
}
