package op

import (
	"fmt"

	"github.com/moezoo/moezoo/graph"
)

// Conv is the convolution (cross-correlation) of x [B, C, spatial ...] with w
// [M, C/groups, taps ...] and bias [M] or nil, without padding and with stride 1.
func Conv(x, w, bias Value, groups int64) Value {
	attrs := graph.Attrs{"group": groups}
	if bias == nil {
		return one(conv, attrs, x, w)
	}
	return one(conv, attrs, x, w, bias)
}

var conv *graph.Op

func init() {
	conv = graph.Register(&graph.Op{
		Name: "Conv", Since: 11, Doc: "y[b, m, p] = bias[m] + Σ w[m, c, t] · x[b, group·C/G + c, p·stride + t·dilation − pad]",
		Inputs: []graph.Arg{
			{Name: "x", Doc: "[B, C, spatial ...]"}, {Name: "w", Doc: "[M, C/group, taps ...]"}, {Name: "bias", Doc: "[M]", Optional: true},
		},
		Outputs: []graph.Arg{{Name: "y", Doc: "[B, M, spatial ...]"}},
		Attrs: []graph.Attr{
			{Name: "auto_pad", Kind: graph.StringAttr, Doc: "NOTSET (default), VALID, SAME_UPPER or SAME_LOWER"},
			{Name: "dilations", Kind: graph.IntsAttr, Doc: "1 by default"},
			{Name: "group", Kind: graph.IntAttr, Doc: "1 by default"},
			{Name: "kernel_shape", Kind: graph.IntsAttr, Doc: "the taps of w by default"},
			{Name: "pads", Kind: graph.IntsAttr, Doc: "before each spatial axis, then behind each; 0 by default"},
			{Name: "strides", Kind: graph.IntsAttr, Doc: "1 by default"},
		},
		Infer:  inferConv,
		NoGrad: "models here train with zoo.CausalConv",
	})
}

func inferConv(c *graph.Infer) error {
	if err := wantFloats(c, 0); err != nil {
		return err
	}
	x, w := c.Shape(0), c.Shape(1)
	if err := c.Want(1, c.DType(0), len(x)); err != nil {
		return err
	}
	if len(x) < 3 {
		return fmt.Errorf("x is %v, want [B, C, spatial ...]", x)
	}
	group := graph.Const(c.Int("group", 1))
	if !x[1].Equal(w[1].Mul(group)) {
		return fmt.Errorf("x has %v channels, w %v takes %v in %v groups", x[1], w, w[1].Mul(group), group)
	}
	if m, ok := w[0].Int(); ok && (c.Int("group", 1) < 1 || m%c.Int("group", 1) != 0) {
		return fmt.Errorf("%v groups do not divide %d output channels", group, m)
	}
	if err := c.WantShape(2, c.DType(0), w[0]); err != nil {
		return err
	}
	geometry, err := ConvWindow(c.Node, x[2:], w[2:])
	if err != nil {
		return err
	}
	c.Out(0, c.DType(0), append(graph.Shape{x[0], w[0]}, geometry.Out...))
	return nil
}

// Window is how the taps of a convolution or pooling move over the spatial axes.
type Window struct {
	Strides, Dilations []int64
	Before             []graph.Dim // padding in front of each axis
	Out                graph.Shape // positions along each axis
}

// ConvWindow reads strides, dilations, pads and auto_pad of a node for an input with
// these spatial extents and a kernel with these taps.
func ConvWindow(n *graph.Node, spatial, taps graph.Shape) (*Window, error) {
	rank := len(spatial)
	w := &Window{Strides: n.Ints("strides"), Dilations: n.Ints("dilations")}
	pads := n.Ints("pads")
	for _, list := range []*[]int64{&w.Strides, &w.Dilations} {
		if *list == nil {
			for range rank {
				*list = append(*list, 1)
			}
		}
	}
	if pads == nil {
		pads = make([]int64, 2*rank)
	}
	if shape := n.Ints("kernel_shape"); shape != nil && !taps.Equal(graph.Dims(shape...)) {
		return nil, fmt.Errorf("kernel_shape %v, but the taps are %v", shape, taps)
	}
	if len(w.Strides) != rank || len(w.Dilations) != rank || len(pads) != 2*rank {
		return nil, fmt.Errorf("strides %v, dilations %v, pads %v for %d spatial axes", w.Strides, w.Dilations, pads, rank)
	}
	for i := range rank {
		if w.Strides[i] < 1 || w.Dilations[i] < 1 || pads[i] < 0 || pads[rank+i] < 0 {
			return nil, fmt.Errorf("strides %v, dilations %v must be positive and pads %v not negative", w.Strides, w.Dilations, pads)
		}
		one := graph.Const(1)
		reach := taps[i].Sub(one).Mul(graph.Const(w.Dilations[i])).Add(one)
		stride := graph.Const(w.Strides[i])
		before, behind := graph.Const(pads[i]), graph.Const(pads[rank+i])
		switch mode := n.Str("auto_pad", "NOTSET"); mode {
		case "NOTSET":
		case "VALID":
			before, behind = graph.Const(0), graph.Const(0)
		case "SAME_UPPER", "SAME_LOWER":
			out := spatial[i].CeilDiv(stride)
			total := out.Sub(one).Mul(stride).Add(reach).Sub(spatial[i]).Max(graph.Const(0))
			before = total.FloorDiv(graph.Const(2))
			if mode == "SAME_LOWER" {
				before = total.CeilDiv(graph.Const(2))
			}
			behind = total.Sub(before)
		default:
			return nil, fmt.Errorf("auto_pad %q: want NOTSET, VALID, SAME_UPPER or SAME_LOWER", mode)
		}
		w.Before = append(w.Before, before)
		room := spatial[i].Add(before).Add(behind).Sub(reach)
		out := room.FloorDiv(stride).Add(one)
		if n, ok := room.Int(); ok && n < 0 {
			return nil, fmt.Errorf("a kernel that reaches %v does not fit into %v", reach, spatial[i])
		}
		w.Out = append(w.Out, out)
	}
	return w, nil
}
