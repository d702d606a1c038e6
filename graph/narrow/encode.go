package narrow

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/moezoo/moezoo/graph"
	"github.com/moezoo/moezoo/half"
)

// Encode is a weight as k stores it, and for int8 the scales of its channels along the
// axis: each channel's largest magnitude becomes ±127, and everything is rounded to the
// nearest. Of three axes the first is that of the experts, which have scales of their own.
// A number that k cannot hold, such as 70000 in fp16, is an error.
func Encode(k Kind, w []float32, shape []int, axis int) (data, scale *graph.Tensor, err error) {
	data = &graph.Tensor{DType: k.DType(), Shape: shape, Data: make([]byte, len(w)*k.DType().Size())}
	switch k {
	case BFloat16:
		err = encodeHalves(data.Data, w, half.ToBFloat16, 0x7f80)
	case Float16:
		err = encodeHalves(data.Data, w, half.ToFloat16, 0x7c00)
	case Int8:
		scale = encodeInt8(data.Data, w, shape, axis)
	default:
		data = graph.Floats(shape, w...)
	}
	return data, scale, err
}

// encodeHalves rounds; no finite number may become inf, the pattern of infinity.
func encodeHalves(out []byte, w []float32, round func(float32) uint16, inf uint16) error {
	for i, x := range w {
		h := round(x)
		if h&0x7fff == inf && !math.IsInf(float64(x), 0) {
			return fmt.Errorf("%v is beyond the largest number", x)
		}
		binary.LittleEndian.PutUint16(out[2*i:], h)
	}
	return nil
}

// encodeInt8 writes the elements and answers the scales.
func encodeInt8(out []byte, w []float32, shape []int, axis int) *graph.Tensor {
	experts, first := 1, 0
	if len(shape) == 3 {
		experts, first = shape[0], 1
	}
	rows, cols := shape[first], shape[first+1]
	scale := make([]float32, 0, experts*shape[axis])
	for e := range experts {
		m, q := w[e*rows*cols:(e+1)*rows*cols], out[e*rows*cols:(e+1)*rows*cols]
		if axis == first {
			for r := range rows {
				scale = append(scale, 0)
				encodeChannels(q[r*cols:(r+1)*cols], m[r*cols:(r+1)*cols], scale[len(scale)-1:])
			}
			continue
		}
		scale = append(scale, make([]float32, cols)...)
		encodeChannels(q, m, scale[len(scale)-cols:])
	}
	return graph.Floats(channels(shape, axis), scale...)
}

// encodeChannels quantises elements that belong to the channels in turn.
func encodeChannels(out []byte, w, scale []float32) {
	n := len(scale)
	for i := 0; i < len(w); i += n {
		for j, x := range w[i : i+n] {
			scale[j] = max(scale[j], float32(math.Abs(float64(x))))
		}
	}
	for j := range scale {
		scale[j] /= 127
	}
	for i := 0; i < len(w); i += n {
		for j, x := range w[i : i+n] {
			if s := scale[j]; s > 0 {
				out[i+j] = byte(int8(min(max(math.RoundToEven(float64(x)/float64(s)), -127), 127)))
			}
		}
	}
}
