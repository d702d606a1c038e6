package narrow_test

import (
	"math"
	"math/rand"
	"slices"
	"testing"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/graph/narrow"
	"github.com/moezoo/moezoo/graph/op"
	"github.com/moezoo/moezoo/half"
)

var zeros = graph.Init{Scheme: "zeros"}

// model reads weights in every way that can be narrow, and some in ways that cannot.
func model() *graph.Graph {
	g := graph.New("test")
	ids := g.Input("ids", graph.Int64, graph.Dims(1, 5))
	tied := g.Param("tied", zeros, true, 11, 8)
	x := op.Reshape(op.Gather(tied, ids, 0), -1, 8)
	x = op.MatMul(x, g.Param("matrix", zeros, true, 8, 8))
	router := op.MatMul(x, g.Param("layer/router/weight", zeros, true, 8, 3))
	_, expert := op.TopK(router, g.Int64s(1), -1, true, true)
	d := op.Dispatch(expert, 3, false)
	rows := op.GroupedMatMul(op.TakeRows(x, d), g.Param("experts", zeros, true, 3, 8, 8), d)
	rows = op.Add(rows, op.ExpertRows(g.Param("bias", zeros, false, 3, 8), d))
	x = op.Add(op.Add(x, rows), g.Param("vector", zeros, false, 8))
	twice := g.Param("twice", zeros, true, 8, 8) // read as a matrix and element by element
	x = op.Mul(op.MatMul(x, twice), op.ReduceSum(twice, []int64{0}, false))
	g.Output(op.MatMul(x, op.Transpose(tied, 1, 0)))
	return g
}

func keep(name string) bool { return name == "layer/router/weight" }

func TestWhatProductsAndEmbeddingsReadBecomesNarrow(t *testing.T) {
	g := model()
	w := narrow.Find(g, keep)
	want := narrow.Weights{"tied": 0, "matrix": 1, "experts": 2}
	if len(w) != len(want) {
		t.Errorf("found %v, want %v", w, want)
	}
	for name, axis := range want {
		if got, ok := w[name]; !ok || got != axis {
			t.Errorf("%s: axis %d (%v), want %d", name, got, ok, axis)
		}
	}
	for _, k := range []narrow.Kind{narrow.BFloat16, narrow.Float16, narrow.Int8} {
		out, err := narrow.Graph(g, k, w)
		if err != nil {
			t.Fatal(err)
		}
		types := map[string]graph.Type{}
		for _, p := range out.Params {
			types[p.Value.Name] = p.Value.Type
		}
		for _, p := range g.Params {
			name, dtype := p.Value.Name, graph.Float32
			if _, ok := want[name]; ok {
				dtype = k.DType()
			}
			if types[name].DType != dtype || !types[name].Shape.Equal(p.Value.Shape()) {
				t.Errorf("%s: %s is %v, want %v%v", k, name, types[name], dtype, p.Value.Shape())
			}
		}
		if k == narrow.Int8 {
			for name, shape := range map[string]graph.Shape{"tied": graph.Dims(11), "matrix": graph.Dims(8), "experts": graph.Dims(3, 8)} {
				if got := types[narrow.ScaleName(name)]; !got.Shape.Equal(shape) {
					t.Errorf("the scales of %s are %v, want %v", name, got, shape)
				}
			}
		}
		if !out.Outputs[0].Shape().Equal(g.Outputs[0].Shape()) {
			t.Errorf("the output is %v, was %v", out.Outputs[0], g.Outputs[0])
		}
	}
}

// decode is what the stored numbers stand for.
func decode(data, scale *graph.Tensor, axis int) []float32 {
	out := make([]float32, data.Elements())
	for i := range out {
		switch data.DType {
		case graph.BFloat16:
			out[i] = half.FromBFloat16(uint16(data.Data[2*i]) | uint16(data.Data[2*i+1])<<8)
		case graph.Float16:
			out[i] = half.FromFloat16(uint16(data.Data[2*i]) | uint16(data.Data[2*i+1])<<8)
		default:
			s, _ := scale.Float32s()
			shape := data.Shape
			index := make([]int, len(shape))
			rest := i
			for a := len(shape) - 1; a >= 0; a-- {
				index[a], rest = rest%shape[a], rest/shape[a]
			}
			at := index[axis]
			if len(shape) == 3 {
				at += index[0] * shape[axis]
			}
			out[i] = float32(int8(data.Data[i])) * s[at]
		}
	}
	return out
}

func TestRoundingIsWithinHalfAStep(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, c := range []struct {
		shape []int
		axis  int
	}{{[]int{7, 5}, 1}, {[]int{7, 5}, 0}, {[]int{3, 4, 6}, 2}, {[]int{1, 4, 6}, 2}, {[]int{1, 1}, 1}} {
		n := 1
		for _, d := range c.shape {
			n *= d
		}
		w := make([]float32, n)
		for i := range w {
			w[i] = float32(r.NormFloat64() * math.Exp2(float64(r.Intn(8)-4)))
		}
		for _, k := range []narrow.Kind{narrow.BFloat16, narrow.Float16, narrow.Int8} {
			data, scale, err := narrow.Encode(k, w, c.shape, c.axis)
			if err != nil {
				t.Fatal(err)
			}
			got := decode(data, scale, c.axis)
			for i, x := range w {
				limit := math.Abs(float64(x)) / 256
				switch k {
				case narrow.Float16:
					limit = math.Abs(float64(x))/2048 + 1.0/(1<<25)
				case narrow.Int8: // half of the largest scale of all
					s, _ := scale.Float32s()
					limit = float64(slices.Max(s)) / 2 * (1 + 1e-6)
				}
				if d := math.Abs(float64(got[i] - x)); d > limit {
					t.Errorf("%s %v: %v became %v, off by more than %v", k, c.shape, x, got[i], limit)
				}
			}
			// What was rounded stays as it is.
			again, scale2, err := narrow.Encode(k, got, c.shape, c.axis)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(again.Data, data.Data) {
				t.Errorf("%s %v: rounding again changed the numbers", k, c.shape)
			}
			if scale != nil && !slices.Equal(scale2.Shape, scale.Shape) {
				t.Errorf("scales %v, then %v", scale.Shape, scale2.Shape)
			}
		}
	}
}

func TestInt8ByHand(t *testing.T) {
	data, scale, err := narrow.Encode(narrow.Int8, []float32{1.27, -254, 0, 0.635, 2, 0}, []int{2, 3}, 1)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := scale.Float32s()
	if want := []byte{127, 129, 0, 64, 1, 0}; !slices.Equal(data.Data, want) { // 63.5 is a tie: to even
		t.Errorf("elements %v, want %v", data.Data, want)
	}
	if math.Abs(float64(s[0])-0.01) > 1e-9 || s[1] != 2 || s[2] != 0 {
		t.Errorf("scales %v, want 0.01, 2, 0", s)
	}
}

func TestWhatDoesNotFitIsAnError(t *testing.T) {
	if _, _, err := narrow.Encode(narrow.Float16, []float32{1, 70000}, []int{1, 2}, 1); err == nil {
		t.Error("70000 in fp16")
	}
	if _, _, err := narrow.Encode(narrow.BFloat16, []float32{1, math.MaxFloat32}, []int{1, 2}, 1); err == nil {
		t.Error("the largest float32 in bf16")
	}
	if _, err := narrow.Parse("int4", narrow.Float32, narrow.BFloat16, narrow.Int8); err == nil || err.Error() != `weights "int4": want fp32, bf16 or int8` {
		t.Error(err)
	}
}
