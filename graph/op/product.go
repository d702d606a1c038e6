package op

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moezoo/moezoo/graph"
)

// ProductSpec says how the second operand of a [Product] lies, and what is done with the
// product's elements.
type ProductSpec struct {
	TransB   bool   // w is transposed
	Columns  int64  // the number of columns of a w that is in panels; 0 for one that is not
	Partial  bool   // rows from offsets[E] on belong to nobody
	Epilogue string // one of the names of [Epilogues], "" for none
}

// Operands are what a [Product] may read besides x and w; each may be nil.
type Operands struct {
	Offsets Value // int64 [E+1] where w are the matrices of experts, as in [GroupedMatMul]
	Bias    Value // [N], of experts [E, N]
	Other   Value // the epilogue's second operand, of the product's shape
}

// Product is what a matrix product becomes when its neighbours are computed with it: z =
// x·B + bias with B = w or wᵀ, and y = f(z) or f(z, other), the epilogue: x [..., K] → y and z
// [..., N]. Its sums are in float32 where x and w are bfloat16.
func Product(x, w Value, in Operands, s ProductSpec) (y, z Value) {
	attrs := graph.Attrs{}
	for name, set := range map[string]bool{"transB": s.TransB, "partial": s.Partial} {
		if set {
			attrs[name] = int64(1)
		}
	}
	if s.Columns > 0 {
		attrs["columns"] = s.Columns
	}
	if s.Epilogue != "" {
		attrs["epilogue"] = s.Epilogue
	}
	read := []Value{x, w, in.Offsets, in.Bias, in.Other}
	for read[len(read)-1] == nil {
		read = read[:len(read)-1]
	}
	out := many(productOp, attrs, 2, read...)
	return out[0], out[1]
}

// epilogue is what y is of z, and whether of a second operand, too.
type epilogue struct {
	second bool
	build  func(z, other Value) Value
}

var epilogues map[string]epilogue

// Epilogues are the names of what a [Product] may do with its elements.
func Epilogues() []string { return slices.Sorted(maps.Keys(epilogues)) }

// EpilogueReads tells whether an epilogue has a second operand.
func EpilogueReads(name string) bool { return epilogues[name].second }

var productOp *graph.Op

func init() {
	alone := func(f func(x Value) Value) epilogue {
		return epilogue{false, func(z, _ Value) Value { return f(z) }}
	}
	back := func(o **graph.Op) epilogue {
		return epilogue{true, func(z, other Value) Value { return one(*o, nil, z, other) }}
	}
	epilogues = map[string]epilogue{
		"relu": alone(Relu), "gelu": alone(Gelu), "silu": alone(SiLU), "softplus": alone(Softplus),
		"add": {true, Add}, "mul": {true, Mul}, "silu_gate": {true, SiLUGate},
		"relu_grad": back(&reluGrad), "gelu_grad": back(&geluGrad), "silu_grad": back(&siluGrad), "softplus_grad": back(&softplusGrad),
	}
	productOp = graph.Register(&graph.Op{
		Name: "Product", Domain: graph.Domain, Since: 1, Doc: "z = x·B + bias, B = w or wᵀ, of experts each row with the matrix of its expert; y = the epilogue of z",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "float32 or bfloat16 [..., K]; of experts [R, K]"},
			{Name: "w", Doc: "as x: [K, N], [N, K] with transB, Panels with columns; of experts with E in front"},
			{Name: "offsets", Doc: "int64 [E+1], of experts", Optional: true},
			{Name: "bias", Doc: "[N], of experts [E, N]", Optional: true},
			{Name: "other", Doc: "second operand of the epilogue, shape of y", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "float32 [..., N]"}, {Name: "z", Doc: "shape of y"}},
		Attrs: []graph.Attr{
			{Name: "transB", Kind: graph.IntAttr, Doc: "1: w is transposed"},
			{Name: "columns", Kind: graph.IntAttr, Doc: "N, when w is in panels"},
			{Name: "partial", Kind: graph.IntAttr, Doc: "1: rows from offsets[E] on belong to nobody"},
			{Name: "epilogue", Kind: graph.StringAttr, Doc: "add, gelu, gelu_grad, mul, relu, relu_grad, silu, silu_gate, silu_grad, softplus or softplus_grad; y = z without"},
		},
		Infer:  inferProduct,
		NoGrad: "it is put in behind differentiation",
		Lower:  lowerProduct,
	})
}

func inferProduct(c *graph.Infer) error {
	if t := c.DType(0); t != graph.Float32 && t != graph.BFloat16 || c.DType(1) != t {
		return fmt.Errorf("%v rows and %v matrices, want float32 or bfloat16 both", c.DType(0), c.DType(1))
	}
	x, w := c.Shape(0), c.Shape(1)
	grouped := c.Has(2)
	if grouped {
		if len(w) == 0 {
			return fmt.Errorf("experts' matrices %v", w)
		}
		if err := c.WantShape(2, graph.Int64, w[0].Add(graph.Const(1))); err != nil {
			return err
		}
		w = w[1:]
	}
	k, n, err := matrixExtents(c.Node, w)
	if err != nil {
		return err
	}
	if len(x) < 2 || grouped && len(x) != 2 || !x[len(x)-1].Equal(k) {
		return fmt.Errorf("rows %v do not fit matrices of %v rows", x, k)
	}
	y := append(append(graph.Shape(nil), x[:len(x)-1]...), n)
	if c.Has(3) {
		bias := graph.Shape{n}
		if grouped {
			bias = graph.Shape{c.Shape(1)[0], n}
		}
		if err := c.WantShape(3, graph.Float32, bias...); err != nil {
			return fmt.Errorf("bias: %w", err)
		}
	}
	name := c.Str("epilogue", "")
	e, known := epilogues[name]
	if name != "" && !known {
		return fmt.Errorf("epilogue %q, there are %s", name, strings.Join(Epilogues(), ", "))
	}
	if e.second != c.Has(4) {
		return fmt.Errorf("epilogue %q: has a second operand: %v, given: %v", name, e.second, c.Has(4))
	}
	if e.second {
		if err := c.WantShape(4, graph.Float32, y...); err != nil {
			return fmt.Errorf("other: %w", err)
		}
	}
	c.Out(0, graph.Float32, y)
	c.Out(1, graph.Float32, y)
	return nil
}

// matrixExtents are K and N of a matrix as it lies.
func matrixExtents(n *graph.Node, w graph.Shape) (k, columns graph.Dim, err error) {
	if in := n.Int("columns", 0); in > 0 {
		if len(w) != 3 {
			return k, columns, fmt.Errorf("panels %v, want [P, K, width]", w)
		}
		count, known := w[0].Int()
		width, fixed := w[2].Int()
		if !known || !fixed || in > count*width || in <= (count-1)*width {
			return k, columns, fmt.Errorf("panels %v of %d columns", w, in)
		}
		return w[1], graph.Const(in), nil
	}
	if len(w) != 2 {
		return k, columns, fmt.Errorf("matrix %v, want two axes", w)
	}
	if n.Int("transB", 0) == 1 {
		return w[1], w[0], nil
	}
	return w[0], w[1], nil
}

func lowerProduct(c *graph.Lower) []Value {
	x, w, offsets, bias := c.In(0), c.In(1), c.In(2), c.In(3)
	transposed := c.Int("transB", 0) == 1
	if n := c.Int("columns", 0); n > 0 {
		w = fromPanels(w, n)
	}
	var z Value
	if offsets != nil {
		z = one(groupedMatMul, groupedAttrs(c.Int("partial", 0) == 1, transposed), x, w, offsets)
		if bias != nil {
			order := Range(c.G.Int64(0), Squeeze(Slice(ShapeOf(x), 0, 0, 1), 0), c.G.Int64(1))
			z = Add(z, ReshapeLike(one(expertRows, nil, bias, offsets, order), z))
		}
	} else {
		x, w = Cast(x, graph.Float32), Cast(w, graph.Float32)
		if transposed {
			w = Transpose(w, 1, 0)
		}
		z = Linear(x, w, bias)
	}
	if e, ok := epilogues[c.Str("epilogue", "")]; ok {
		return []Value{e.build(z, c.In(4)), z}
	}
	return []Value{z, z}
}
