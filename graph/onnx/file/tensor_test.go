package file

import (
	"bytes"
	"testing"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

func TestTensorDataIsLittleEndianWhereverItIsStored(t *testing.T) {
	for _, c := range []struct {
		name string
		t    *pb.TensorProto
		want []byte
	}{
		{"raw float", &pb.TensorProto{DataType: 1, Dims: []int64{1}, RawData: []byte{0, 0, 0x80, 0x3f}}, []byte{0, 0, 0x80, 0x3f}},
		{"listed float", &pb.TensorProto{DataType: 1, Dims: []int64{1, 2}, FloatData: []float32{1, -2}}, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}},
		{"scalar", &pb.TensorProto{DataType: 1, FloatData: []float32{1}}, []byte{0, 0, 0x80, 0x3f}},
		{"no elements", &pb.TensorProto{DataType: 1, Dims: []int64{0, 7}}, []byte{}},
		{"double", &pb.TensorProto{DataType: 11, Dims: []int64{1}, DoubleData: []float64{1}}, []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f}},
		{"int64", &pb.TensorProto{DataType: 7, Dims: []int64{1}, Int64Data: []int64{-2}}, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
		{"int32", &pb.TensorProto{DataType: 6, Dims: []int64{1}, Int32Data: []int32{-2}}, []byte{0xfe, 0xff, 0xff, 0xff}},
		{"int16", &pb.TensorProto{DataType: 5, Dims: []int64{1}, Int32Data: []int32{-2}}, []byte{0xfe, 0xff}},
		{"int8", &pb.TensorProto{DataType: 3, Dims: []int64{2}, Int32Data: []int32{-128, 127}}, []byte{0x80, 0x7f}},
		{"uint8", &pb.TensorProto{DataType: 2, Dims: []int64{1}, Int32Data: []int32{255}}, []byte{255}},
		{"uint16", &pb.TensorProto{DataType: 4, Dims: []int64{1}, Int32Data: []int32{65535}}, []byte{255, 255}},
		{"bool", &pb.TensorProto{DataType: 9, Dims: []int64{2}, Int32Data: []int32{1, 0}}, []byte{1, 0}},
		{"float16 bits", &pb.TensorProto{DataType: 10, Dims: []int64{1}, Int32Data: []int32{0x3c00}}, []byte{0, 0x3c}},
		{"bfloat16 bits", &pb.TensorProto{DataType: 16, Dims: []int64{1}, Int32Data: []int32{0x3f80}}, []byte{0x80, 0x3f}},
		{"float8 bits", &pb.TensorProto{DataType: 17, Dims: []int64{1}, Int32Data: []int32{0x38}}, []byte{0x38}},
		{"uint32", &pb.TensorProto{DataType: 12, Dims: []int64{1}, Uint64Data: []uint64{1 << 31}}, []byte{0, 0, 0, 0x80}},
		{"uint64", &pb.TensorProto{DataType: 13, Dims: []int64{1}, Uint64Data: []uint64{1 << 63}}, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}},
		{"complex64", &pb.TensorProto{DataType: 14, Dims: []int64{1}, FloatData: []float32{1, 0}}, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dtype, dims, raw, err := TensorData(c.t, nil)
			if err != nil {
				t.Fatal(err)
			}
			if int32(dtype) != c.t.DataType || len(dims) != len(c.t.Dims) || !bytes.Equal(raw, c.want) {
				t.Errorf("%v %v % x, want % x", dtype, dims, raw, c.want)
			}
			if size, err := TensorBytes(c.t); err != nil || size != int64(len(c.want)) {
				t.Errorf("TensorBytes says %d (%v), want %d", size, err, len(c.want))
			}
		})
	}
}

func TestTensorDataRefusesByNameWhatItCannotGive(t *testing.T) {
	for _, c := range []struct {
		t    *pb.TensorProto
		want string
	}{
		{&pb.TensorProto{DataType: 8, Dims: []int64{1}, StringData: [][]byte{nil}}, "STRING"},
		{&pb.TensorProto{DataType: 22, Dims: []int64{2}, RawData: []byte{0}}, "INT4"},
		{&pb.TensorProto{DataType: 27, Dims: []int64{4}, RawData: []byte{0, 0, 0}}, "FLOAT6E2M3"},
		{&pb.TensorProto{}, "UNDEFINED"},
		{&pb.TensorProto{DataType: 3, Dims: []int64{1}, Int32Data: []int32{128}}, "entry 0 is 128, out of the range of INT8"},
		{&pb.TensorProto{DataType: 9, Dims: []int64{1}, Int32Data: []int32{2}}, "out of the range of BOOL"},
		{&pb.TensorProto{DataType: 12, Dims: []int64{1}, Uint64Data: []uint64{1 << 32}}, "out of the range of UINT32"},
		{&pb.TensorProto{DataType: 1, Dims: []int64{2}, FloatData: []float32{1}}, "need 2"},
		{external("w"), "no folder"},
		{nil, "UNDEFINED"},
	} {
		_, _, raw, err := TensorData(c.t, nil)
		if raw != nil {
			t.Errorf("%v: data beside an error", c.t)
		}
		refused(t, err, c.want)
	}
}
