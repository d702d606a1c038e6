package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func read(b []byte) (*File, error) {
	return NewFile("x.safetensors", bytes.NewReader(b), int64(len(b)))
}

// bad inputs, each with what the message must say.
var bad = []struct {
	name string
	file []byte
	want string
}{
	{"empty", nil, "0 bytes are too short"},
	{"one byte", make([]byte, 1), "1 bytes are too short"},
	{"two bytes", make([]byte, 2), "2 bytes are too short"},
	{"three bytes", make([]byte, 3), "3 bytes are too short"},
	{"four bytes", make([]byte, 4), "4 bytes are too short"},
	{"five bytes", make([]byte, 5), "5 bytes are too short"},
	{"six bytes", make([]byte, 6), "6 bytes are too short"},
	{"seven bytes", make([]byte, 7), "7 bytes are too short"},
	{"header of 2^63", binary.LittleEndian.AppendUint64(nil, 1<<63), "over the limit"},
	{"header over the limit", binary.LittleEndian.AppendUint64(nil, MaxHeader+1), "over the limit"},
	{"header longer than the file", binary.LittleEndian.AppendUint64(nil, 9), "does not fit a file of 8"},
	{"no brace", file(" {}", 0), "does not begin with {"},
	{"bad UTF-8", file("{\"\xff\":1}", 0), "not valid UTF-8"},
	{"duplicate name", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), `"a" occurs twice`},
	{"upper-case key", file(`{"a":{"dtype":"U8","DTYPE":"F32","shape":[1],"data_offsets":[0,1]}}`, 1), `unknown key "DTYPE"`},
	{"overlap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3), "overlap at byte 2"},
	{"hole", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}`, 3), "hole or an overlap at byte 1"},
	{"trailing bytes", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 9), "8 bytes that belong to no tensor"},
	{"end before begin", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}}`, 1), "outside of the data"},
	{"negative offset", file(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}}`, 1), "got -1"},
	{"fraction", file(`{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}`, 1), "got 1.5"},
	{"exponent", file(`{"a":{"dtype":"U8","shape":[1e3],"data_offsets":[0,1]}}`, 1), "got 1e3"},
	{"overflow", file(`{"a":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,1]}}`, 1), "overflows"},
	{"shape against bytes", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "needs 8 bytes"},
	{"unknown dtype", file(`{"a":{"dtype":"F8","shape":[1],"data_offsets":[0,1]}}`, 1), "unknown dtype F8"},
	{"half bytes", file(`{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}`, 2), "unknown dtype F4"},
	{"metadata value", file(`{"__metadata__":{"a":1}}`, 0), `"a" is no string`},
	{"second object", file(`{}{}`, 0), "goes on after"},
	{"missing key", file(`{"a":{"dtype":"U8","shape":[]}}`, 0), "are all needed"},
	{"truncated", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 1), "outside of the data, 1 bytes"},
	{"control characters in a name", file(`{"a\u0000/\n":{"dtype":"U8","shape":[2],"data_offsets":[0,1]}}`, 1), `tensor "a\x00/\n"`},
}

func TestBadFilesGiveOneErrorThatNamesFileAndField(t *testing.T) {
	for _, c := range bad {
		_, err := read(c.file)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.safetensors: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// emptyTensor has an extent of zero, which is no fault.
var emptyTensor = file(`{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}}`, 0)

func TestEmptyTensorsAreAccepted(t *testing.T) {
	f, err := read(emptyTensor)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Float32("a"); err != nil || len(v) != 0 {
		t.Errorf("got %v %v", v, err)
	}
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	var b bytes.Buffer
	f32 := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, math.Float32bits(1.5)), math.Float32bits(-2))
	in := []Tensor{
		{Name: "z", DType: U8, Shape: []int64{3}, Data: []byte{1, 2, 3}},
		{Name: "a", DType: F32, Shape: []int64{2, 1}, Data: f32},
		{Name: "i", DType: I64, Shape: nil, Load: func() ([]byte, error) { return binary.LittleEndian.AppendUint64(nil, 7), nil }},
		{Name: "h", DType: F16, Shape: []int64{4}, Data: []byte{0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0x00, 0x7c}},
		{Name: "b", DType: BF16, Shape: []int64{1}, Data: []byte{0xc0, 0x3f}},
	}
	if err := Write(&b, in, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	f, err := read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := f.Float32("a"); !reflect.DeepEqual(v, []float32{1.5, -2}) {
		t.Errorf("a = %v", v)
	}
	if v, _ := f.Float32("h"); !reflect.DeepEqual(v, []float32{1, -2, 1.0 / (1 << 24), float32(math.Inf(1))}) {
		t.Errorf("h = %v", v)
	}
	if v, _ := f.Float32("b"); v[0] != 1.5 {
		t.Errorf("b = %v", v)
	}
	if v, _ := f.Int64("i"); v[0] != 7 {
		t.Errorf("i = %v", v)
	}
	if f.Metadata()["format"] != "pt" {
		t.Errorf("metadata %v", f.Metadata())
	}
	if _, err := f.Float32("z"); err == nil || !strings.Contains(err.Error(), "want floats") {
		t.Errorf("z: %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	for _, c := range bad {
		f.Add(c.file)
	}
	f.Add(emptyTensor)
	f.Add(file(manyTensors(100), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := read(b)
		if err != nil {
			return
		}
		for _, n := range file.Names() {
			if _, err := file.Bytes(n); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestAMillionEmptyTensorsAreRefusedAtOnce: the header alone would become a hundred times
// its size in memory.
func TestAMillionEmptyTensorsAreRefusedAtOnce(t *testing.T) {
	content := file(manyTensors(1_000_000), 0)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	_, err := read(content)
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "more than 100000 tensors") {
		t.Error(err)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(2*len(content)+64<<20) || time.Since(start) > 10*time.Second {
		t.Errorf("%d MiB of heap for %d MiB of file, after %v", grown>>20, len(content)>>20, time.Since(start))
	}
	if f, err := read(file(manyTensors(20_000), 0)); err != nil || len(f.Names()) != 20_000 {
		t.Error(err)
	}
}

func manyTensors(n int) string {
	entries := make([]string, n)
	for i := range entries {
		entries[i] = fmt.Sprintf(`"t%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, i)
	}
	return "{" + strings.Join(entries, ",") + "}"
}
