package file

import (
	"encoding/binary"
	"io"
	"math"
	"math/bits"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// elementBits is the width of one stored element, 0 for types without a fixed
// width (strings) and for numbers that are no type of the format.
func elementBits(t pb.TensorProto_DataType) int64 {
	switch t {
	case pb.TensorProto_UINT2, pb.TensorProto_INT2:
		return 2
	case pb.TensorProto_UINT4, pb.TensorProto_INT4, pb.TensorProto_FLOAT4E2M1:
		return 4
	case pb.TensorProto_FLOAT6E2M3, pb.TensorProto_FLOAT6E3M2:
		return 6
	case pb.TensorProto_UINT8, pb.TensorProto_INT8, pb.TensorProto_BOOL,
		pb.TensorProto_FLOAT8E4M3FN, pb.TensorProto_FLOAT8E4M3FNUZ, pb.TensorProto_FLOAT8E5M2,
		pb.TensorProto_FLOAT8E5M2FNUZ, pb.TensorProto_FLOAT8E8M0:
		return 8
	case pb.TensorProto_UINT16, pb.TensorProto_INT16, pb.TensorProto_FLOAT16, pb.TensorProto_BFLOAT16:
		return 16
	case pb.TensorProto_FLOAT, pb.TensorProto_INT32, pb.TensorProto_UINT32:
		return 32
	case pb.TensorProto_DOUBLE, pb.TensorProto_INT64, pb.TensorProto_UINT64, pb.TensorProto_COMPLEX64:
		return 64
	case pb.TensorProto_COMPLEX128:
		return 128
	}
	return 0
}

// typeName is the name of an element type as the format spells it.
func typeName(t int32) string { return pb.TensorProto_DataType(t).String() }

// elements is the product of dims, refused when negative or beyond what a size in
// bits can say. The product is taken without zeros too, so that strides computed
// from dims cannot overflow.
func elements(dims []int64) (int64, *Error) {
	n, empty := int64(1), false
	for i, d := range dims {
		if d < 0 {
			return 0, bad("dims", "dimension %d is negative (%d)", i, d)
		}
		if d == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(uint64(n), uint64(d))
		if hi != 0 || lo > math.MaxInt64/128 {
			return 0, bad("dims", "the product of the dimensions overflows")
		}
		n = int64(lo)
	}
	if empty {
		n = 0
	}
	return n, nil
}

// TensorBytes is the size of t's elements in their fixed-width little-endian form,
// from its type and dims alone. Strings and unknown types are refused by name.
func TensorBytes(t *pb.TensorProto) (int64, error) {
	n, e := elements(t.GetDims())
	if e != nil {
		return 0, e
	}
	width := elementBits(pb.TensorProto_DataType(t.GetDataType()))
	if width == 0 {
		return 0, bad("data_type", "%s has no fixed size in bytes", typeName(t.GetDataType()))
	}
	return (n*width + 7) / 8, nil
}

// listed is one of the typed lists that may hold a tensor's elements.
type listed struct {
	field string
	count int
}

// lists names the typed lists of t that are not empty.
func lists(t *pb.TensorProto) []listed {
	var out []listed
	for _, l := range []listed{
		{"float_data", len(t.GetFloatData())},
		{"int32_data", len(t.GetInt32Data())},
		{"string_data", len(t.GetStringData())},
		{"int64_data", len(t.GetInt64Data())},
		{"double_data", len(t.GetDoubleData())},
		{"uint64_data", len(t.GetUint64Data())},
	} {
		if l.count > 0 {
			out = append(out, l)
		}
	}
	return out
}

// listOf is the typed list that may hold elements of a type.
func listOf(t pb.TensorProto_DataType) string {
	switch t {
	case pb.TensorProto_FLOAT, pb.TensorProto_COMPLEX64:
		return "float_data"
	case pb.TensorProto_DOUBLE, pb.TensorProto_COMPLEX128:
		return "double_data"
	case pb.TensorProto_INT64:
		return "int64_data"
	case pb.TensorProto_UINT32, pb.TensorProto_UINT64:
		return "uint64_data"
	case pb.TensorProto_STRING:
		return "string_data"
	}
	return "int32_data"
}

// listLength is how many entries the typed list of t must have for n elements.
func listLength(t pb.TensorProto_DataType, n int64) int64 {
	switch width := elementBits(t); {
	case t == pb.TensorProto_COMPLEX64, t == pb.TensorProto_COMPLEX128:
		return 2 * n
	case width == 2 || width == 4:
		return (n*width + 7) / 8
	}
	return n
}

// checkTensor holds the declared type and dims against the elements that are
// there. Elements in another file are the business of External.
func checkTensor(t *pb.TensorProto) *Error {
	dtype := pb.TensorProto_DataType(t.GetDataType())
	if elementBits(dtype) == 0 && dtype != pb.TensorProto_STRING {
		return bad("data_type", "%s is not an element type", typeName(t.GetDataType()))
	}
	if t.GetSegment() != nil {
		return bad("segment", "tensors in segments are not supported")
	}
	n, e := elements(t.GetDims())
	if e != nil {
		return e
	}
	inside := lists(t)
	raw := len(t.GetRawData()) > 0
	switch t.GetDataLocation() {
	case pb.TensorProto_DEFAULT:
		if len(t.GetExternalData()) > 0 {
			return bad("external_data", "given for a tensor whose data_location is not EXTERNAL")
		}
	case pb.TensorProto_EXTERNAL:
		if raw || len(inside) > 0 {
			return bad("data_location", "EXTERNAL, yet elements are stored in the file too")
		}
		if dtype == pb.TensorProto_STRING {
			return bad("data_location", "strings cannot be stored in another file")
		}
		return nil
	default:
		return bad("data_location", "%d is neither DEFAULT nor EXTERNAL", t.GetDataLocation())
	}
	return checkElements(t, dtype, n, raw, inside)
}

func checkElements(t *pb.TensorProto, dtype pb.TensorProto_DataType, n int64, raw bool, inside []listed) *Error {
	if raw && len(inside) > 0 {
		return bad("raw_data", "elements are given here and in %s; expected one of them", inside[0].field)
	}
	if len(inside) > 1 {
		return bad(inside[0].field, "elements are given here and in %s; expected one of them", inside[1].field)
	}
	if raw {
		if dtype == pb.TensorProto_STRING {
			return bad("raw_data", "strings must be stored in string_data")
		}
		if want := (n*elementBits(dtype) + 7) / 8; int64(len(t.GetRawData())) != want {
			return bad("raw_data", "%d bytes, but dims %v of %v need %d", len(t.GetRawData()), t.GetDims(), dtype, want)
		}
		return nil
	}
	want, have, where := listLength(dtype, n), int64(0), listOf(dtype)
	if len(inside) == 1 {
		if inside[0].field != where {
			return bad(inside[0].field, "does not hold elements of %v; expected raw_data or %s", dtype, where)
		}
		have = int64(inside[0].count)
	}
	if have != want {
		return bad(where, "%d entries, but dims %v of %v need %d", have, t.GetDims(), dtype, want)
	}
	return nil
}

// TensorData is the content of t: element type, dims (shared with t), and the
// elements in row-major order, little-endian, fixed width, wherever t stores them:
// raw_data, a typed list, or another file reached through ext (nil when there is
// none). Bytes from raw_data are shared with t and must not be changed.
// bfloat16, float16 and float8 come as their bit patterns, bool as one byte.
// Strings and types below 8 bits are refused by name, as is any disagreement
// between type, dims and bytes.
func TensorData(t *pb.TensorProto, ext *External) (pb.TensorProto_DataType, []int64, []byte, error) {
	dtype := pb.TensorProto_DataType(t.GetDataType())
	if e := checkTensor(t); e != nil {
		return dtype, nil, nil, e
	}
	switch width := elementBits(dtype); {
	case dtype == pb.TensorProto_STRING:
		return dtype, nil, nil, bad("data_type", "tensors of STRING have no bytes; only numbers can be read")
	case width < 8:
		return dtype, nil, nil, bad("data_type", "%v packs several elements in a byte and is not supported; convert the model to 8 bits or more", dtype)
	}
	if t.GetDataLocation() == pb.TensorProto_EXTERNAL {
		raw, err := ext.load(t)
		return dtype, t.GetDims(), raw, err
	}
	if len(t.GetRawData()) > 0 {
		return dtype, t.GetDims(), t.GetRawData(), nil
	}
	raw, e := encode(t, dtype)
	if e != nil {
		return dtype, nil, nil, e
	}
	return dtype, t.GetDims(), raw, nil
}

// encode writes the typed list of a checked tensor as little-endian bytes.
func encode(t *pb.TensorProto, dtype pb.TensorProto_DataType) ([]byte, *Error) {
	le := binary.LittleEndian
	var raw []byte
	switch listOf(dtype) {
	case "float_data":
		raw = make([]byte, 0, 4*len(t.FloatData))
		for _, v := range t.FloatData {
			raw = le.AppendUint32(raw, math.Float32bits(v))
		}
	case "double_data":
		raw = make([]byte, 0, 8*len(t.DoubleData))
		for _, v := range t.DoubleData {
			raw = le.AppendUint64(raw, math.Float64bits(v))
		}
	case "int64_data":
		raw = make([]byte, 0, 8*len(t.Int64Data))
		for _, v := range t.Int64Data {
			raw = le.AppendUint64(raw, uint64(v))
		}
	case "uint64_data":
		return encodeUnsigned(t.Uint64Data, dtype)
	default:
		return encodeSmall(t.Int32Data, dtype)
	}
	return raw, nil
}

func encodeUnsigned(list []uint64, dtype pb.TensorProto_DataType) ([]byte, *Error) {
	if dtype == pb.TensorProto_UINT64 {
		raw := make([]byte, 0, 8*len(list))
		for _, v := range list {
			raw = binary.LittleEndian.AppendUint64(raw, v)
		}
		return raw, nil
	}
	raw := make([]byte, 0, 4*len(list))
	for i, v := range list {
		if v > math.MaxUint32 {
			return nil, bad("uint64_data", "entry %d is %d, out of the range of %v", i, v, dtype)
		}
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	return raw, nil
}

func encodeSmall(list []int32, dtype pb.TensorProto_DataType) ([]byte, *Error) {
	low, high := int64(0), int64(math.MaxUint16)
	width := elementBits(dtype) / 8
	switch {
	case dtype == pb.TensorProto_INT32:
		low, high = math.MinInt32, math.MaxInt32
	case dtype == pb.TensorProto_INT16:
		low, high = math.MinInt16, math.MaxInt16
	case dtype == pb.TensorProto_INT8:
		low, high = math.MinInt8, math.MaxInt8
	case dtype == pb.TensorProto_BOOL:
		high = 1
	case width == 1:
		high = math.MaxUint8
	}
	raw := make([]byte, 0, int(width)*len(list))
	for i, v := range list {
		if int64(v) < low || int64(v) > high {
			return nil, bad("int32_data", "entry %d is %d, out of the range of %v", i, v, dtype)
		}
		switch width {
		case 1:
			raw = append(raw, byte(v))
		case 2:
			raw = binary.LittleEndian.AppendUint16(raw, uint16(v))
		default:
			raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
		}
	}
	return raw, nil
}

// load reads the whole payload of a tensor stored in another file.
func (e *External) load(t *pb.TensorProto) ([]byte, error) {
	r, size, err := e.Reader(t)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw := make([]byte, size)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, e.shrunk(t, err)
	}
	return raw, nil
}
