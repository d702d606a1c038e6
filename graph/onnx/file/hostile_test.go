package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/moezoo/moezoo/graph/onnx/pb"
)

// hostile is one bad file and the words its refusal must hold.
type hostile struct {
	name  string
	bytes func(testing.TB) []byte
	wants []string
}

func of(m proto.Message) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return encoded(t, m) }
}

func chain(n int) []*pb.FunctionProto {
	var fs []*pb.FunctionProto
	for i := range n {
		body := call(fmt.Sprintf("f%d", i+1), "x", "y")
		if i == n-1 {
			body = node("Identity", "x", "y")
		}
		fs = append(fs, function(fmt.Sprintf("f%d", i), body))
	}
	return fs
}

// multiplied is n functions that each call the next twice.
func multiplied(n int) []*pb.FunctionProto {
	fs := chain(n)
	for i, f := range fs[:n-1] {
		next := fmt.Sprintf("f%d", i+1)
		f.Node = []*pb.NodeProto{call(next, "x", "h"), call(next, "h", "y")}
	}
	return fs
}

// hostileBytes are the refusals that need no other file. Each is also a seed.
var hostileBytes = []hostile{
	{"empty", func(testing.TB) []byte { return nil }, []string{"empty"}},
	{"text", func(testing.TB) []byte { return []byte("#!/bin/sh\necho\n") }, []string{"not an ONNX file"}},
	{"location-parent", of(initialised(external("../x"))), []string{"../x", "out of the model's folder", "graph.initializer[0]"}},
	{"location-parent-inside", of(initialised(external("a/../../x"))), []string{"a/../../x", "out of the model's folder"}},
	{"location-absolute", of(initialised(external("/etc/passwd"))), []string{"/etc/passwd", "absolute"}},
	{"location-backslash", of(initialised(external(`..\x`))), []string{"backslash"}},
	{"location-nul", of(initialised(external("x\x00y"))), []string{"NUL"}},
	{"location-missing", of(initialised(with2(external(""), func(t *pb.TensorProto) { t.ExternalData = nil }))), []string{"no location"}},
	{"location-folder", of(initialised(external("."))), []string{"not a file"}},
	{"offset-negative", of(initialised(external("w", "offset", "-1"))), []string{`offset is "-1"`}},
	{"offset-overflow", of(initialised(external("w", "offset", "9223372036854775808"))), []string{"offset", "2^63-1"}},
	{"length-hex", of(initialised(external("w", "length", "0x8"))), []string{"length", "whole number"}},
	{"key-unknown", of(initialised(external("w", "colour", "red"))), []string{`unknown key "colour"`, "expected location"}},
	{"key-twice", of(initialised(external("w", "location", "v"))), []string{`"location"`, "twice"}},
	{"external-in-sparse", of(with(model(), func(m *pb.ModelProto) {
		m.Graph.SparseInitializer = []*pb.SparseTensorProto{{Values: external("../x"), Indices: tensor("i", nil, 0), Dims: []int64{4}}}
	})), []string{"graph.sparse_initializer[0].values", "out of the model's folder"}},
	{"external-in-constant", of(model(constant(external("../x")), node("Identity", "x", "y"))), []string{"graph.node[0](\"Constant:c\").attribute[0](\"value\").t", "out of"}},
	{"external-in-function", of(withFunctions(function("f", constant(external("../x")), node("Identity", "x", "y")))), []string{"functions[0](\"f\").node[0]", "out of"}},
	{"memory-address", of(initialised(external("*/_ORT_MEM_ADDR_/*", "offset", "140000000", "length", "8"))), []string{"address in memory"}},
	{"deep-subgraphs", func(testing.TB) []byte { return deepSubgraphs(9999) }, []string{"nested", "at byte"}},
	{"function-self-call", of(withFunctions(function("f", call("f", "x", "y")))), []string{`functions[0]("f")`, "calls itself"}},
	{"function-ring", of(withFunctions(function("f", call("g", "x", "y")), function("g", call("f", "x", "y")))), []string{"ring", `"local.f" calls "local.g" calls "local.f"`}},
	{"function-100-deep", of(withFunctions(chain(100)...)), []string{"more than 64 deep"}},
	{"function-2^60", of(withFunctions(multiplied(60)...)), []string{"more than 1000000 nodes"}},
	{"function-twice", of(withFunctions(chain(1)[0], chain(1)[0])), []string{"functions[1]", "twice"}},
	{"graph-cycle", of(model(node("Add", "x b", "a"), node("Neg", "a", "b"), node("Identity", "b", "y"))), []string{"cycle", `"Add:a" needs "Neg:b" needs "Add:a"`}},
	{"graph-cycle-in-itself", of(model(node("Add", "x y", "y"))), []string{"cycle", `"Add:y" needs "Add:y"`}},
	{"graph-unordered", of(model(node("Identity", "a", "y"), node("Neg", "x", "a"))), []string{"made later, by node[1]"}},
	{"name-undefined", of(model(node("Identity", "nothing", "y"))), []string{`graph.node[0]("Identity:y").input[0]`, `value "nothing" is not defined`}},
	{"name-twice", of(model(node("Neg", "x", "y"), node("Abs", "x", "y"))), []string{"graph.node[1]", `value "y" is defined twice`}},
	{"name-of-input-again", of(model(node("Neg", "x", "x"))), []string{`value "x" is defined twice`}},
	{"output-undefined", of(model(node("Neg", "x", "z"))), []string{`graph.output[0]("y")`, "no value"}},
	{"initializer-twice", of(initialised(tensor("w", nil, 0), tensor("w", nil, 0))), []string{"graph.initializer[1]", "twice"}},
	{"dims-overflow", of(initialised(tensor("w", nil, 1<<40, 1<<40))), []string{"graph.initializer[0](\"w\").dims", "overflows"}},
	{"dims-overflow-beside-zero", of(initialised(tensor("w", nil, 1<<40, 0, 1<<40))), []string{"overflows"}},
	{"dims-negative", of(initialised(tensor("w", nil, -1))), []string{"negative"}},
	{"raw-short", of(initialised(tensor("w", make([]byte, 7), 2))), []string{"raw_data", "7 bytes", "need 8"}},
	{"raw-long", of(initialised(tensor("w", make([]byte, 9), 2))), []string{"raw_data", "9 bytes", "need 8"}},
	{"raw-and-list", of(initialised(&pb.TensorProto{Name: "w", DataType: 1, Dims: []int64{1}, RawData: make([]byte, 4), FloatData: []float32{1}})), []string{"raw_data", "float_data", "one of them"}},
	{"list-short", of(initialised(&pb.TensorProto{Name: "w", DataType: 1, Dims: []int64{3}, FloatData: []float32{1}})), []string{"float_data", "1 entries", "need 3"}},
	{"list-of-other-type", of(initialised(&pb.TensorProto{Name: "w", DataType: 1, Dims: []int64{1}, Int64Data: []int64{1}})), []string{"int64_data", "expected raw_data or float_data"}},
	{"elem-type-unknown", of(initialised(&pb.TensorProto{Name: "w", DataType: 77})), []string{"data_type", "77"}},
	{"truncated-varint", func(testing.TB) []byte { return []byte{0x08, 0xff, 0xff} }, []string{"ir_version", "at byte 0", "truncated"}},
	{"truncated-graph", func(t testing.TB) []byte { b := encoded(t, model()); return b[:len(b)-3] }, []string{"at byte", "truncated"}},
	{"truncated-list", func(testing.TB) []byte { return nested([]byte{0x80}, 7, 5, 7) }, []string{"int64_data", "truncated number"}},
	{"graph-twice", func(t testing.TB) []byte { b := encoded(t, model()); return append(b, b...) }, []string{"given twice", "ModelProto"}},
	{"wrong-encoding", func(testing.TB) []byte { return []byte{0x38, 0x01} }, []string{"graph", "number where bytes belongs"}},
	{"not-utf8", func(testing.TB) []byte { return nested([]byte{0xff, 0xfe}, 7, 2) }, []string{"graph.name", "UTF-8"}},
	{"no-graph", of(&pb.ModelProto{IrVersion: 8, OpsetImport: opset18()}), []string{"no graph"}},
	{"future", of(with(model(), func(m *pb.ModelProto) { m.IrVersion = 99 })), []string{"ir_version", "99", "14"}},
	{"domain-not-imported", of(model(call("f", "x", "y"))), []string{`"local"`, "opset_import"}},
	{"attribute-of-two-types", of(model(with3(node("Neg", "x", "y"), &pb.AttributeProto{Name: "a", Type: pb.AttributeProto_INT, I: 1, F: 1}))), []string{"attribute[0](\"a\")", "INT"}},
	{"attribute-twice", of(model(with3(node("Neg", "x", "y"), &pb.AttributeProto{Name: "a", Type: pb.AttributeProto_INT}, &pb.AttributeProto{Name: "a", Type: pb.AttributeProto_INT}))), []string{"attribute[1](\"a\")", "twice"}},
	{"reference-outside-function", of(model(with3(node("Neg", "x", "y"), &pb.AttributeProto{Name: "a", Type: pb.AttributeProto_INT, RefAttrName: "b"}))), []string{"outside of any"}},
}

func with2(t *pb.TensorProto, change func(*pb.TensorProto)) *pb.TensorProto { change(t); return t }

func with3(n *pb.NodeProto, attributes ...*pb.AttributeProto) *pb.NodeProto {
	n.Attribute = attributes
	return n
}

// refused holds err to be one line about the input with the words wanted.
func refused(t *testing.T, err error, wants ...string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("want an *Error, got %T: %v", err, err)
	}
	if e.ExitCode() != 2 {
		t.Errorf("exit code %d, want 2", e.ExitCode())
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("message lacks %q: %s", want, err)
		}
	}
	for _, c := range err.Error() {
		if c < ' ' || c == 0x7f {
			t.Errorf("message has a control character: %q", err.Error())
		}
	}
}

func TestHostileFilesAreRefusedInOneLine(t *testing.T) {
	for _, h := range hostileBytes {
		t.Run(h.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.onnx")
			if err := os.WriteFile(path, h.bytes(t), 0o600); err != nil {
				t.Fatal(err)
			}
			_, _, err := Read(path)
			refused(t, err, append(h.wants, path)...)
		})
	}
}

// spent is how long f ran and how much heap it allocated in all, garbage
// included: no moment of it can have held more.
func spent(f func()) (time.Duration, uint64) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	f()
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	return took, after.TotalAlloc - before.TotalAlloc
}

func TestBombsAreRefusedInBoundedMemoryAndTime(t *testing.T) {
	const size = 10 << 20
	for _, bomb := range []struct {
		name string
		data []byte
		ok   bool // harmless: it fits the budget
	}{
		{"nodes", repeatedField(size/2, 1, nil), false},
		{"tensors", repeatedField(size/2, 5, nil), false},
		{"inputs", repeatedField(size/2, 11, nil), false},
		{"annotations", repeatedField(size/2, 14, nil), false},
		{"empty names", nested([]byte(strings.Repeat("\x0a\x00", size/2)), 7, 1), false},
		{"names", nested([]byte(strings.Repeat("\x0a\x0a0123456789", size/12)), 7, 1), false},
		{"dims one by one", nested([]byte(strings.Repeat("\x08\x01", size/2)), 7, 5), false},
		{"dims in runs of one", nested([]byte(strings.Repeat("\x0a\x01\x01", size/3)), 7, 5), false},
		{"numbers of one byte", nested([]byte(strings.Repeat("\x01", size)), 7, 5, 7), false},
		{"metadata", []byte(strings.Repeat("\x72\x00", size/2)), false},
		{"just below the budget", repeatedField(60_000, 1, nil), true},
		{"unknown fields", []byte(strings.Repeat("\xa2\x06\x00", size/3)), true},
	} {
		t.Run(bomb.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.onnx")
			if err := os.WriteFile(path, bomb.data, 0o600); err != nil {
				t.Fatal(err)
			}
			var err error
			took, heap := spent(func() { _, _, err = Read(path) })
			refused(t, err, path)
			if strings.Contains(err.Error(), "MiB of memory") == bomb.ok {
				t.Errorf("refused for another reason than expected: %v", err)
			}
			if limit := uint64(2*len(bomb.data) + 64<<20); heap > limit {
				t.Errorf("%d MiB of heap for %d MiB of file", heap>>20, len(bomb.data)>>20)
			}
			if took > 10*time.Second { // far more than it takes, for busy machines
				t.Errorf("took %v", took)
			}
			t.Logf("%v, %d MiB: %v", took.Round(time.Millisecond), heap>>20, err)
		})
	}
}

func TestAGraphOfFortyThousandNodesFitsTheDefaultBudget(t *testing.T) {
	m := model()
	m.Graph.Node = nil
	last := "x"
	for i := range 40_000 {
		next := fmt.Sprintf("/model/layers.%d/out", i)
		m.Graph.Node = append(m.Graph.Node, node("Add", last+" x", next))
		last = next
	}
	m.Graph.Output[0].Name = last
	data := encoded(t, m)
	var err error
	_, heap := spent(func() { _, err = ReadBytes(data) })
	if err != nil {
		t.Fatal(err)
	}
	if limit := uint64(len(data) + 64<<20); heap > limit {
		t.Errorf("%d MiB of heap beside the %d MiB of the file", heap>>20, len(data)>>20)
	}
}

func TestFilesAboveTwoGiBAreRefusedUnread(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 2<<30); err != nil {
		t.Skipf("no sparse files here: %v", err)
	}
	var err error
	_, heap := spent(func() { _, _, err = Read(path) })
	refused(t, err, "2147483648 bytes", "2 GiB")
	if heap > 1<<20 {
		t.Errorf("%d bytes of heap to refuse it", heap)
	}
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "folder", pipe: "named pipe", "/dev/zero": "device", filepath.Join(dir, "none"): "no such file"} {
		_, _, err := Read(path)
		refused(t, err, path, want)
	}
}

func TestExternalDataStaysInTheFolderOfTheModel(t *testing.T) {
	outside := t.TempDir()
	write := func(path string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("outside!"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(outside, "secret"))
	dir := filepath.Join(outside, "model")
	write(filepath.Join(dir, "good"))
	write(filepath.Join(dir, "sub", "good"))
	must(os.Symlink(outside, filepath.Join(dir, "link")))
	must(os.Symlink("sub", filepath.Join(dir, "inner")))
	must(os.Symlink(filepath.Join(outside, "secret"), filepath.Join(dir, "symlink")))
	must(os.Link(filepath.Join(outside, "secret"), filepath.Join(dir, "hardlink")))
	must(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	device := "a device is only made by root"
	if err := syscall.Mknod(filepath.Join(dir, "device"), syscall.S_IFCHR|0o600, 1<<8|5); err == nil {
		device = ""
	}
	for _, c := range []struct {
		location, want, skip string
		kv                   []string
	}{
		{location: "good"},
		{location: "sub/good"},
		{location: "./good"},
		{location: "good", kv: []string{"offset", "0", "length", "8"}},
		{location: "good", kv: []string{"checksum", "5a9dcd8f2c35a8b7ae2ed1e1ccd2d4b8d8ba5ad8"}, want: "checksum"},
		{location: "link/secret", want: "symbolic link \"link\""},
		{location: "inner/good", want: "symbolic link \"inner\""},
		{location: "symlink", want: "symbolic link"},
		{location: "hardlink", want: "hard link"},
		{location: "pipe", want: "a named pipe"},
		{location: "device", want: "a device", skip: device},
		{location: "sub", want: "a folder"},
		{location: "good/x", want: "cannot be opened"},
		{location: "nowhere", want: "no such file"},
		{location: strings.Repeat("a", 5000), want: "too long"},
		{location: "good", kv: []string{"offset", "1"}, want: "beyond the 8 bytes"},
		{location: "good", kv: []string{"offset", "9223372036854775807"}, want: "beyond"},
		{location: "good", kv: []string{"length", "9"}, want: "need 8"},
	} {
		t.Run(c.location[:min(20, len(c.location))]+strings.Join(c.kv, "="), func(t *testing.T) {
			if c.skip != "" {
				t.Skip(c.skip)
			}
			for place, m := range map[string]*pb.ModelProto{
				"initializer": initialised(external(c.location, c.kv...)),
				"sparse": with(model(), func(m *pb.ModelProto) {
					m.Graph.SparseInitializer = []*pb.SparseTensorProto{{Values: external(c.location, c.kv...), Indices: tensor("i", nil, 0)}}
				}),
				"attribute": model(constant(external(c.location, c.kv...)), node("Identity", "x", "y")),
				"functions": withFunctions(function("f", constant(external(c.location, c.kv...)), node("Identity", "x", "y"))),
			} {
				path := filepath.Join(dir, "m.onnx")
				if err := os.WriteFile(path, encoded(t, m), 0o600); err != nil {
					t.Fatal(err)
				}
				_, ext, err := Read(path)
				if c.want != "" {
					refused(t, err, path, place, c.want)
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, _, raw, err := TensorData(external(c.location, c.kv...), ext); err != nil || string(raw) != "outside!" {
					t.Errorf("%q, %v", raw, err)
				}
			}
		})
	}
}

func TestExternalDataThatShrinksOrMultipliesIsRefused(t *testing.T) {
	dir := t.TempDir()
	path, data := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "w")
	if err := os.WriteFile(data, make([]byte, 8), 0o600); err != nil {
		t.Fatal(err)
	}
	var many []*pb.TensorProto
	for i := range 100 {
		many = append(many, with2(external("w"), func(t *pb.TensorProto) { t.Name = fmt.Sprint("w", i) }))
	}
	if err := os.WriteFile(path, encoded(t, initialised(many...)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := Read(path)
	refused(t, err, "8 times over")

	if err := os.WriteFile(path, encoded(t, initialised(many[:2]...)), 0o600); err != nil {
		t.Fatal(err)
	}
	m, ext, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := ext.Reader(m.Graph.Initializer[0])
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(data, 3); err != nil {
		t.Fatal(err)
	}
	if n, _ := r.Read(make([]byte, 8)); n != 3 {
		t.Errorf("read %d bytes of the 3 that are left", n)
	}
	_, _, _, err = TensorData(m.Graph.Initializer[1], ext)
	refused(t, err, path, `"w1"`, "beyond the 3 bytes")
}

func TestModelsFromBytesHaveNoExternalData(t *testing.T) {
	_, err := ReadBytes(encoded(t, initialised(external("w"))))
	refused(t, err, "no folder")
}

func TestLimitsCanBeRaised(t *testing.T) {
	data := nested(nil, 7)
	for range 3 {
		data = append(data, nested(nil, 14)...)
	}
	_, err := ReadBytes(data, Limits{FileBytes: 4})
	refused(t, err, "above the limit of 4")
	deep := deepSubgraphs(80)
	_, err = ReadBytes(deep)
	refused(t, err, "messages are nested")
	_, err = ReadBytes(deep, Limits{Depth: 1000})
	if err == nil || strings.Contains(err.Error(), "messages are nested") {
		t.Errorf("a raised limit has no effect: %v", err)
	}
}
